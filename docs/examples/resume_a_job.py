"""A job in a home of its own: stop in the middle, look at what is there, go on.

python docs/examples/resume_a_job.py
"""

import tempfile
from pathlib import Path

import localbento
from localbento.errors import Interrupted

FIBONACCI = Path(__file__).parents[2] / "fixtures/guests/fibonacci/fibonacci.elf"
TERMS = (300).to_bytes(4, "little")


def stop_after_the_first(event: localbento.ProgressEvent) -> None:
    """What Ctrl-C does; a callback may do it, too."""
    if event.done and not event.final:
        raise KeyboardInterrupt


def main(home: Path) -> None:
    """Prove in small segments, so that there is something to stop."""
    program = FIBONACCI.read_bytes()
    try:
        localbento.prove_program(
            program, TERMS, segment_size=1500, jobs=1, home=home, name="fibonacci", progress=stop_after_the_first
        )
    except Interrupted as stopped:
        print(stopped)

    job = localbento.list_jobs(home=home)[0]
    print(f"job {job.short_id} is {job.activity}: segments {dict(job.segments)}")

    result = localbento.resume_job(job.id, home=home)
    result.receipt.verify(localbento.image_id(program))
    print(f"job {job.short_id} is {localbento.show_job(job.id, home=home).state}: {result.segments} segments proved")

    # The same request again is the same job: nothing is proved twice.
    again = localbento.prove_program(program, TERMS, segment_size=1500, home=home)
    assert again.job == result.job
    assert again.receipt == result.receipt
    localbento.delete_job(job.id, home=home)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))

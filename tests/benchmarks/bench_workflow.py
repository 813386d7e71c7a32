"""What the job system costs beside the proofs alone; printed, never asserted.

Run:  python tests/benchmarks/bench_workflow.py [GUEST] [--segment-size N] [--cores 2]

Proves a guest as a job with one worker for each core, then the same segments one after the other in this process, on
all cores, with nothing else around.  The ratio of the two is what workflow, store, database and processes cost (or
gain: proofs side by side use the cores better than one proof on several threads).
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

GUESTS = Path(__file__).parents[2] / "fixtures/guests"
SECRET = bytes(range(32))


def workflow(program: bytes, stdin: bytes, size: int | None, cores: int) -> dict[str, Any]:
    """The job: seconds of everything, and how busy the cores were from the first segment's start to the last's end."""
    from localbento import api
    from localbento.service.home import Home

    with tempfile.TemporaryDirectory() as folder:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        result = api.prove_program(program, stdin, segment_size=size, jobs=cores, seed=SECRET, home=Path(folder))
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Home(Path(folder)) as home:
            tasks = [t for t in home.db.get_tasks(result.job) if t.definition["kind"] == "prove"]  # type: ignore
    first = min(t.started_at for t in tasks if t.started_at is not None)
    last = max(t.updated_at for t in tasks if t.updated_at is not None)
    busy = sum(t.output["seconds"] * t.output["threads"] for t in tasks)  # type: ignore
    return {
        "segments": result.segments,
        "cycles": result.cycles,
        "seconds": seconds,
        "proving_span": last - first,
        "cores_busy": busy / (last - first) / cores,
        "worker_cpu_seconds": after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime,
        "cycles_per_second": result.cycles / seconds,
    }


def alone(program: bytes, stdin: bytes, size: int | None, threads: int) -> dict[str, Any]:
    """The same segments, executed first, then proved one after the other in this process."""
    from localbento.tasks import execute, prove

    segments: list[bytes] = []
    execute.run(
        program, stdin, SECRET, env={}, args=(), segment_size=size, max_cycles=None, allow_exit=True,
        memory_bytes=8 << 30, threads=os.cpu_count() or 1, progress=lambda _: None,
        emit=lambda data, _: segments.append(data), log=lambda _: None,
    )  # fmt: skip
    prove.run(segments[-1], SECRET, threads=threads, progress=lambda _: None)  # warm
    started, cpu = time.perf_counter(), time.process_time()
    for segment in segments:
        prove.run(segment, SECRET, threads=threads, progress=lambda _: None)
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("guest", nargs="?", type=Path, default=GUESTS / "ecdsa/ecdsa.elf")
    parser.add_argument("--segment-size", type=int, default=740_000)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    stdin = given.guest.parent / "input.bin"
    data = stdin.read_bytes() if stdin.exists() else b""
    program = given.guest.read_bytes()
    job = workflow(program, data, given.segment_size, given.cores)
    print(f"job            {job['segments']} segments, {job['cycles']:,} cycles, {job['seconds']:.2f} s in all, "
          f"{job['cycles_per_second'] / 1e3:.1f} kHz")  # fmt: skip
    print(f"proving        {job['proving_span']:.2f} s from the first segment's start to the last's end, "
          f"cores {job['cores_busy']:.1%} busy, workers used {job['worker_cpu_seconds']:.1f} s of CPU")  # fmt: skip
    for threads in sorted({1, given.cores}):
        one = alone(program, data, given.segment_size, threads)
        share = one["seconds"] * threads / given.cores
        print(
            f"alone, {threads} thread{'s' if threads > 1 else ' '} {one['seconds']:.2f} s, "
            f"{one['cpu_seconds']:.1f} s of CPU; the job's proving span is {job['proving_span'] / share:.3f} of "
            f"{'that' if threads == given.cores else 'its share by core'}, the whole job {job['seconds'] / share:.3f}"
        )


if __name__ == "__main__":
    main()

"""Follow a proof with a callback: what is done, what runs at which step, how long it will take.

python docs/examples/watch_progress.py
"""

import sys
from pathlib import Path

import localbento

HELLO = Path(__file__).parents[2] / "fixtures/guests/hello/hello.elf"


class Watcher:
    """Prints a line whenever the steps of the running tasks change."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, event: localbento.ProgressEvent) -> None:
        """Called some ten times a second, in the thread that called `prove_program`."""
        tasks = ", ".join(f"{task.name}: {task.step}" for task in event.tasks)
        line = f"{event.cycles} cycles, {event.done} segments proved; {tasks or 'nothing runs'}"
        if event.remaining_seconds is not None:
            line += f"; {event.remaining_seconds:.0f} s left"
        if event.note:
            line += f" ({event.note})"
        if tasks != self.last:
            self.last = tasks
            print(line, file=sys.stderr)


def main() -> None:
    """Prove the smallest fixture."""
    result = localbento.prove_program(HELLO.read_bytes(), name="hello", progress=Watcher())
    print(f"{result.cycles} cycles in {result.segments} segments, {result.seconds:.1f} s")
    print(f"{result.receipt_bytes} bytes, {result.provable_bits:.1f} provable bits")
    for step, seconds in sorted(result.steps.items(), key=lambda item: -item[1]):
        print(f"  {step:16} {seconds:6.2f} s")


if __name__ == "__main__":
    main()

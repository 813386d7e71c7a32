"""The executor beside a plain interpreter in C, on the compute loop of `bento bench execute`; printed, never asserted.

Run:  python tests/benchmarks/bench_interpreter.py [--instructions N] [--compiler clang]
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from localbento.bench.execute import compute_loop, run_loop
from localbento.riscv import abi

SOURCE = Path(__file__).with_name("plain_interpreter.c")
RUNS = 5


def interpret(binary: Path, image: Path, start: int) -> tuple[int, float]:
    """Instructions, and millions of them by second of CPU time."""
    run = subprocess.run([binary, image, hex(start), hex(start)], check=True, capture_output=True, text=True)
    count, seconds, _ = run.stdout.split()
    return int(count), int(count) / float(seconds) / 1e6


def main() -> None:
    """Compile, run both in turn, print medians and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--instructions", type=int, default=300_000_000)
    parser.add_argument("--compiler", default=shutil.which("clang") or shutil.which("cc"))
    options = parser.parse_args()
    if options.compiler is None:
        sys.exit("expected a C compiler (clang or cc), found none: install one or name it with --compiler")
    program = compute_loop(options.instructions)
    words = [program.image.read_word(abi.KERNEL_START + 4 * i) for i in range(16)]
    with tempfile.TemporaryDirectory() as scratch:
        image, binary = Path(scratch) / "image", Path(scratch) / "interpreter"
        image.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
        subprocess.run([options.compiler, "-O2", "-o", binary, SOURCE], check=True)
        plain, recording, c = [], [], []
        for _ in range(RUNS):
            count, speed = interpret(binary, image, abi.KERNEL_START)
            ours = run_loop(options.instructions)
            c.append(speed)
            plain.append(ours["plain_instructions_per_second"] / 1e6)
            recording.append(ours["recording_instructions_per_second"] / 1e6)
    base = statistics.median(c)
    print(f"{count:,} instructions, million a second of CPU time, median of {RUNS}:")
    for name, values in (("C, one switch", c), ("plain", plain), ("recording", recording)):
        middle = statistics.median(values)
        print(f"{name:14} {middle:8.1f}   {middle / base:5.2f} of C   ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()

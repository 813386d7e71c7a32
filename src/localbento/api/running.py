"""Running a guest without proof, and the files around it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from localbento.api.results import Cycles, Execution, Receipt
from localbento.errors import UsageError

if TYPE_CHECKING:
    from localbento.executor.segment import Segment


def image_id(program: bytes) -> bytes:
    """The identity of a program, 32 bytes: equal to RISC Zero's for R0BF files.

    Raises: UsageError if it is neither an R0BF file nor a bare RV32IM ELF.
    """
    from localbento.riscv.elf import load_guest

    return load_guest(program).image.image_id()


def encode_input(data: bytes, encoding: str) -> bytes:
    """The guest's stdin from what the user gave.

    Args:
        data: bytes of the input file.
        encoding: `raw`, `words` (integers in text, one u32 each), `frame` (u32 length first), or `bytes` and
            `string` as RISC Zero's serializer writes a `Vec<u8>` and a `String`.

    Raises: UsageError for an unknown encoding, or data that it cannot carry.
    """
    from localbento.tasks.inputs import encode

    return encode(data, encoding)


def execute(
    program: bytes,
    stdin: bytes = b"",
    *,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    max_cycles: int | None = None,
    assumptions: Sequence[Receipt] = (),
    compat: str | None = None,
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
    segments: Path | None = None,
) -> Execution:
    """Run a guest without proving anything.

    `segments` names a folder that the segment files go to; they hold guest memory and are readable by their owner.

    Raises: UsageError for a bad program or option; GuestError if the guest fails.
    """
    from localbento.riscv.elf import load_guest
    from localbento.tasks.execute import execute_program, executor_input

    require_positive(max_cycles=max_cycles)
    loaded = load_guest(program)
    given = executor_input(
        stdin, env=env or {}, args=args, assumptions=[r.composite for r in assumptions], stdout=stdout, stderr=stderr
    )
    on_segment = None if segments is None else _storing(segments)
    session = execute_program(loaded, given, max_cycles=max_cycles, compat=compat, on_segment=on_segment)
    return Execution(
        image_id=session.image_id,
        exit_code=session.exit_code,
        journal=session.journal,
        claim_digest=session.claim.digest(),
        cycles=Cycles(session.cycles.user, session.cycles.paging, session.cycles.total),
        segments=session.segments,
        syscalls=session.syscalls,
        pages_read=session.pages_read,
        pages_written=session.pages_written,
        instructions=session.instructions,
        seconds=session.seconds,
    )


def _storing(folder: Path) -> Callable[["Segment"], None]:
    from localbento.service.files import write_whole

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"--segments: cannot make {str(folder)!r}: {error.strerror}"
        raise UsageError(msg) from error

    def store(segment: "Segment") -> None:
        # Readable by its owner only, since it holds guest memory.
        write_whole(folder / f"{segment.index:06}.segment", segment.to_bytes(), private=True)

    return store


def require_positive(**numbers: int | None) -> None:
    """Refuse limits and counts of nothing, or less; None is no limit.

    Raises: UsageError.
    """
    for name, value in numbers.items():
        if value is not None and value < 1:
            msg = f"{name}: expected 1 or more, found {value}"
            raise UsageError(msg)

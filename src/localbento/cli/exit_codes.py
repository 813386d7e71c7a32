"""Every exit code of the command: `docs/exit-codes.md` is made of this, and tests hold both to `errors.py`."""

from dataclasses import dataclass
from typing import Final

from localbento.errors import GuestError, HostError, LocalBentoError, ProvingError, UsageError, VerificationError

EXIT_DONE: Final = 0
EXIT_BUG: Final = LocalBentoError.exit_code
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141
EXIT_TERMINATED: Final = 143


@dataclass(frozen=True, slots=True)
class ExitCode:
    """A code, in short for the help and at length for the page."""

    code: int
    short: str
    meaning: str
    what_to_do: str


EXIT_CODES: Final = (
    ExitCode(
        EXIT_DONE, "done",
        "Done: proved and verified, verified, printed. A job that is only looked at may have failed.",
        "",
    ),
    ExitCode(
        EXIT_BUG, "a bug",
        "A bug of localbento: Python's own trace is printed.",
        "Report it with the trace and `bento doctor --json`.",
    ),
    ExitCode(
        UsageError.exit_code, "bad request",
        "The request cannot be carried out: no ELF, a bad option, an unreadable file, an unknown or ambiguous job or "
        "image.",
        "The line says what was expected and what was found; `bento COMMAND --help`.",
    ),
    ExitCode(
        GuestError.exit_code, "the guest failed",
        "The guest failed: panic, trap, cycle limit, refused system call, or an exit code that was not to be proved.",
        "Run it alone with `bento execute`; `bento jobs logs JOB` has what it printed.",
    ),
    ExitCode(
        VerificationError.exit_code, "the receipt does not verify",
        "These bytes do not prove that. The first word of the line is the reason (`docs/security.md`).",
        "Look at it with `bento receipt show`; compare the image ID with `bento image-id GUEST`.",
    ),
    ExitCode(
        ProvingError.exit_code, "cannot be proved",
        "A valid run could not be proved: a call that no circuit covers yet, or a proof that did not verify.",
        "The line names the call; if it names none, report it.",
    ),
    ExitCode(
        HostError.exit_code, "disk, memory or a lost worker",
        "Nothing is wrong with the request: the disk is full or refuses, memory ran out, a worker died three times, "
        "a stored object or the task database is damaged or of a newer version. From `bento doctor`: a check failed.",
        "`bento doctor`; then the same command again, or `bento jobs resume JOB`: what is finished is kept.",
    ),
    ExitCode(
        EXIT_INTERRUPTED, "interrupted",
        "Ctrl-C, or (`bento status JOB --watch`) the job was cancelled.",
        "`bento jobs resume JOB`, or the same command again.",
    ),
    ExitCode(
        EXIT_BROKEN_PIPE, "reader went away", "Whoever read our output has gone (`bento jobs list | head -1`).", ""
    ),
    ExitCode(
        EXIT_TERMINATED, "terminated", "Ended by SIGTERM, or because the terminal was closed.",
        "`bento jobs resume JOB`, or the same command again.",
    ),
)  # fmt: skip


def epilog() -> str:
    """One sentence for the help."""
    listed = ", ".join(f"{entry.code} {entry.short}" for entry in EXIT_CODES if entry.code != EXIT_BUG)
    return f"Exit codes: {listed}."


def page() -> str:
    """The page `docs/exit-codes.md`."""
    lines = [
        "# Exit codes",
        "",
        "Generated from `src/localbento/cli/exit_codes.py` by `docs/generate.py`. Every error is one line on stderr "
        "that begins with `error: `.",
        "",
        "| code | meaning | what to do |",
        "|---|---|---|",
    ]
    lines += [f"| {entry.code} | {entry.meaning} | {entry.what_to_do} |" for entry in EXIT_CODES]
    lines += [
        "",
        "`bento status JOB --watch` ends as the job does: 0 when it is done, with the code of its error when it "
        f"failed, {EXIT_INTERRUPTED} when it was cancelled, {HostError.exit_code} when nobody works on it. "
        "Without `--watch` looking at a failed job is 0.",
        "",
        "From Python the same classes are raised: `localbento.errors.UsageError` and so on; each has its code as "
        "`exit_code`.",
    ]
    return "\n".join(lines) + "\n"

"""Claims as plain values (dict, list, bytes, int, None) and back, strictly.

Encoding then decoding gives the same claim; decoding accepts only what encoding writes.  A pruned
field is `{"pruned": digest}`, an absent one None.  Receipts pack these values with msgpack.
"""

from typing import Final, TypeAlias

from localbento.claim.assumption import Assumption, Assumptions
from localbento.claim.claim import Output, ReceiptClaim, SystemState
from localbento.claim.exit_code import ExitCode, System
from localbento.claim.pruned import DIGEST_BYTES, Pruned
from localbento.errors import Reason, VerificationError

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | bytes | int | None"

MAX_ASSUMPTIONS: Final = 1 << 16
"""Assumptions in one list; far above what a composite receipt can carry."""

_CLAIM_FIELDS: Final = ["pre", "post", "exit_code", "input", "output"]
_OUTPUT_FIELDS: Final = ["journal", "assumptions"]


def claim_to_plain(claim: ReceiptClaim) -> Plain:
    """The claim as plain values."""
    return {
        "pre": _state_to_plain(claim.pre),
        "post": _state_to_plain(claim.post),
        "exit_code": list(claim.exit_code.pair),
        "input": None if claim.input is None else _pruned_to_plain(claim.input),
        "output": _output_to_plain(claim.output),
    }


def claim_from_plain(plain: object) -> ReceiptClaim:
    """The claim that `claim_to_plain` gave.

    Raises:
        VerificationError: MALFORMED for anything else; LIMIT for too many assumptions.
    """
    fields = _fields(plain, _CLAIM_FIELDS, "claim")
    given = fields["input"]
    return ReceiptClaim(
        pre=_state_from_plain(fields["pre"], "pre"),
        post=_state_from_plain(fields["post"], "post"),
        exit_code=_exit_code(fields["exit_code"]),
        input=None if given is None else _pruned(given, "input"),
        output=_output_from_plain(fields["output"]),
    )


def assumption_to_plain(assumption: Assumption | Pruned) -> Plain:
    """An assumption as [claim, control root], or pruned."""
    if isinstance(assumption, Pruned):
        return _pruned_to_plain(assumption)
    return [assumption.claim, assumption.control_root]


def assumption_from_plain(plain: object) -> Assumption | Pruned:
    """The inverse of `assumption_to_plain`.

    Raises:
        VerificationError: MALFORMED for anything else.
    """
    if isinstance(plain, list):
        claim, control_root = _pair(plain, "assumption")
        return Assumption(_digest(claim, "assumption"), _digest(control_root, "assumption"))
    return _pruned(plain, "assumption")


def _pruned_to_plain(pruned: Pruned) -> Plain:
    return {"pruned": pruned.value}


def _state_to_plain(state: SystemState | Pruned) -> Plain:
    if isinstance(state, Pruned):
        return _pruned_to_plain(state)
    return [state.pc, state.merkle_root]


def _output_to_plain(output: Output | Pruned | None) -> Plain:
    if output is None:
        return None
    if isinstance(output, Pruned):
        return _pruned_to_plain(output)
    journal, assumptions = output.journal, output.assumptions
    return {
        "journal": _pruned_to_plain(journal) if isinstance(journal, Pruned) else journal,
        "assumptions": (
            _pruned_to_plain(assumptions)
            if isinstance(assumptions, Pruned)
            else [assumption_to_plain(item) for item in assumptions.items]
        ),
    }


def _malformed(detail: str) -> VerificationError:
    return VerificationError(Reason.MALFORMED, detail)


def _fields(plain: object, names: list[str], what: str) -> dict[str, object]:
    """A map with exactly these keys in this order, so that there is one encoding."""
    if type(plain) is not dict or list(plain) != names:
        msg = f"{what}: expected the fields {', '.join(names)}"
        raise _malformed(msg)
    return plain


def _pair(plain: object, what: str) -> tuple[object, object]:
    if type(plain) is not list or len(plain) != 2:
        msg = f"{what}: expected two values"
        raise _malformed(msg)
    return plain[0], plain[1]


def _digest(plain: object, what: str) -> bytes:
    if type(plain) is not bytes or len(plain) != DIGEST_BYTES:
        msg = f"{what}: expected a digest of 32 bytes"
        raise _malformed(msg)
    return plain


def _u32(plain: object, what: str) -> int:
    # bool is an int in Python, and another value in msgpack.
    if type(plain) is not int or not 0 <= plain <= 0xFFFF_FFFF:
        msg = f"{what}: expected a number of 32 bits"
        raise _malformed(msg)
    return plain


def _is_pruned(plain: object) -> bool:
    return type(plain) is dict and list(plain) == ["pruned"]


def _pruned(plain: object, what: str) -> Pruned:
    return Pruned(_digest(_fields(plain, ["pruned"], what)["pruned"], what))


def _state_from_plain(plain: object, what: str) -> SystemState | Pruned:
    if _is_pruned(plain):
        return _pruned(plain, what)
    pc, root = _pair(plain, what)
    return SystemState(_u32(pc, what), _digest(root, what))


def _exit_code(plain: object) -> ExitCode:
    system, user = (_u32(half, "exit code") for half in _pair(plain, "exit code"))
    try:
        return ExitCode(System(system), user)
    except ValueError:
        msg = f"exit code: no exit code has the pair ({system}, {user})"
        raise _malformed(msg) from None


def _output_from_plain(plain: object) -> Output | Pruned | None:
    if plain is None:
        return None
    if _is_pruned(plain):
        return _pruned(plain, "output")
    fields = _fields(plain, _OUTPUT_FIELDS, "output")
    journal = fields["journal"]
    opened = journal if type(journal) is bytes else _pruned(journal, "journal")
    return Output(opened, _assumptions_from_plain(fields["assumptions"]))


def _assumptions_from_plain(plain: object) -> Assumptions | Pruned:
    if type(plain) is not list:
        return _pruned(plain, "assumptions")
    if len(plain) > MAX_ASSUMPTIONS:
        detail = f"{len(plain)} assumptions, at most {MAX_ASSUMPTIONS} are allowed"
        raise VerificationError(Reason.LIMIT, detail)
    return Assumptions(tuple(assumption_from_plain(item) for item in plain))

"""What the parameter sets prove, by error term, for every profile of the machine."""

from typing import Any

from localbento.circuits.rv32im.keys import verifying_key
from localbento.circuits.rv32im.profiles import profiles
from localbento.stark.circuit import export_parameters
from localbento.stark.params import PARAMETER_SETS, ParameterSet
from localbento.stark.shape import Shape
from localbento.stark.soundness import Counts, report, table, worst_counts


def _sets() -> list[ParameterSet]:
    return [s for s in PARAMETER_SETS.values() if not s.is_toy]


def _bits(of: Shape | Counts) -> dict[str, Any]:
    terms, bits, m = report(of)
    return {"provable_bits": bits, "m": m, "terms": {t.name: t.bits for t in terms}}


def security_report() -> dict[str, Any]:
    """Sets with their worst admissible shapes, and the machine's profiles."""
    return {
        "sets": {s.name: {**export_parameters(s), "worst": _bits(worst_counts(s, s.tallest))} for s in _sets()},
        "profiles": {p.name: _bits(verifying_key(p.number).shape) for p in profiles()},
    }


def security_text() -> str:
    """The same for a person."""
    parts = [
        "Provable bits (list decoding to the Johnson bound, BCHKS25 Theorem 4.6; sum of all error terms).",
        "",
        "The worst shape that key generation admits:",
    ]
    parts += [table(worst_counts(s, s.tallest)) for s in _sets()]
    parts += ["", "The machine's profiles:"]
    for profile in profiles():
        parts.append(f"{profile.name}: {table(verifying_key(profile.number).shape)}")
    return "\n".join(parts)

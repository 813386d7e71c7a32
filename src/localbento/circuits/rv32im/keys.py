"""Verifying keys of the profiles: built in, not computed, so that verifying is quick and needs no prover.

`keys.json` pins the preprocessed cap and the digests of each profile; it is made by `fixtures/make_keys.py`, which
runs key generation with all its checks.  A test recomputes the digests from the recorded chips.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from localbento.circuits.rv32im.costs import height_widths
from localbento.circuits.rv32im.profiles import Profile, profiles
from localbento.errors import Reason, VerificationError
from localbento.stark.keygen import VerifyingKey
from localbento.stark.params import S100
from localbento.stark.shape import Outline, make_shape, outline


@cache
def pinned() -> Mapping[str, Any]:
    """The pinned numbers by name of profile: `fixed_cap`, `static_digest`, `circuit_digest`."""
    text = Path(__file__).with_name("keys.json").read_text()
    data: Mapping[str, Any] = json.loads(text)
    return data


def profile_of(number: int) -> Profile:
    """The profile that a receipt names.

    Raises: VerificationError(UNKNOWN_CIRCUIT) if there is none.
    """
    known = profiles()
    if not 1 <= number <= len(known):
        raise VerificationError(Reason.UNKNOWN_CIRCUIT, f"profile: expected 1 to {len(known)}, found {number}")
    return known[number - 1]


@cache
def profile_outline(number: int) -> Outline:
    """The sizes of the proofs of the profile with this number, without a look into its chips.

    Raises: VerificationError(UNKNOWN_CIRCUIT) if there is none.
    """
    profile = profile_of(number)
    return outline(S100, height_widths(profile.copies, profile.log_heights))


@cache
def verifying_key(number: int) -> VerifyingKey:
    """The verifying key of the profile with this number.

    Raises: VerificationError(UNKNOWN_CIRCUIT) if there is none.
    """
    profile = profile_of(number)
    shape = make_shape(profile.system, S100, profile.system_heights)
    numbers = pinned()[profile.name]
    cap = tuple(tuple(digest) for digest in numbers["fixed_cap"])
    return VerifyingKey(shape, cap, tuple(numbers["static_digest"]), tuple(numbers["circuit_digest"]))

"""The one line for a run that has no proof yet."""

from collections.abc import Sequence


def refusal(features: Sequence[str]) -> str:
    """Names what is missing."""
    return f"cannot be proved yet: the guest uses {', '.join(features)} (it executes: try bento execute)"

"""Keywords that several functions of the facade take, with their types.  `prove_program` says what each means."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from localbento.api.results import Progress, Receipt


class RequestOptions(TypedDict, total=False):
    """What is proved, beside the program and its input."""

    env: Mapping[str, str] | None
    args: Sequence[str]
    assumptions: Sequence[Receipt]
    segment_size: int | None
    max_cycles: int | None
    allow_exit: bool
    seed: bytes | None
    receipt: str
    name: str


class ProveOptions(RequestOptions, total=False):
    """And how."""

    jobs: int | None
    memory_bytes: int | None
    progress: Progress | None
    home: Path | None
    fresh: bool

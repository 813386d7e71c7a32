"""Where we do better than the original, each deviation behind a flag so that its recordings stay comparable."""

from dataclasses import dataclass
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Options:
    """How the task database behaves; the defaults are what a user wants.

    order: "m6" serves streams by priority; "m9" by reservation alone, as the newest original does.
    dedupe_prerequisites: a prerequisite listed twice counts once (the original waits for ever).
    release_pending_only: finishing a prerequisite moves pending tasks only (the original throws running ones back).
    delete_adjusts_counters: deleting a job corrects the counters of streams (in the original a phantom starves others).
    minimum_timeout: a timeout below one second counts as one (in the original 0 expires at once).
    skip_failed_jobs: nothing of a failed or cancelled job is handed out (the original goes on working on it).
    positive_weight: a stream's weight must be above 0 (the original accepts negative ones, which win everything).
    busy_seconds: how long to wait for another process's write.
    """

    order: Literal["m6", "m9"] = "m6"
    dedupe_prerequisites: bool = True
    release_pending_only: bool = True
    delete_adjusts_counters: bool = True
    minimum_timeout: bool = True
    skip_failed_jobs: bool = True
    positive_weight: bool = True
    busy_seconds: float = 30.0

    @classmethod
    def golden(cls, order: Literal["m6", "m9"]) -> Self:
        """The original's behaviour after that migration, mistakes included; for comparing with its recordings."""
        return cls(
            order=order,
            dedupe_prerequisites=False,
            release_pending_only=False,
            delete_adjusts_counters=False,
            minimum_timeout=False,
            skip_failed_jobs=False,
            positive_weight=False,
        )

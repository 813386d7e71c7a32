"""localbento: a zero-knowledge prover for RISC Zero guests that runs on a laptop.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "Cycles",
    "Estimate",
    "Execution",
    "JobView",
    "Progress",
    "ProgressEvent",
    "ProofResult",
    "Receipt",
    "TaskProgress",
    "cancel_job",
    "default_home",
    "delete_job",
    "estimate",
    "execute",
    "image_id",
    "list_jobs",
    "prove",
    "prove_program",
    "resume_job",
    "show_job",
    "submit_job",
]

if TYPE_CHECKING:
    from localbento.api import (
        Cycles,
        Execution,
        JobView,
        Progress,
        ProgressEvent,
        ProofResult,
        Receipt,
        TaskProgress,
        cancel_job,
        default_home,
        delete_job,
        execute,
        image_id,
        list_jobs,
        prove,
        prove_program,
        resume_job,
        show_job,
        submit_job,
    )
    from localbento.api.estimating import Estimate, estimate
else:
    # Hidden from type checkers, which would take any name at all for one of ours.
    def __getattr__(name):
        if name not in __all__:
            msg = f"module 'localbento' has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib import import_module

        place = "localbento.api.estimating" if name in ("Estimate", "estimate") else "localbento.api"
        return getattr(import_module(place), name)

"""localbento: a zero-knowledge prover for RISC Zero guests that runs on a laptop.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localbento.api import Execution, ProgressEvent, ProofResult, Receipt, execute, image_id, prove

__version__ = "0.1.0"
__all__ = ["Execution", "ProgressEvent", "ProofResult", "Receipt", "execute", "image_id", "prove"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from localbento import api

        return getattr(api, name)
    msg = f"module 'localbento' has no attribute {name!r}"
    raise AttributeError(msg)

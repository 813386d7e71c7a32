"""The prover.  `prove` is the one entry; `proving_key` makes what it keeps between proofs.

The names are loaded when they are first used: who only asks how much memory a proof takes loads no kernels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from localbento.stark.prover.key import ProvingKey, commit_fixed, proving_key
    from localbento.stark.prover.memory import predict_peak_bytes
    from localbento.stark.prover.protocol import Secret, prove
    from localbento.stark.prover.work import Work

__all__ = ["ProvingKey", "Secret", "Work", "commit_fixed", "predict_peak_bytes", "prove", "proving_key"]
_HOMES: Final = {
    "ProvingKey": "key",
    "Secret": "protocol",
    "Work": "work",
    "commit_fixed": "key",
    "predict_peak_bytes": "memory",
    "prove": "protocol",
    "proving_key": "key",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

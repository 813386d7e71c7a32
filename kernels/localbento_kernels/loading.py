"""Compiled code read back with little work: what only a compiler would need is not made before one asks for it.

numba readies itself for compiling when it loads a function: it imports its implementations of all that Python and
numpy offer, compiles its reference counts, and reads the function's bitcode, so that a caller could inline it.  All
this takes longer than the rest of a warm start, and a process that finds every kernel in the cache needs none of it.

Each file ends with the SHA-256 of what stands before it: one that is cut or damaged counts as missing.
"""

import hashlib
import pickle
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from llvmlite import binding
from numba.core import caching, codegen

# numba and llvmlite are not typed
_binding: Any = binding
_caching: Any = caching
_codegen: Any = codegen
_runtime: Any = import_module("numba.core.runtime._nrt_python")

OBJECT: Final = "object"
DIGEST_BYTES: Final = 32


class LazyLibrary(_codegen.JITCodeLibrary):  # type: ignore[misc]
    """The code of one function; read from the cache, its bitcode is parsed when a caller is compiled."""

    _bitcode: bytes | None = None
    _symbols: bytes = b""

    @classmethod
    def _unserialize(cls, codegen: Any, state: tuple[str, str, Any]) -> Any:
        """The library of cached code, linked and ready to be called."""
        name, kind, data = state
        if kind != OBJECT:
            return super()._unserialize(codegen, state)
        code, bitcode = data
        self = codegen.create_library(name)
        self.enable_object_caching()
        self._set_compiled_object(code)
        self._bitcode, self._symbols = bitcode, code
        self._finalize_final_module()
        return self

    def _get_module_for_linking(self) -> Any:
        """The module that callers inline."""
        if self._bitcode is not None:
            self._shared_module = _binding.parse_bitcode(self._bitcode)
            self._codegen._engine._load_defined_symbols(self._shared_module)
            self._bitcode = None
        return super()._get_module_for_linking()

    def get_pointer_to_function(self, name: str) -> int:
        """The address of a function of this library, 0 if it has none of this name."""
        # The engine ends the process when it is asked for a name that it does not know.
        if f"\0{name}\0".encode() in self._symbols:
            address: int = self._codegen._engine.get_function_address(name)
            return address
        found: int = super().get_pointer_to_function(name)
        return found


class CheckedFiles(_caching.IndexDataCacheFile):  # type: ignore[misc]
    """numba's index and data files of one function, with a digest at the end of each."""

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)
        return data + hashlib.sha256(data).digest()

    def _load_index(self) -> dict[Any, str]:
        try:
            with Path(self._index_path).open("rb") as file:
                version = pickle.load(file)
                stamp, overloads = pickle.loads(_checked(file.read()))
        except (FileNotFoundError, _DamagedError, pickle.UnpicklingError, EOFError):
            return {}
        known: dict[Any, str] = overloads
        return known if (version, stamp) == (self._version, self._source_stamp) else {}

    def _load_data(self, name: str) -> Any:
        return pickle.loads(_checked(Path(self._data_path(name)).read_bytes()))


class _DamagedError(OSError):
    """A file does not have its digest: numba takes any such error for a file that is not there."""


def _checked(data: bytes) -> bytes:
    content, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise _DamagedError
    return content


@cache
def add_runtime_symbols() -> None:
    """Let loaded code find numba's memory functions, without compiling those that only new code refers to."""
    for name, address in _runtime.c_helpers.items():
        _binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


def load(function_cache: Any, sig: Any, target_context: Any) -> Any:
    """The compiled function of a signature from its cache, None if it is not there; nothing is made ready to compile.

    Raises: OSError if the cache cannot be read.
    """
    add_runtime_symbols()
    return _caching.FunctionCache._load_overload(function_cache, sig, target_context)


def install() -> None:
    """Make numba load the code of functions as libraries of this kind."""
    _codegen.JITCPUCodegen._library_class = LazyLibrary

"""The arrays of an interpreted machine, and how its kernels reach them.

A machine is about thirty arrays.  Handing each of them to every helper would cost numba more time to compile
than the whole interpreter, so the kernels get one: the *context*, the addresses of all the others in the order of
`ARRAYS`.  `Machine` owns the arrays and makes the context; inside the kernels `get(m, A_POOL, i)` reads an
element as int64 and `put` writes one.  The addresses do not change during a call, and the compiler is told so.

Memory is a *pool* of page slots of 256 words.  Slot 0 does not exist, slot 1 is always the page of the
register banks, so that registers are pool words 256 (machine mode) and 288 (user mode) onwards: exactly
where the platform has them, and loads and stores of that page see them without any copying.
`table[page]` is the slot of a page that may be read without further ado, 0 otherwise; `slot_of[page]` is its
slot even where a read must first pass through `open_page` (the V2 accounting started a new segment).
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import DTypeLike, NDArray

ARRAYS: Final[tuple[tuple[str, DTypeLike], ...]] = (
    ("scalars", np.int64),  # [SCALAR_COUNT]
    ("rows", np.int64),  # [TABLES] rows counted so far
    ("caps", np.int64),  # [TABLES] rows that there is room for
    ("bases", np.int64),  # [TABLES] recording: where each chip's records begin in `records`
    ("pool", np.uint32),  # [256 slots]
    ("touch", np.uint32),  # [256 slots] T_* and the number of loads, by word; counting and recording
    ("times", np.uint32),  # [256 slots] last access, or sequence number of a code word; recording
    ("decoded", np.int64),  # [256 code slots] D_*; 0 where not decoded yet
    ("decode_row", np.uint32),  # [256 code slots] recording
    ("flags", np.uint8),  # [slots] F_*
    ("code_slot", np.int32),  # [2 slots] of a page in user and in machine mode; 0 none
    ("slot_page", np.int32),  # [slots]
    ("table", np.int32),  # [2^22]
    ("slot_of", np.int32),  # [2^22]
    ("store", np.uint32),  # [256 n] pages before they are opened; page 0 of it does not exist
    ("store_table", np.int32),  # [2^22] page -> page of the store; 0: all zero
    ("tree", np.uint8),  # [2^23] TREE_*, by heap number
    ("v2_pages", np.int32),  # [n] pages that the V2 segment loaded
    ("marks", np.uint32),  # word addresses, ascending, then SENTINEL: what is known of them beforehand
    ("mark_bits", np.uint32),  # T_SLOW: fetched as data; recording: T_CODE: loaded before it is fetched
    ("isa", np.int64),  # [rows, 5 flat] mask, match, format, operation, chip
    ("cache_key", np.int64),  # [CACHE_ENTRIES] operands
    ("cache_op", np.uint32),  # [CACHE_ENTRIES] unit operation; 0 empty
    ("cache_row", np.uint32),  # [CACHE_ENTRIES] recording
    ("records", np.uint32),  # recording: the rows of all chips
    ("replies", np.uint8),  # answers to READs: of the one pending, recording: of all
    ("reply_lengths", np.int64),  # recording: length of each answer of READ or WRITE
)
"""Names and element types; a kernel's `A_NAME` is the index here."""

(
    A_SCALARS, A_ROWS, A_CAPS, A_BASES, A_POOL, A_TOUCH, A_TIMES, A_DECODED, A_DECODE_ROW, A_FLAGS, A_CODE_SLOT,
    A_SLOT_PAGE, A_TABLE, A_SLOT_OF, A_STORE, A_STORE_TABLE, A_TREE, A_V2_PAGES, A_MARKS, A_MARK_BITS, A_ISA,
    A_CACHE_KEY, A_CACHE_OP, A_CACHE_ROW, A_RECORDS, A_REPLIES, A_REPLY_LENGTHS,
) = range(27)  # fmt: skip
SENTINEL: Final = 0xFFFF_FFFF
"""Ends `marks`; no word address is as large."""

_Function = TypeVar("_Function", bound=Callable[..., Any])
_I64: Final = ir.IntType(64)


def context_of(arrays: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """The context of a machine's arrays, by name; the caller keeps the arrays alive.

    Raises:
        TypeError: if an array has another element type than `ARRAYS` says, or is not contiguous.
    """
    context = np.zeros(len(ARRAYS), np.int64)
    for i, (name, dtype) in enumerate(ARRAYS):
        array = arrays[name]
        if array.dtype != dtype or not array.flags.c_contiguous or not array.size:
            msg = f"array {name}: expected contiguous {np.dtype(dtype)}, found {array.dtype}"
            raise TypeError(msg)
        context[i] = array.ctypes.data
    return context


def _pointer(builder: Any, context: Any, number: int) -> tuple[Any, np.dtype[Any]]:
    dtype = np.dtype(ARRAYS[number][1])
    entries = builder.inttoptr(context, _I64.as_pointer())
    entry = builder.load(builder.gep(entries, [ir.Constant(_I64, number)], inbounds=True))
    entry.set_metadata("invariant.load", builder.module.add_metadata([]))
    return builder.inttoptr(entry, ir.IntType(8 * dtype.itemsize).as_pointer()), dtype


def _get(typing: Any, m: Any, array: Any, index: Any) -> Any:
    number = array.literal_value
    signature = types.int64(types.int64, array, types.int64)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, dtype = _pointer(builder, arguments[0], number)
        value = builder.load(builder.gep(pointer, [arguments[2]], inbounds=True))
        if dtype.itemsize == 8:
            return value
        return builder.sext(value, _I64) if dtype.kind == "i" else builder.zext(value, _I64)

    return signature, code


def _put(typing: Any, m: Any, array: Any, index: Any, value: Any) -> Any:
    number = array.literal_value
    signature = types.void(types.int64, array, types.int64, types.int64)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, dtype = _pointer(builder, arguments[0], number)
        low = arguments[3]
        if dtype.itemsize < 8:
            low = builder.trunc(low, ir.IntType(8 * dtype.itemsize))
        builder.store(low, builder.gep(pointer, [arguments[2]], inbounds=True))
        return context.get_dummy_value()

    return signature, code


def _intrinsic(function: Callable[..., Any]) -> Any:
    """An intrinsic; numba's own types describe what it is made of, not what a kernel calls."""
    return intrinsic(prefer_literal=True)(function)


get: Final[Callable[[int, int, int], int]] = _intrinsic(_get)
"""`get(m, A_NAME, index)`: the element as int64.  Indices are not checked."""
put: Final[Callable[[int, int, int, int], None]] = _intrinsic(_put)
"""`put(m, A_NAME, index, value)`: set the element to the low bits of an int64."""


def helper(function: _Function) -> _Function:
    """Compile a function that only kernels call; `m` in it is the address of the context.

    Constants among its arguments are passed like any other number: numba would compile it anew for each.
    """
    compiler: Any = njit  # its types do not know the options
    dispatcher = compiler(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    unliteral: Callable[[Any], Any] = types.unliteral
    template = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        # A kernel that comes from the disk cache never asks for its helpers: until one does, theirs is not set up.
        if not hasattr(dispatcher, "_bento_cached"):
            dispatcher._bento_cached = True
            dispatcher.enable_caching()
        return template([unliteral(arg) for arg in args], kws)

    dispatcher.get_call_template = get_call_template
    return cast(_Function, dispatcher)


kernel = njit(nogil=True, cache=True)
"""How functions are compiled that Python calls: with the context itself."""


def _address_of(typing: Any, array: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, _I64)

    return types.int64(array), code


address_of: Final[Callable[[NDArray[Any]], int]] = _intrinsic(_address_of)
"""`address_of(array)`: the address of an array's first element, as int64."""

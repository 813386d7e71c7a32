"""A proof as bytes: a msgpack envelope around field elements whose number the shape fixes.

    [name, version, parameter set, body]

The body is four bytes for each element, little-endian, canonical, in the order of docs/protocol.md
("Layout of a proof").  No length is ever read from a proof: the only bytes that can be accepted are those of the one
canonical encoding, so decoding and encoding again gives the same bytes.
"""

from collections.abc import Sequence
from typing import Final

import msgpack
import numpy as np
from numpy.typing import ArrayLike, NDArray

from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.stark.params import PROTOCOL_NAME, PROTOCOL_VERSION, ParameterSet
from localbento.stark.shape import Shape

_NAME: Final = bytes([0x90 | 4, 0xA0 | len(PROTOCOL_NAME)]) + PROTOCOL_NAME.encode()


def _pack(params: ParameterSet, body: bytes, version: int = PROTOCOL_VERSION) -> bytes:
    packed: bytes = msgpack.packb([PROTOCOL_NAME, version, params.number, body], use_bin_type=True)
    return packed


def proof_size(shape: Shape) -> int:
    """Bytes of a whole proof, envelope included."""
    # The header's size depends only on the body's.
    return len(_pack(shape.params, bytes(shape.proof_bytes)))


def encode_proof(shape: Shape, elements: ArrayLike) -> bytes:
    """The bytes of a proof from its elements, in the order of the protocol.

    Shapes: integers [shape.proof_elements], canonical.
    Raises: ValueError if there is another number of them, or one is not below p: a prover's bug.
    """
    array = np.asarray(elements)
    if array.shape != (shape.proof_elements,) or array.dtype.kind not in "ui":
        msg = f"proof: expected {shape.proof_elements} integers, found {array.dtype} {array.shape}"
        raise ValueError(msg)
    if array.size and (int(array.min()) < 0 or int(array.max()) >= P):
        msg = "proof: an element is not canonical"
        raise ValueError(msg)
    return _pack(shape.params, array.astype("<u4").tobytes())


def decode_proof(shape: Shape, data: bytes | bytearray | memoryview) -> NDArray[np.uint64]:
    """The elements of a proof of this shape, uint64[shape.proof_elements].

    Raises: VerificationError with MALFORMED, VERSION, UNKNOWN_PARAMETERS, WRONG_SHAPE or NOT_CANONICAL.
    """
    body = open_envelope(shape.params, data)
    if len(body) != shape.proof_bytes:
        raise VerificationError(
            Reason.WRONG_SHAPE, f"proof body: expected {shape.proof_bytes} bytes, found {len(body)}"
        )
    elements = np.frombuffer(body, "<u4").astype(np.uint64)
    wrong = np.flatnonzero(elements >= P)
    if len(wrong):
        position = int(wrong[0])
        raise VerificationError(
            Reason.NOT_CANONICAL, f"proof element {position}: {int(elements[position])} is not below p"
        )
    return elements


def open_envelope(params: ParameterSet, data: bytes | bytearray | memoryview) -> bytes:
    """The body of a proof's envelope, which must be the canonical one of this version and set.

    Raises: VerificationError with MALFORMED, VERSION or UNKNOWN_PARAMETERS.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise VerificationError(Reason.MALFORMED, f"proof: expected bytes, found {type(data).__name__}")
    try:
        raw = bytes(data)
    except ValueError as error:
        raise VerificationError(Reason.MALFORMED, "proof: the memory view was released") from error
    if not raw.startswith(_NAME):
        raise VerificationError(Reason.MALFORMED, f"not an envelope of {PROTOCOL_NAME}")
    header = raw[len(_NAME) : len(_NAME) + 2]
    # Version and set are below 128, one byte each in msgpack.
    if len(header) < 2:
        raise VerificationError(Reason.MALFORMED, "the envelope ends in its header")
    if header[0] != PROTOCOL_VERSION:
        raise VerificationError(Reason.VERSION, f"proof version: expected {PROTOCOL_VERSION}, found byte {header[0]}")
    if header[1] != params.number:
        raise VerificationError(
            Reason.UNKNOWN_PARAMETERS,
            f"parameter set: expected {params.number} ({params.name}), found byte {header[1]}",
        )
    start, length = _binary_header(raw, len(_NAME) + 2)
    body = raw[start:]
    if len(body) != length:
        raise VerificationError(
            Reason.MALFORMED, f"the envelope announces a body of {length} bytes, {len(body)} follow"
        )
    return body


def _binary_header(raw: bytes, at: int) -> tuple[int, int]:
    """Start and announced length of a msgpack byte string, in its shortest form only."""
    kinds: Sequence[tuple[int, int, int]] = ((0xC4, 1, 0), (0xC5, 2, 1 << 8), (0xC6, 4, 1 << 16))
    for marker, size, smallest in kinds:
        if raw[at : at + 1] == bytes([marker]):
            start = at + 1 + size
            length = int.from_bytes(raw[at + 1 : start], "big")
            if len(raw) < start or length < smallest:
                break
            return start, length
    raise VerificationError(Reason.MALFORMED, "the envelope holds no canonical byte string")

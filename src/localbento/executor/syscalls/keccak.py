"""The keccak accelerator: permutations now, a proof of the batch later.

Source of the permutation: FIPS 202, section 3.  Of the claim digests: RISC Zero, risc0-circuit-keccak 4.0.5.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from localbento.executor.errors import SyscallError
from localbento.executor.syscalls.call import Call, Reply, pair
from localbento.executor.syscalls.sha256 import INITIAL_STATE, compress
from localbento.riscv import abi
from localbento.riscv.abi import Register

STATE_BYTES: Final = 200
LANES: Final = 25
PADDED_BYTES: Final = 256
_MASK: Final = (1 << 64) - 1


def _round_constants() -> tuple[int, ...]:
    """Algorithm 5: bit 2^j - 1 of round i is output 7 i + j of the shift register."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register >> 7 else 0)
        constants.append(constant)
    return tuple(constants)


def _rotations() -> tuple[int, ...]:
    """Algorithm 2: the offset of lane x + 5 y."""
    offsets = [0] * LANES
    x, y = 1, 0
    for t in range(24):
        offsets[x + 5 * y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(offsets)


ROUND_CONSTANTS: Final = _round_constants()
ROTATIONS: Final = _rotations()


def _rotate(lane: int, count: int) -> int:
    return (lane << count | lane >> (64 - count)) & _MASK


def keccak_f(state: Sequence[int]) -> list[int]:
    """The permutation keccak-f[1600] of 25 lanes, lane x + 5 y."""
    a = list(state)
    for constant in ROUND_CONSTANTS:
        columns = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        spread = [columns[(x + 4) % 5] ^ _rotate(columns[(x + 1) % 5], 1) for x in range(5)]
        b = [0] * LANES
        for x in range(5):
            for y in range(5):
                b[y + 5 * ((2 * x + 3 * y) % 5)] = _rotate(a[x + 5 * y] ^ spread[x], ROTATIONS[x + 5 * y])
        for y in range(0, LANES, 5):
            for x in range(5):
                a[x + y] = b[x + y] ^ (~b[(x + 1) % 5 + y] & b[(x + 2) % 5 + y])
        a[0] ^= constant
    return a


def permute_bytes(state: bytes) -> bytes:
    """The permutation of 200 bytes, lanes little-endian."""
    return struct.pack("<25Q", *keccak_f(struct.unpack("<25Q", state)))


def batch_claim(inputs: Sequence[bytes]) -> bytes:
    """The claim digest of a batch, released generation: SHA-256 compressions over all inputs and outputs.

    No final padding; the eight state words little-endian.
    """
    state = INITIAL_STATE
    for given in inputs:
        for data in (given, permute_bytes(given)):
            padded = data + bytes(PADDED_BYTES - STATE_BYTES)
            for start in range(0, PADDED_BYTES, 64):
                state = compress(state, padded[start : start + 64])
    return struct.pack("<8I", *state)


def batch_claim_sponge(inputs: Sequence[bytes]) -> bytes:
    """The claim digest of a batch, newer generation: a Poseidon2 sponge of 16-bit halves; cells 16..23."""
    from localbento.hash.poseidon2 import permute

    cells = [0] * 24
    for given in inputs:
        for data in (given, permute_bytes(given)):
            halves = struct.unpack("<112H", data + bytes(24))
            for start in range(0, len(halves), 16):
                cells[:16] = halves[start : start + 16]
                cells = list(permute(cells))
    return struct.pack("<8I", *cells[16:])


@dataclass(frozen=True, slots=True)
class KeccakRequest:
    """A batch that a proof is asked for."""

    claim: bytes
    control_root: bytes
    inputs: tuple[bytes, ...]
    po2: int


class Keccak:
    """KECCAK: permute, and close a batch."""

    def __init__(self, po2: int) -> None:
        """A batch holds 2^po2 // 200 permutations."""
        self._po2 = po2
        self._limit = (1 << po2) // abi.KECCAK_ROWS_PER_PERMUTATION
        self._inputs: list[bytes] = []
        self.requests: list[KeccakRequest] = []

    def keccak(self, call: Call) -> Reply:
        """By mode: permute a state, or close the batch."""
        mode = call.user(Register.A3)
        if mode == abi.KECCAK_PERMUTE:
            return self._permute(call)
        if mode == abi.KECCAK_PROVE:
            return self._prove(call)
        msg = f"keccak: unknown mode {mode}"
        raise SyscallError(msg)

    def _permute(self, call: Call) -> Reply:
        if not call.two_steps and call.user(Register.A6) == 1:
            return Reply(pair(int(len(self._inputs) >= self._limit), 0))
        if len(self._inputs) >= self._limit:
            msg = f"keccak: the batch already has {self._limit} permutations"
            raise SyscallError(msg)
        state = call.user_bytes(call.user(Register.A4), STATE_BYTES)
        self._inputs.append(state)
        full = int(len(self._inputs) == self._limit)
        return Reply(permute_bytes(state)[: call.length], first=full)

    def _prove(self, call: Call) -> Reply:
        if not call.two_steps and call.user(Register.A6) == 1:
            return Reply(pair(0, 0))
        call.require_empty()
        claim = call.user_bytes(call.user(Register.A4), 32)
        root = call.user_bytes(call.user(Register.A5), 32)
        inputs = tuple(self._inputs)
        expected = (batch_claim(inputs), batch_claim_sponge(inputs))
        if claim not in expected:
            msg = f"keccak: the guest's claim {claim.hex()} is not that of its batch, {expected[0].hex()}"
            raise SyscallError(msg)
        self._inputs.clear()
        self.requests.append(KeccakRequest(claim, root, inputs, self._po2))
        return Reply()

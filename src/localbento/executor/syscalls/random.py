"""Random bytes: the system's, or those of a seed."""

import hashlib
import secrets
from collections.abc import Callable

from localbento.executor.syscalls.call import Call, Reply


def stream(seed: bytes) -> Callable[[int], bytes]:
    """A function that hands out SHA-256(seed, counter) blocks one after the other."""
    buffer = bytearray()
    counter = 0
    key = hashlib.sha256(b"localbento guest randomness" + seed).digest()

    def take(count: int) -> bytes:
        nonlocal counter
        while len(buffer) < count:
            buffer.extend(hashlib.sha256(key + counter.to_bytes(8, "little")).digest())
            counter += 1
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken

    return take


class Random:
    """RANDOM."""

    def __init__(self, source: Callable[[int], bytes] | None) -> None:
        """None: the system's randomness."""
        self._source = source or secrets.token_bytes

    def random(self, call: Call) -> Reply:
        """Fill the buffer; whole words are drawn."""
        words = -(-call.length // 4)
        return Reply(self._source(4 * words)[: call.length], first=4 * words)

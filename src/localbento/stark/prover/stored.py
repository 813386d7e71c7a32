"""Commitments to preprocessed columns, kept on disk beside the compiled kernels: reading is quicker than computing.

A file is named by the cap that it must have (the verifying key's), the form of its tree and the source of the kernels
that lay it out: a changed circuit or kernel asks for another file.  It ends with the SHA-256 of its content, and the
cap in it is compared with the key's, so what is cut, damaged or of another circuit counts as missing.  Only provers
read these files; a wrong one could at worst make a proof that does not verify.
"""

import hashlib
import mmap
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from localbento.stark.circuit import Digest
from localbento.stark.params import DIGEST_LENGTH
from localbento.stark.prover.commitment import Commitment
from localbento.stark.shape import TreeShape
from localbento_kernels import cache as kernel_cache
from localbento_kernels.cpu import merkle
from localbento_kernels.cpu.tiles import LANES, Words, tiles_for

FORMAT: Final = 1
KERNELS: Final = ("field", "layout", "merkle", "ntt", "poseidon2", "tiles")
"""Modules that say what the words of a file mean."""
WORD: Final = 4
DIGEST_BYTES: Final = 32
LEAST_WORDS: Final = 1 << 20
"""Smaller commitments are computed as quickly as they are read."""
KEPT: Final = 4
KEPT_SECONDS: Final = 24 * 3600
"""Files that stay when a new one is written: the last used ones, and all that were used this recently."""

Fixed = tuple[dict[int, Words], Commitment]
"""The preprocessed trace of each height as tiles, and the commitment to their extensions."""


def fixed_commitment(shape: TreeShape, cap: Sequence[Digest], log_blowup: int, compute: Callable[[], Fixed]) -> Fixed:
    """The preprocessed traces and their commitment, from disk or computed, and then kept.

    `compute` must return a commitment of this cap, or raise.
    """
    parts = _parts(shape, log_blowup)
    if sum(map(_words, parts)) < LEAST_WORDS:
        return compute()
    path = _path(shape, cap, log_blowup)
    found = _read(path, shape, cap, parts)
    if found is None:
        found = compute()
        _write(path, found)
    return found


def _parts(shape: TreeShape, log_blowup: int) -> list[tuple[int, ...]]:
    """The shapes of all arrays of a file: traces, extensions, levels of the tree."""
    tiles = [(tiles_for(width), h) for h, width in zip(shape.heights, shape.widths, strict=True)]
    return [
        *((count, 1 << h, LANES) for count, h in tiles),
        *((count, 1 << (h + log_blowup), LANES) for count, h in tiles),
        *((1 << level, DIGEST_LENGTH) for level in range(shape.log_leaves, shape.cap - 1, -1)),
    ]


def _words(part: Sequence[int]) -> int:
    return int(np.prod(part, dtype=np.int64))


@cache
def _layout_stamp() -> str:
    return "".join(kernel_cache.source_stamp(f"{kernel_cache.PACKAGE}.cpu.{name}") for name in KERNELS)


def _path(shape: TreeShape, cap: Sequence[Digest], log_blowup: int) -> Path:
    parts = (FORMAT, _layout_stamp(), tuple(cap), shape, log_blowup)
    name = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
    return kernel_cache.directory() / "commitments" / f"{name}.bin"


def _read(path: Path, shape: TreeShape, cap: Sequence[Digest], parts: Sequence[tuple[int, ...]]) -> Fixed | None:
    """What a file holds, None unless it is whole and has the cap."""
    size = WORD * sum(map(_words, parts))
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != size + DIGEST_BYTES:
                return None
            # Private pages of the file's own memory: nothing is copied, and all workers share them.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        if time.time() - path.stat().st_mtime > KEPT_SECONDS / 2:
            os.utime(path)
    except OSError:
        return None
    content = memoryview(data)[:size]
    if hashlib.sha256(content).digest() != data[size:]:
        return None
    words, start, arrays = np.frombuffer(content, np.uint32), 0, []
    for part in parts:
        arrays.append(words[start : start + _words(part)].reshape(part))
        start += _words(part)
    count = len(shape.heights)
    traces = dict(zip(shape.heights, arrays, strict=False))
    matrices = [merkle.Matrix(m, width) for m, width in zip(arrays[count : 2 * count], shape.widths, strict=True)]
    found = Commitment(shape, merkle.Tree(tuple(matrices), tuple(arrays[2 * count :])))
    return (traces, found) if found.cap.tolist() == [e for digest in cap for e in digest] else None


def _write(path: Path, fixed: Fixed) -> None:
    """Keep a commitment; where the folder cannot be written, it is computed again next time."""
    traces, commitment = fixed
    tree = commitment.tree
    ordered = [traces[h] for h in commitment.shape.heights]
    digest = hashlib.sha256()
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            for array in chain(ordered, (m.tiles for m in tree.matrices), tree.levels):
                content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                digest.update(content)
                file.write(content)
            file.write(digest.digest())
        temporary.replace(path)
        _prune(path.parent)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def _prune(folder: Path) -> None:
    used: Mapping[Path, float] = {path: path.stat().st_mtime for path in folder.iterdir()}
    for path in sorted(used, key=used.__getitem__, reverse=True)[KEPT:]:
        if time.time() - used[path] > KEPT_SECONDS:
            path.unlink(missing_ok=True)

"""Commitments kept on disk: equal to computed ones, never stale, and no obstacle when damaged or unwritable."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from honest import key_of
from toy_machine import witness

from localbento.stark.keygen import VerifyingKey
from localbento.stark.params import T4
from localbento.stark.prover import Secret, prove, proving_key, stored
from localbento.stark.prover import key as key_module
from localbento.stark.verifier import verify
from localbento_kernels import cache as kernel_cache

HEIGHTS = (8, 6, 7)
SECRET = Secret(hashlib.sha256(b"test").digest())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files of this test go, for a process that remembers nothing."""
    monkeypatch.setattr(kernel_cache, "directory", lambda: tmp_path)
    monkeypatch.setattr(stored, "LEAST_WORDS", 0)
    return tmp_path / "commitments"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows with each commitment that is computed."""
    calls: list[str] = []
    compute = key_module._compute_fixed

    def counted(*args: object) -> stored.Fixed:
        calls.append("computed")
        return compute(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(key_module, "_compute_fixed", counted)
    return calls


def fresh(key: VerifyingKey):
    """The proving key as a new process makes it."""
    key_module._FIXED.clear()
    return proving_key(key)


def proof_of(key: VerifyingKey) -> bytes:
    matrices, public = witness(HEIGHTS)
    proof = prove(fresh(key), matrices, public, secret=SECRET)
    verify(key, public, proof, accept_toy=True)
    return proof


def words(fixed: stored.Fixed) -> list[np.ndarray]:
    traces, commitment = fixed
    return [*traces.values(), *(m.tiles for m in commitment.tree.matrices), *commitment.tree.levels]


def test_what_is_read_is_what_was_computed(folder: Path, computed: list[str]) -> None:
    key = key_of(T4, HEIGHTS)
    first = proof_of(key)
    kept = key_module._fixed(key, key_module.Work(1))
    assert computed == ["computed"]
    assert proof_of(key) == first
    assert computed == ["computed"]
    read = key_module._fixed(key, key_module.Work(1))
    assert len(words(kept)) > 3
    for a, b in zip(words(kept), words(read), strict=True):
        assert a.dtype == b.dtype == np.uint32
        assert b.flags.writeable  # kernels are compiled for arrays that are
        assert not b.ctypes.data % 64 or b.nbytes < 64
        np.testing.assert_array_equal(a, b)
    assert [m.width for m in kept[1].tree.matrices] == [m.width for m in read[1].tree.matrices]


@pytest.mark.parametrize("damage", ["cut", "empty", "longer", "trace", "tree", "digest"])
def test_a_damaged_file_is_computed_again(folder: Path, computed: list[str], damage: str) -> None:
    key = key_of(T4, HEIGHTS)
    first = proof_of(key)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    at = {"trace": 4, "tree": len(whole) - 40, "digest": len(whole) - 1}.get(damage, 0)
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    path.unlink()
    path.write_bytes({"cut": whole[:-100], "empty": b"", "longer": whole + b"\0"}.get(damage, flipped))
    assert proof_of(key) == first
    assert computed == ["computed"] * 2
    assert path.read_bytes() == whole


def test_a_whole_file_of_another_circuit_is_not_taken(folder: Path, computed: list[str]) -> None:
    key = key_of(T4, HEIGHTS)
    first = proof_of(key)
    (path,) = folder.iterdir()
    content = np.frombuffer(path.read_bytes()[:-32], np.uint32).copy()
    content[-1] ^= 1  # in the cap
    path.write_bytes(content.tobytes() + hashlib.sha256(content.tobytes()).digest())
    assert proof_of(key) == first
    assert computed == ["computed"] * 2


def test_changed_kernels_ask_for_another_file(
    folder: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(T4, HEIGHTS)
    proof_of(key)
    for name in stored.KERNELS:
        stored._layout_stamp.cache_clear()
        stamps = {f"{kernel_cache.PACKAGE}.cpu.{name}": "changed"}
        real = kernel_cache.source_stamp
        with monkeypatch.context() as patch:
            patch.setattr(kernel_cache, "source_stamp", lambda m, real=real, stamps=stamps: stamps.get(m) or real(m))
            fresh(key)
    stored._layout_stamp.cache_clear()
    assert len(computed) == 1 + len(stored.KERNELS)
    assert len(list(folder.iterdir())) == 1 + len(stored.KERNELS)


def test_each_cap_and_each_form_has_a_file_of_its_own(folder: Path) -> None:
    key = key_of(T4, HEIGHTS)
    tree, cap = key.shape.fixed_tree, key.fixed_cap
    assert tree is not None
    other_cap = ((cap[0][0] ^ 1, *cap[0][1:]), *cap[1:])
    other_tree = key_of(T4, (8, 8, 8)).shape.fixed_tree
    assert other_tree is not None
    paths = {stored._path(tree, cap, 2), stored._path(tree, other_cap, 2), stored._path(tree, cap, 3)}
    assert len(paths | {stored._path(other_tree, cap, 2)}) == 4


def test_a_folder_that_cannot_be_written_changes_nothing(folder: Path, computed: list[str]) -> None:
    key = key_of(T4, HEIGHTS)
    first = proof_of(key)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("no folder")
    assert proof_of(key) == first
    assert computed == ["computed"] * 2


def test_columns_that_do_not_have_the_key_s_cap_are_refused_and_not_kept(folder: Path) -> None:
    key = key_of(T4, HEIGHTS)
    cap = ((key.fixed_cap[0][0] ^ 1, *key.fixed_cap[0][1:]), *key.fixed_cap[1:])
    with pytest.raises(ValueError, match="do not have the cap"):
        fresh(VerifyingKey(key.shape, cap, key.static_digest, key.circuit_digest))
    assert not folder.exists()


def test_small_commitments_are_not_kept(folder: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert stored.LEAST_WORDS >= 1 << 20
    fresh(key_of(T4, HEIGHTS))
    assert not folder.exists()


def test_few_old_files_stay(tmp_path: Path) -> None:
    import os
    import time

    paths = [tmp_path / f"{i}.bin" for i in range(stored.KEPT + 3)]
    for i, path in enumerate(paths):
        path.write_bytes(b"")
        age = time.time() - (10 - i) * 10 * stored.KEPT_SECONDS
        os.utime(path, (age, age))
    stored._prune(tmp_path)
    assert set(tmp_path.iterdir()) == set(paths[-stored.KEPT :])

"""Loading, memory image and image ID against RISC Zero's recorded results ("3.x" where versions differ)."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localbento.riscv.elf import ElfError, kernel_image, load_bare, load_guest, load_program
from localbento.riscv.elf import user_image as user_image_of
from localbento.riscv.elf_file import KERNEL_LIMIT, USER_LIMIT, read_elf
from localbento.riscv.memory_image import MemoryImage
from localbento.riscv.memory_tree import digest_to_bytes
from localbento.riscv.r0bf import (
    AbiKind,
    ProgramFile,
    R0bfError,
    decode_program_file,
    encode_program_file,
)

VECTORS = json.loads((Path(__file__).parents[3] / "fixtures/vectors/image-vectors.json").read_text())
ELFS = {name: bytes.fromhex(elf["hex"]) for name, elf in VECTORS["elfs"].items()}


def expected(case: dict[str, Any]) -> dict[str, Any]:
    return case["expect"].get("all") or case["expect"]["3.x"]


def check_image(image: MemoryImage, expect: dict[str, Any]) -> None:
    tree = image.tree()
    pages = image.nonzero_pages()
    digests = tree.digests(np.array(pages, dtype=np.int64) + (1 << 22))
    assert tree.root.hex() == expect["root"]
    assert digest_to_bytes(tree.digests(np.array([2, 3]))).hex() == (expect["node2"] + expect["node3"])
    assert image.image_id().hex() == expect["image_id"]
    found = {str(p): digest_to_bytes(d).hex() for p, d in zip(pages, digests, strict=True)}
    assert found == expect["pages"]
    for page, runs in expect.get("nonzero", {}).items():
        wanted = bytearray(1024)
        for offset, text in runs:
            wanted[offset : offset + len(text) // 2] = bytes.fromhex(text)
        assert image.read_bytes(int(page) * 1024, 1024) == wanted


@pytest.mark.parametrize("case", VECTORS["load"], ids=lambda case: case["name"])
def test_load(case: dict[str, Any]) -> None:
    expect = expected(case)
    is_user = case["as"] == "user"
    limit = USER_LIMIT if is_user else KERNEL_LIMIT
    if "refused" in expect:
        with pytest.raises(ElfError) as caught:
            read_elf(ELFS[case["elf"]], limit)
        assert caught.value.rule == expect["refused"]
        assert str(caught.value).startswith(expect["refused"] + ": ")
    else:
        elf = read_elf(ELFS[case["elf"]], limit)
        check_image(user_image_of(elf) if is_user else kernel_image(elf), expect)


@pytest.mark.parametrize("case", VECTORS["combine"], ids=lambda case: case["name"])
def test_combine(case: dict[str, Any]) -> None:
    expect = expected(case)
    user, kernel = ELFS[case["user"]], ELFS[case["kernel"]]
    if "refused" in expect:
        with pytest.raises(ElfError) as caught:
            load_bare(user, kernel)
        assert caught.value.rule == expect["refused"]
        if expect.get("message"):
            which = expect["message"].split()[1]
            assert caught.value.detail.startswith(f"{which} ELF: ")
    else:
        check_image(load_bare(user, kernel).image, expect)


@pytest.mark.parametrize("case", VECTORS["r0bf_encode"], ids=lambda case: case["name"])
def test_r0bf_encode(case: dict[str, Any]) -> None:
    kind, version = AbiKind(case["abi_kind"]), case["abi_version"]
    program = ProgramFile(ELFS[case["user"]], ELFS[case["kernel"]], kind, version)
    data = encode_program_file(program)
    assert len(data) == case["len"]
    assert data[: case["prefix_len"]].hex() == case["prefix"]
    assert hashlib.sha256(data).hexdigest() == case["sha256"]
    assert decode_program_file(data) == program


@pytest.mark.parametrize("case", VECTORS["r0bf_decode"], ids=lambda case: case["name"])
def test_r0bf_decode(case: dict[str, Any]) -> None:
    expect, data = expected(case), bytes.fromhex(case["hex"])
    if "refused" in expect:
        with pytest.raises(R0bfError) as caught:
            decode_program_file(data)
        assert caught.value.rule == expect["refused"]
    else:
        program = decode_program_file(data)
        assert program.abi_kind == expect["abi_kind"]
        assert program.abi_version == expect["abi_version"]
        assert (len(program.user), len(program.kernel)) == (
            expect["user_len"],
            expect["kernel_len"],
        )


@pytest.mark.parametrize("case", VECTORS["r0bf_image_id"], ids=lambda case: case["name"])
def test_r0bf_image_id(case: dict[str, Any]) -> None:
    expect = expected(case)
    data = encode_program_file(ProgramFile(ELFS[case["user"]], ELFS[case["kernel"]]))
    if "refused" in expect:
        with pytest.raises(ElfError) as caught:
            load_program(data)
        assert caught.value.rule == expect["refused"]
    else:
        assert load_program(data).image_id().hex() == expect["image_id"]
        assert load_guest(data).image_id().hex() == expect["image_id"]

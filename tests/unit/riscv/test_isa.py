"""The instruction table against the public one, and the decoder against the table."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.riscv.decode import Decoded, decode, encode, immediate
from localbento.riscv.isa import BY_MNEMONIC, ILLEGAL, INSTRUCTIONS, Format, Instruction

FIXTURE = json.loads((Path(__file__).parents[3] / "fixtures/vectors/riscv-opcodes.json").read_text())
PUBLIC = {row["name"]: row for row in FIXTURE["instructions"]}
FIELDS = {
    Format.R: ["rd", "rs1", "rs2"],
    Format.I: ["rd", "rs1", "imm12"],
    Format.SHIFT: ["rd", "rs1", "shamtw"],
    Format.S: ["imm12hi", "rs1", "rs2", "imm12lo"],
    Format.B: ["bimm12hi", "rs1", "rs2", "bimm12lo"],
    Format.U: ["rd", "imm20"],
    Format.J: ["rd", "jimm20"],
    Format.SYSTEM: [],
}


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.mnemonic)
def test_row_is_that_of_riscv_opcodes(row: Instruction) -> None:
    public = PUBLIC[row.mnemonic]
    assert row.match == int(public["match"], 16)
    assert row.mask == int(public["mask"], 16)
    assert FIELDS[row.format] == public["operands"]
    assert row.opcode == row.match & 0x7F
    if row.funct3 is not None:
        assert row.funct3 == row.match >> 12 & 7
    if row.format in (Format.R, Format.SHIFT, Format.SYSTEM):
        assert row.funct7 == row.match >> 25


def test_table_has_every_public_row_but_the_refused() -> None:
    assert {row.mnemonic for row in INSTRUCTIONS} == set(PUBLIC) - set(FIXTURE["refused"])
    assert [row.number for row in INSTRUCTIONS] == list(range(ILLEGAL))
    assert len(BY_MNEMONIC) == len(INSTRUCTIONS)


def public_decode(word: int) -> str | None:
    hits = [
        name
        for name, row in PUBLIC.items()
        if word & int(row["mask"], 16) == int(row["match"], 16) and name not in FIXTURE["refused"]
    ]
    assert len(hits) <= 1
    return hits[0] if hits else None


structured = st.builds(
    lambda opcode, f3, f7, rest: opcode | f3 << 12 | f7 << 25 | (rest & 0x01FF_8F80),
    st.sampled_from(sorted({row.opcode for row in INSTRUCTIONS})),
    st.integers(0, 7),
    st.sampled_from([0, 1, 2, 0x18, 0x20, 0x21, 0x7F]),
    st.integers(0, 2**32 - 1),
)


@given(st.one_of(structured, st.integers(0, 2**32 - 1)))
def test_decoder_agrees_with_the_public_table(word: int) -> None:
    decoded = decode(word)
    assert (decoded.instruction.mnemonic if decoded else None) == public_decode(word)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0x0000_0013, ("addi", 0, 0, 0, 0)),
        (0xFFF5_8513, ("addi", 10, 11, 0, 0xFFFF_FFFF)),
        (0x8005_8513, ("addi", 10, 11, 0, 0xFFFF_F800)),
        (0x1234_52B7, ("lui", 5, 0, 0, 0x1234_5000)),
        (0xFFFF_F2B7, ("lui", 5, 0, 0, 0xFFFF_F000)),
        (0xFE52_8EE3, ("beq", 0, 5, 5, 0xFFFF_FFFC)),
        (0x8062_80E3, ("beq", 0, 5, 6, 0xFFFF_F800)),
        (0x0062_80E3, ("beq", 0, 5, 6, 0x0000_0800)),
        (0x0000_006F, ("jal", 0, 0, 0, 0)),
        (0xFFDF_F0EF, ("jal", 1, 0, 0, 0xFFFF_FFFC)),
        (0x0010_00EF, ("jal", 1, 0, 0, 0x0000_0800)),
        (0x8000_00EF, ("jal", 1, 0, 0, 0xFFF0_0000)),
        (0xFE61_2E23, ("sw", 0, 2, 6, 0xFFFF_FFFC)),
        (0x41F5_5513, ("srai", 10, 10, 0, 31)),
        (0x02C5_C533, ("div", 10, 11, 12, 0)),
        (0x0000_0073, ("ecall", 0, 0, 0, 0)),
        (0x3020_0073, ("mret", 0, 0, 0, 0)),
    ],
)
def test_known_words(word: int, expected: tuple[str, int, int, int, int]) -> None:
    decoded = decode(word)
    assert decoded == Decoded(BY_MNEMONIC[expected[0]].number, *expected[1:])


@pytest.mark.parametrize(
    "word",
    [
        0x0000_0000,
        0xFFFF_FFFF,
        0x0000_0001,  # compressed
        0x0FF0_000F,  # fence
        0x0000_100F,  # fence.i
        0x0000_00F3,  # ecall with rd = 1
        0x0000_8073,  # ecall with rs1 = 1
        0x0020_0073,  # uret
        0x1020_0073,  # sret
        0x1050_0073,  # wfi
        0x3020_80F3,  # mret with operands
        0x3030_0073,
        0xC000_2573,  # rdcycle
        0x0000_1067,  # jalr with funct3 = 1
        0x0200_1013,  # slli with funct7 = 1
        0x2000_5013,
        0x4000_1013,
        0x0400_0033,
        0x4000_1033,
        0x4200_0033,
        0x0000_2063,  # branch funct3 = 2
        0x0000_3003,  # ld
        0x0000_6003,  # lwu
        0x0000_3023,  # sd
        0x1005_252F,  # lr.w
        0x0000_2007,  # flw
    ],
)
def test_illegal_words(word: int) -> None:
    assert decode(word) is None


@given(st.sampled_from(INSTRUCTIONS), st.data())
def test_encode_is_the_inverse_of_decode(row: Instruction, data: st.DataObject) -> None:
    word = (data.draw(st.integers(0, 2**32 - 1)) & ~row.mask) | row.match
    decoded = decode(word)
    assert decoded is not None
    assert decoded.instruction is row
    assert encode(row, decoded.rd, decoded.rs1, decoded.rs2, decoded.imm) == word


@pytest.mark.parametrize(
    ("mnemonic", "operands"),
    [
        ("add", (32, 0, 0, 0)),
        ("add", (1, 2, 3, 4)),
        ("addi", (1, 2, 3, 0)),
        ("addi", (1, 2, 0, 2048)),
        ("beq", (0, 1, 2, 3)),
        ("jal", (1, 0, 0, 1 << 20)),
        ("slli", (1, 2, 0, 32)),
        ("lui", (1, 0, 0, 1)),
        ("ecall", (1, 0, 0, 0)),
        ("add", (-1, 0, 0, 0)),
    ],
)
def test_encode_refuses(mnemonic: str, operands: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"operands of {mnemonic}"):
        encode(BY_MNEMONIC[mnemonic], *operands)


def test_immediate_of_formats_without_one() -> None:
    assert immediate(Format.R, 0xFFFF_FFFF) == 0
    assert immediate(Format.SYSTEM, 0xFFFF_FFFF) == 0

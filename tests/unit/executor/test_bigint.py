"""The small programs that come with a bigint call, against Python's integers; and everything that can be wrong."""

import struct

import pytest
from executor_guests import Guest
from hypothesis import given
from hypothesis import strategies as st

from localbento.executor import execute
from localbento.executor.ecalls.bigint import (
    ADD,
    CONST,
    INV,
    LOAD,
    MAX_VALUE_BITS,
    MUL,
    QUO,
    REM,
    STORE,
    SUB,
    Evaluation,
    decode_program,
)
from localbento.executor.errors import MachineCallError

WIDTH = 64
NUMBERS = st.integers(0, (1 << 8 * WIDTH) - 1) | st.sampled_from([0, 1, 2, (1 << 8 * WIDTH) - 1])


def encoded(operations, types=(WIDTH,), constants=(), inputs=0):
    """A program's bytes; operations are (opcode, type, a, b)."""
    head = b"bibc" + struct.pack("<5I", 1, inputs, len(types), len(constants), len(operations))
    kinds = b"".join(struct.pack("<4Q", coeffs, 0, 0, 0) for coeffs in types)
    words = [opcode | kind << 4 | a << 16 | b << 40 for opcode, kind, a, b in operations]
    return head + bytes(16 * inputs) + kinds + struct.pack(f"<{len(constants)}Q{len(words)}Q", *constants, *words)


def evaluate(data, memory=()):
    """Runs a program; `memory` are the numbers of arenas 0, 1, ...; returns what it stores, by arena."""
    evaluation = Evaluation(
        decode_program(data), lambda arena, offset, count: memory[arena].to_bytes(count, "little")[16 * offset :]
    )
    evaluation.run()
    return {arena: int.from_bytes(data, "little") for arena, _, data in evaluation.stores}


def binary(opcode, a, b):
    """What |a opcode b| is stored as, in twice the width."""
    load = [(LOAD, 0, 0 << 16, 0), (LOAD, 0, 1 << 16, 0)]
    data = encoded([*load, (opcode, 0, 0, 1), (STORE, 1, 2 << 16, 2)], types=(WIDTH, 2 * WIDTH))
    return evaluate(data, (a, b))[2]


@given(NUMBERS, NUMBERS)
def test_arithmetic(a, b) -> None:
    assert binary(ADD, a, b) == a + b
    assert binary(SUB, a, b) == abs(a - b)
    assert binary(MUL, a, b) == a * b
    if b:
        assert (binary(QUO, a, b), binary(REM, a, b)) == divmod(a, b)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_division_of_negative_numbers_truncates(a, b, c) -> None:
    loads = [(LOAD, 0, arena << 16, 0) for arena in range(3)]
    difference, c = a - b, c or 1
    for opcode, wanted in ((QUO, abs(difference) // c), (REM, abs(difference) % c)):
        data = encoded([*loads, (SUB, 0, 0, 1), (opcode, 0, 3, 2), (STORE, 0, 3 << 16, 4)])
        assert evaluate(data, (a, b, c)) == {3: wanted}


@given(NUMBERS)
def test_inverse(a) -> None:
    prime = (1 << 255) - 19
    if a % prime:
        assert binary(INV, a, prime) * a % prime == 1


def test_constants() -> None:
    data = encoded([(CONST, 0, 1, 3), (STORE, 0, 5 << 16, 0)], constants=(9, 1, 2, 3))
    assert evaluate(data) == {5: 1 | 2 << 64 | 3 << 128}


def test_inputs_are_skipped() -> None:
    assert evaluate(encoded([(CONST, 0, 0, 1), (STORE, 0, 0, 0)], constants=(7,), inputs=3)) == {0: 7}


SQUARES = [(CONST, 0, 0, 1), *((MUL, 0, i, i) for i in range(40))]
WRONG = {
    "no program": (b"bibd" + bytes(20), "expected a bibc program, found b'bibd'"),
    "cut in the header": (b"bibc" + bytes(19), "expected a bibc program"),
    "version": (b"bibc" + struct.pack("<5I", 2, 0, 0, 0, 0), "program version 2, known: 1"),
    "cut in the operations": (encoded([(CONST, 0, 0, 0)])[:-1], "its header asks for"),
    "unknown operation": (encoded([(5, 0, 0, 0)]), "malformed operation 5"),
    "operand that comes later": (encoded([(CONST, 0, 0, 0), (ADD, 0, 0, 1)]), "malformed operation 8"),
    "store of what comes later": (encoded([(STORE, 0, 0, 0)]), "malformed operation 4"),
    "constants beyond the end": (encoded([(CONST, 0, 1, 1)], constants=(1,)), "malformed operation 2"),
    "unknown type": (encoded([(LOAD, 1, 0, 0)]), "malformed operation 3"),
    "type too wide": (encoded([(LOAD, 0, 0, 0)], types=(1 << 40,)), "malformed operation 3"),
    "quotient by zero": (encoded([(CONST, 0, 0, 0), (QUO, 0, 0, 0)]), "divide by zero"),
    "remainder by zero": (encoded([(CONST, 0, 0, 0), (REM, 0, 0, 0)]), "divide by zero"),
    "inverse modulo zero": (encoded([(CONST, 0, 0, 0), (INV, 0, 0, 0)]), "divide by zero"),
    "no inverse": (encoded([(CONST, 0, 0, 1), (INV, 0, 0, 0)], constants=(6,)), "divide by zero"),
    "value too large": (
        encoded([(CONST, 0, 0, 1), (MUL, 0, 0, 0), (MUL, 0, 1, 1), (STORE, 0, 0, 2)], (16,), ((1 << 64) - 1,)),
        "a value of 256 bits does not fit 16 bytes",
    ),
    "squares without end": (encoded(SQUARES, constants=(3,)), f"bits, allowed {MAX_VALUE_BITS}"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_programs(name) -> None:
    data, text = WRONG[name]
    with pytest.raises(MachineCallError) as caught:
        evaluate(data)
    assert str(caught.value).startswith("bigint: ")
    assert text in str(caught.value)


def test_guest_that_calls_it() -> None:
    guest = Guest("bigint2_call")
    assert execute(guest.program, guest.given()).journal == guest.journal

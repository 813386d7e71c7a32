"""Programs after the assignment of registers compute what they computed before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from localbento.air.registers import Instruction, Kind, allocate
from localbento_kernels.cpu import constraints

INPUTS = 7
P = 2**31 - 2**27 + 1
SIMPLE = {Kind.ADD: 1, Kind.SUB: 1, Kind.MUL: 1, Kind.ADD_ELEMENT: 5, Kind.SUB_ELEMENT: 5}


def run(instructions, memory: dict[int, int]) -> dict[int, int]:
    """Register by register, upwards, as kernels go."""
    for kind, target, sources, weight in instructions:
        if kind is Kind.CLEAR:
            memory |= {target + i: 0 for i in range(5)}
        elif kind is Kind.LINEAR_2:
            a, b = (memory[s] for s in sources[:2])
            memory |= {target + i: (memory[target + i] + (weight + i) * a + 3 * i * b) % P for i in range(5)}
        else:
            for i in range(SIMPLE[kind]):
                a, b = (memory[s + i] for s in sources[:2])
                value = {"A": a + b, "S": a - b, "M": a * b}[kind.name[0]]
                memory[target + i] = value % P
    return memory


@st.composite
def programs(draw: DrawFn) -> tuple[list[Instruction], dict[int, int], int]:
    """Random programs; each virtual register is written before it is read."""
    sizes: dict[int, int] = {}
    instructions, following = [], INPUTS + 10  # two registers of F among the inputs
    singles, elements = list(range(INPUTS)), [INPUTS, INPUTS + 5]
    for _ in range(draw(st.integers(1, 40))):
        kind = draw(st.sampled_from([*SIMPLE, Kind.CLEAR, Kind.LINEAR_2]))
        size = SIMPLE.get(kind, 5)
        parts = singles + [e + i for e in elements for i in range(5)]
        pool = elements if size == 5 and kind in SIMPLE else parts
        sources = () if kind is Kind.CLEAR else tuple(draw(st.sampled_from(pool)) for _ in range(2))
        own = [e for e in elements if e in sizes]
        if kind is Kind.LINEAR_2:
            if not own:
                continue
            instructions.append(Instruction(kind, draw(st.sampled_from(own)), sources, draw(st.integers(0, 9))))
            continue
        sizes[following] = size
        instructions.append(Instruction(kind, following, sources, -1))
        (singles if size == 1 else elements).append(following)
        following += size
    result = draw(st.sampled_from(sorted(sizes))) if sizes else -1
    return instructions, sizes, result


@given(programs())
def test_assignment_keeps_the_result(program) -> None:
    instructions, sizes, result = program
    if result < 0:
        return
    start = {i: 1000 + 17 * i for i in range(INPUTS + 10)}
    expected = run(instructions, dict(start))
    places, rows, count = allocate(instructions, sizes, INPUTS + 10, {result}, ())
    assert rows.max() < count
    real = [Instruction(Kind(r[0]), int(r[1]), tuple(int(x) for x in r[2:6] if x >= 0), int(r[6])) for r in rows]
    found = run(real, dict(start))
    for i in range(sizes[result]):
        assert found[places[result] + i] == expected[result + i]
    assert all(found[i] == start[i] for i in start), "inputs stay"


@given(programs())
def test_registers_that_are_kept_never_overlap(program) -> None:
    instructions, sizes, result = program
    if result < 0:
        return
    places, _, count = allocate(instructions, sizes, INPUTS + 10, set(sizes), sorted(sizes))
    taken = np.zeros(count, int)
    for name, size in sizes.items():
        taken[places[name] : places[name] + size] += 1
    assert taken.max() == 1


def test_a_chain_needs_two_registers() -> None:
    chain = [Instruction(Kind.ADD, 7 + i, (6 + i, 0), -1) for i in range(50)]
    _, _, count = allocate(chain, {7 + i: 1 for i in range(50)}, 7, {56}, ())
    assert count <= 9


@pytest.mark.parametrize("kind", list(Kind))
def test_kernel_and_compiler_number_instructions_alike(kind: Kind) -> None:
    assert getattr(constraints, kind.name) == kind

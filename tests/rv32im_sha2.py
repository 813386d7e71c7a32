"""What attacks on SHA2 calls share: the corpus in both forms of the rounds, and what a forged witness leaves over."""

import numpy as np
import pytest
from rv32im_attack import column, traffic
from rv32im_judge import judge

from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import SHA2, SHA2_ROUND, SHA2_SCHEDULE, SHA2_STEP, SHA2_WORD

INSIDE = (SHA2, SHA2_WORD, SHA2_STEP, SHA2_SCHEDULE, SHA2_ROUND)
NARROW, WIDE = "hashing/steps", "hashing"
ROUNDS_OF = {NARROW: "sha2_step", WIDE: "sha2_round"}

both_forms = pytest.mark.parametrize("label", ROUNDS_OF)


def left_over(mains, label, buses=INSIDE):
    """Unbalanced messages between the SHA2 chips."""
    return traffic(mains, ("sha2", ROUNDS_OF[label]), buses)


def refusals(mains, name):
    """Rules and lookups that fail on some row."""
    return {k for k, bad in judge(machine.recorded(name), mains[name]).failing.items() if bad.any()}


def where(mains, name, **wanted):
    """Numbers of the rows with these cells."""
    return np.flatnonzero(np.all([mains[name][column(name, k)] == v for k, v in wanted.items()], axis=0))


def cells(mains, name, pattern):
    """Columns whose name begins so, as numbers."""
    return [i for i, c in enumerate(machine.recorded(name).main) if c.startswith(pattern)]


def exchange(mains, name, one, other, *patterns):
    """Two rows exchange these columns."""
    for pattern in patterns:
        chosen = cells(mains, name, pattern)
        assert chosen, pattern
        matrix = mains[name]
        matrix[np.ix_(chosen, [one, other])] = matrix[np.ix_(chosen, [other, one])]


def buses_of(found):
    return {k[0] for k in found}


def starts_of_blocks(mains):
    """Cycle of the first round, and blocks left, of each block."""
    turns = where(mains, "sha2", turn=1)
    cycle, left = (mains["sha2"][column("sha2", k), turns] for k in ("cycle", "left"))
    return [(int(c) + 5, int(n)) for c, n in zip(cycle, left, strict=True)]

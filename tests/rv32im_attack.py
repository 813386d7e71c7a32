"""Single rows and traffic of the rv32im chips: what an attack changes and what refuses it."""

from collections import defaultdict

import numpy as np
from rv32im_corpus import CASES, case, form_of
from rv32im_judge import judge

from localbento.air.check import evaluate_columns, signed
from localbento.circuits.rv32im import machine
from localbento.field.babybear import P


def of_kind(name, **wanted):
    """An honest row with these values, as a dictionary of columns."""
    columns = machine.recorded(name).main
    for label in CASES:
        matrix = case(label + form_of(name)).matrix(name)
        found = np.flatnonzero(np.all([matrix[columns.index(k)] == v for k, v in wanted.items()], axis=0))
        if len(found):
            return dict(zip(columns, map(int, matrix[:, found[0]]), strict=True))
    raise AssertionError(wanted)


def failing(name, values):
    """Labels of constraints and lookups that refuse a row."""
    chip = machine.recorded(name)
    column = np.array([[values[c] % P] for c in chip.main], np.uint32)
    return {label for label, bad in judge(chip, column).failing.items() if bad[0]}


def refused(name, values, *labels):
    """The row is refused by exactly these labels (a prefix is enough for the last)."""
    found = failing(name, values)
    assert found, "the row is accepted"
    assert all(any(f.startswith(label) for f in found) for label in labels), found
    assert all(any(f.startswith(label) for label in labels) for f in found), found


def traffic(mains, chips, buses):
    """Net count of every message on some buses."""
    net = defaultdict(int)
    for name in chips:
        chip, matrix = machine.recorded(name), mains[name]
        values = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)
        whole = lambda node: np.broadcast_to(values[node], matrix.shape[1:])  # noqa: B023, E731
        for m in chip.messages:
            if m.bus in buses:
                times = signed(whole(m.times)) * m.sign
                for k in np.flatnonzero(times):
                    net[m.bus.name, *(int(whole(n)[k]) for n in m.components)] += int(times[k])
    return {k: v for k, v in net.items() if v % P}


def mains_of(label):
    """Matrices by name, to be changed."""
    c = case(label)
    return {chip.name: m.copy() for chip, m in zip(c.profile.system.chips, c.witness.mains, strict=True)}


def column(name, column):
    return machine.recorded(name).main.index(column)

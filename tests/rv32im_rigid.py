"""Which cells of an honest call could move by an amount as small as one likes, all else being as it is.

Every rule, lookup and message of a call and its rounds, differentiated at the honest witness: a cell that no such
equation holds still is one that a prover may choose.  What lookups ask for and what goes to other chips must not
move, and the message that a row takes moves as that of the row that sends it.  Blind to what jumps (bits, bytes,
carries, another row's message): attacks and range arguments are for these.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np
from rv32im_attack import column, mains_of
from rv32im_sha2 import INSIDE, ROUNDS_OF, starts_of_blocks

from localbento.air.evaluate import evaluate
from localbento.circuits.rv32im import machine
from localbento.field.babybear import P

KINDS = ("call", "pointer", "count", "load", "block", "turn", "store", "finish")


@dataclass
class Dual:
    """Values and derivatives by one column, modulo p; uint64[rows] each."""

    value: np.ndarray
    by: np.ndarray

    def __add__(self, other):
        return Dual((self.value + other.value) % P, (self.by + other.by) % P)

    def __sub__(self, other):
        return Dual((self.value + P - other.value) % P, (self.by + P - other.by) % P)

    def __mul__(self, other):
        by = (self.value * other.by % P + other.value * self.by % P) % P
        return Dual(self.value * other.value % P, by)


@cache
def equations(label):
    """Linear equations (label, {cell: coefficient}) of the first block's call; a cell is (chip, row, column)."""
    mains, name = mains_of(label), ROUNDS_OF[label]
    first, left = starts_of_blocks(mains)[0]
    cycle = {chip: mains[chip][column(chip, "cycle")].astype(int) for chip in ("sha2", name)}
    used = sum(mains["sha2"][column("sha2", kind)] for kind in KINDS) == 1
    rows = {
        "sha2": (cycle["sha2"] >= first - 5) & (cycle["sha2"] < first + 68) & used,
        name: (cycle[name] >= first - 4) & (cycle[name] < first + 64) & (mains[name][column(name, "left")] == left),
    }
    found, messages = [], defaultdict(list)
    for chip, chosen in rows.items():
        _of_chip(chip, mains[chip][:, chosen].astype(np.uint64), found, messages)
    for (bus, *_), sides in messages.items():
        (sign, one), (other_sign, other) = sides
        assert sign + other_sign == 0
        for a, b in zip(one, other, strict=True):
            both = dict(a)
            for cell, value in b.items():
                both[cell] = (both.get(cell, 0) - value) % P
            found.append((bus, both))
    return [(name, {cell: v for cell, v in e.items() if v}) for name, e in found]


def _of_chip(name, matrix, found, messages):
    chip, count = machine.recorded(name), matrix.shape[1]
    nothing, one = np.zeros(count, np.uint64), np.ones(count, np.uint64)
    needed = {k.node for k in chip.constraints} | {x for m in chip.messages for x in (m.times, *m.components)}
    slopes, values = {node: [] for node in needed}, {}
    for k in range(len(chip.main)):
        columns = [Dual(x, one if i == k else nothing) for i, x in enumerate(matrix)]
        dual = evaluate(chip, [], columns, lambda value: Dual(np.full(count, value % P, np.uint64), nothing))
        for node in needed:
            slopes[node].append(dual[node].by)
            values[node] = dual[node].value
    slopes = {node: np.stack(columns, axis=1) for node, columns in slopes.items()}

    def linear(node, row):
        slope = slopes[node][row]
        return {(name, row, chip.main[k]): int(slope[k]) for k in np.flatnonzero(slope)}

    for row in range(count):
        found += [(f"{name}: {k.label}", linear(k.node, row)) for k in chip.constraints]
        for m in chip.messages:
            if not values[m.times][row]:
                continue
            parts = [linear(x, row) for x in m.components]
            if m.bus in INSIDE:
                key = (m.bus.name, *(int(values[x][row]) for x in m.components))
                messages[key].append((m.sign, parts))
            else:
                found += [(f"{name}: {m.label}", part) for part in parts]


def loose(label, without=None):
    """Cells that may move, if one rule or bus is left out."""
    cells = {cell for _, e in equations(label) for cell in e}
    left = [dict(e) for name, e in equations(label) if e and name != without]
    holders = defaultdict(list)
    for e in left:
        for cell in e:
            holders[cell].append(e)
    still, alone = set(), [e for e in left if len(e) == 1]
    while alone:
        for cell in list(alone.pop()):
            still.add(cell)
            for e in holders.pop(cell, ()):
                e.pop(cell, None)
                if len(e) == 1:
                    alone.append(e)
    pivots = {}
    for e in sorted((e for e in left if e), key=len):
        rest = _reduced(e, pivots)
        if rest:
            cell = min(rest)
            inverse = pow(rest[cell], -1, P)
            pivots[cell] = {other: v * inverse % P for other, v in rest.items()}
    moving = {cell for cell, e in pivots.items() if _reduced({k: v for k, v in e.items() if k != cell}, pivots)}
    return (cells - still - set(pivots)) | moving


def _reduced(e, pivots):
    e = dict(e)
    while found := next((cell for cell in e if cell in pivots), None):
        times = e[found]
        for cell, value in pivots[found].items():
            e[cell] = (e.get(cell, 0) - times * value) % P
            if not e[cell]:
                del e[cell]
    return e

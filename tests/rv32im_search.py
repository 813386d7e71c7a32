"""Rows that violate one thing only.

For every label and every lookup of a chip: a row on which it alone fails.  A prover who could leave that one
check out could use the row; so each check is needed, and a test that loads such a row dies without it.
Found by changing a cell of an honest row and repairing what else fails, cell by cell.

python tests/rv32im_search.py      rewrite tests/soundness/sole_rows_a.json
"""

import json
import random
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
from rv32im_judge import UNCHECKED
from rv32im_run import CHIPS, Run, recorded, unit_result

from localbento.air.bus import BusKind
from localbento.air.expr import Op
from localbento.circuits.rv32im.buses import DECODE, OPCODE, RANGE, UNIT, Range, Region
from localbento.circuits.rv32im.opcodes import table
from localbento.circuits.rv32im.records import Unit
from localbento.circuits.rv32im.tables import REGIONS
from localbento.field.babybear import P

STORE = Path(__file__).parent / "soundness" / "sole_rows_a.json"


class Row:
    """A compiled chip: values of all nodes of one row."""

    def __init__(self, chip):
        self.chip = chip
        lines = ["def f(m):"]
        for i, (op, a, b) in enumerate(chip.graph.nodes):
            text = {
                Op.CONSTANT: f"{a}",
                Op.MAIN: f"m[{a}]",
                Op.ADD: f"v{a}+v{b}",
                Op.SUB: f"v{a}-v{b}",
                Op.MUL: f"v{a}*v{b}%P",
            }[op]
            lines.append(f"    v{i}={text}")
        wanted = [k.node for k in chip.constraints]
        self.labels = [k.label for k in chip.constraints]
        self.pulls = [m for m in chip.messages if m.sign < 0 and m.bus.kind is BusKind.LOOKUP and m.bus != DECODE]
        for m in self.pulls:
            wanted += [m.times, *m.components]
        lines.append("    return [" + ",".join(f"v{n}%P" for n in wanted) + "]")
        scope = {"P": P}
        exec("\n".join(lines), scope)
        self.f = scope["f"]
        self.cells = {}
        for k in chip.constraints:
            self.cells[k.label] = sorted(self._cells([k.node]))
        for m in self.pulls:
            self.cells[m.label] = sorted(self._cells([m.times, *m.components]))
        self.shared = {}
        for cells in self.cells.values():
            for c in cells:
                self.shared[c] = self.shared.get(c, 0) + 1
        self.bits = {chip.graph.nodes[n][1] for n in chip.bits}

    def _cells(self, nodes):
        found, stack = set(), list(nodes)
        while stack:
            op, a, b = self.chip.graph.nodes[stack.pop()]
            if op is Op.MAIN:
                found.add(a)
            elif op in (Op.ADD, Op.SUB, Op.MUL):
                stack += [a, b]
        return found

    def look(self, row):
        """Failing names, with their values: a residue, or the tuple of a lookup."""
        out = self.f(row)
        n = len(self.labels)
        failing = {label: out[i] for i, label in enumerate(self.labels) if out[i]}
        at = n
        for m in self.pulls:
            times, parts = out[at], out[at + 1 : at + 1 + len(m.components)]
            at += 1 + len(m.components)
            if times and times < P // 2 and not true(m.bus, parts):
                failing[m.label] = parts
        return failing


@cache
def _opcodes():
    return table()[0].tolist(), table()[1].tolist()


def true(bus, parts):
    """One tuple; as `rv32im_judge.true`."""
    if bus == RANGE:
        kind, x, y, z = parts
        if kind == Range.BYTES:
            return x < 256 and y < 256 and z == 0
        if kind == Range.AND:
            return x < 256 and y < 256 and z == x & y
        return kind in tuple(Range) and x < 1 << kind and y == 0 and z == 0
    if bus == OPCODE:
        op5, f3, f7, form, op = parts
        if op5 > 31 or f3 > 7 or f7 > 127:
            return False
        number = op5 + 32 * f3 + 256 * f7
        return _opcodes()[0][number] == form and _opcodes()[1][number] == op
    if bus == UNIT:
        op, a_lo, a_hi, b_lo, b_hi, out_lo, out_hi = parts
        if op not in tuple(Unit):
            return False
        if max(a_lo, a_hi, b_lo, b_hi) > 0xFFFF:
            return Unit(op) in UNCHECKED
        out = unit_result(Unit(op), a_lo | a_hi << 16, b_lo | b_hi << 16)
        return (out & 0xFFFF, out >> 16) == (out_lo, out_hi)
    kind, high = parts
    return kind in tuple(Region) and REGIONS[Region(kind)][0] <= high <= REGIONS[Region(kind)][1]


class Search:
    def __init__(self, row, label, rng):
        self.row, self.label, self.rng, self.left = row, label, rng, 0

    def from_base(self, base, depth):
        for cell in self.rng.sample(self.row.cells[self.label], len(self.row.cells[self.label])):
            for new in self.starts(base[cell]):
                changed = list(base)
                changed[cell] = new % P
                found = self.repair(changed, frozenset([cell]), depth)
                if found is not None or self.left <= 0:
                    return found
        return None

    def starts(self, old):
        values = [
            old + d for d in (1, -1, 2, -2, 256, -256, 1 << 15, 1 << 16, -(1 << 16), 1 << 14, -(1 << 14), 16, 64, 32)
        ]
        values += [0, 1, 2, P - 1, P - 2, (P + 1) // 2, self.rng.randrange(P), 1 - old]
        self.rng.shuffle(values)
        return [v % P for v in values if v % P != old]

    def repair(self, row, touched, depth):
        self.left -= 1
        failing = self.row.look(row)
        if self.label not in failing:
            return None
        others = [k for k in failing if k != self.label]
        if not others:
            return row
        if depth == 0 or self.left <= 0 or len(others) > depth + 2:
            return None
        name = self.rng.choice(others)
        cells = [c for c in self.row.cells[name] if c not in touched]
        cells.sort(key=lambda c: self.row.shared[c] + self.rng.random() * 1.5)
        for cell in cells[:4] if depth > 3 else cells:
            for new in self.solutions(row, name, cell, failing[name]):
                changed = list(row)
                changed[cell] = new
                found = self.repair(changed, touched | {cell}, depth - 1)
                if found is not None:
                    return found
                if self.left <= 0:
                    return None
        return None

    def solutions(self, row, name, cell, value):
        """Values of a cell that might mend `name`."""
        old = row[cell]
        results = [1 - old] if cell in self.row.bits and old in (0, 1) else []
        if name in self.row.labels:
            at = self.row.labels.index(name)
            samples = []
            for d in (0, 1, 2):
                changed = list(row)
                changed[cell] = (old + d) % P
                samples.append(self.row.f(changed)[at])
            curve = (samples[2] - 2 * samples[1] + samples[0]) % P
            slope = (samples[1] - samples[0]) % P
            if curve == 0 and slope:
                results.append((old - samples[0] * pow(slope, -1, P)) % P)
            else:
                results += [(old + d) % P for d in (1, -1, 1 << 16, -(1 << 16))] + [0, 1]
        else:
            for shift in (1, -1, 256, -256, 1 << 16, -(1 << 16), 4, -4, 32768, -32768, 128, -128, 16384, 64, -64):
                results.append((old + shift) % P)
            results += [0, 1, self.rng.randrange(256), self.rng.randrange(1 << 16)]
            if len(value) == 7 and value[0] in tuple(Unit) and max(value[1:5]) < 1 << 16:
                out = unit_result(Unit(value[0]), value[1] | value[2] << 16, value[3] | value[4] << 16)
                results = [out & 0xFFFF, out >> 16, *results]
            if len(value) == 4 and value[0] == Range.AND and max(value[1:3]) < 256:
                results = [(value[1] & value[2]) // 128, value[1] & value[2], *results]
        return [v for v in dict.fromkeys(results) if v != old]


def base_rows(seed=21):
    """Honest rows of every chip, unused ones too."""
    rows = {name: [] for name in CHIPS}
    for user in (0, 1):
        run = Run(seed + user, user)
        for i in range(500):
            run.random_step(slow=i % 17 == 0)
            if i % 50 == 7:
                run.peek(run.rng.choice(list(run.code)))
                run.go(run.fresh_pc())
        run.odd_words()
        for name, matrix in run.matrices(spare=2).items():
            if name != "tables":
                rows[name] += [[int(x) for x in column] for column in matrix.T]
    return rows


def main():
    rng = random.Random(1)
    stored = json.loads(STORE.read_text()) if STORE.exists() else {}
    rows = base_rows()
    names = sys.argv[1:] or [n for n in CHIPS if n != "tables"]
    for name in names:
        row = Row(recorded(name))
        found = stored.setdefault(name, {})
        for label in list(found):
            if label not in row.cells or set(row.look(found[label])) != {label}:
                del found[label]
        start = time.time()
        for label in row.cells:
            if label in found:
                continue
            for depth, budget in ((0, 30000), (1, 10000), (2, 10000), (3, 20000), (5, 20000), (8, 20000), (12, 30000)):
                search = Search(row, label, rng)
                search.left = budget
                for base in rng.sample(rows[name], len(rows[name])):
                    result = search.from_base(base, depth)
                    if result is not None or search.left <= 0:
                        break
                if result is not None:
                    found[label] = result
                    break
        missing = [k for k in row.cells if k not in found]
        print(name, len(found), "of", len(row.cells), "missing", missing, round(time.time() - start, 1))  # noqa: T201
        STORE.write_text(json.dumps(stored, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    np.seterr(all="raise")
    main()

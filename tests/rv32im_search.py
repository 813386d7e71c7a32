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
from rv32im_run import CHIPS, WITHOUT_TABLES, Run, recorded, unit_result

from localbento.air.bus import BusKind
from localbento.air.chip import assemble
from localbento.air.expr import Op
from localbento.circuits.rv32im.buses import DECODE, FUNCT7, OPCODE, RANGE, UNIT, Range, Region
from localbento.circuits.rv32im.opcodes import funct7_kinds, short_table
from localbento.circuits.rv32im.records import Unit
from localbento.circuits.rv32im.region import REGIONS
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
    return short_table()[0].tolist(), short_table()[1].tolist()


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
        op5, f3, kind, form, op = parts
        number = op5 + 32 * f3 + 256 * kind
        if op5 > 31 or f3 > 7 or number >= len(_opcodes()[0]):
            return False
        return _opcodes()[0][number] == form and _opcodes()[1][number] == op
    if bus == FUNCT7:
        return parts[0] < 128 and int(funct7_kinds()[parts[0]]) == parts[1]
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
    rows = {name: [] for name in WITHOUT_TABLES}
    for user in (0, 1):
        run = Run(seed + user, user)
        for i in range(500):
            run.random_step(slow=i % 17 == 0)
            if i % 50 == 7:
                run.peek(run.rng.choice(list(run.code)))
                run.go(run.fresh_pc())
        run.odd_words()
        for name, matrix in run.matrices(spare=2).items():
            if name in rows:
                rows[name] += [[int(x) for x in column] for column in matrix.T]
    return rows


def with_cells(row, chip, **cells):
    """A row with some cells set, by name (with `__` for a dot)."""
    changed = list(row)
    for name, value in cells.items():
        changed[chip.main.index(name.replace("__", "."))] = value % P
    return changed


def division(op, n, d, q, r, **cells):
    """A row of `div` as its `fill` makes it of any record, right or wrong, with some cells set."""
    filled = CHIPS["div"].fill(np.array([[op, n, d, q, r, 1, 1]], np.uint32))
    column = assemble(CHIPS["div"], filled, 1)[:, 0]
    return with_cells([int(x) for x in column], recorded("div"), **cells)


def wrapping_sums():
    """(low, high): sums of low and of high limbs that look like a negation if the low rule is left out."""
    inverse = pow(1 << 16, -1, P)
    for low in range(1, 2 * 0xFFFF):
        high = -low * inverse % P
        if low != 1 << 16 and high <= 2 * 0xFFFF:
            yield low, high


def directed(rng):
    """Rows that the blind search does not find: by chip and label."""
    low, high = next(iter(wrapping_sums()))
    size = (max(0, low - 0xFFFF), max(0, high - 0xFFFF))
    size = (max(size[0], 1), size[1])
    other = (low - size[0]) | (high - size[1]) << 16
    magnitude = size[0] | size[1] << 16
    negative = (1 << 32) - magnitude
    big = 0x7FFF_FFFF
    rows = {
        ("div", "|q| |d| has no high word"): division(Unit.DIVU, 1, 3, 2863311531, 0),
        ("div", "r_abs.lo is 16 bits"): division(
            Unit.DIV, 2**32 - 7, 3, 2**32 - 4, 5, r_abs__lo=-5, r_abs__hi=0, carry=0
        ),
        ("div", "r_abs.hi is 16 bits"): division(
            Unit.DIV, 2**32 - 2**20, 3 << 16, 2**32 - 6, 2 << 16, r_abs__lo=0, r_abs__hi=-2, carry=0
        ),
        ("div", "low limb of -r"): division(
            Unit.DIV, negative, big, 0, other, r_abs__lo=size[0], r_abs__hi=size[1], carry=0
        ),
        ("div", "low limb of -q"): division(
            Unit.DIV, negative, 1, other, 0, q_abs__lo=size[0], q_abs__hi=size[1], carry=0
        ),
    }
    for i in range(3):
        rows["mul", f"carry {i} is small"] = wrong_carry(i, rng)
    rows["decode", "bad_mret is a bit"] = two_kinds_less_one(rng)
    return rows


def wrong_carry(place, rng):
    """A product with a wrong limb, whose carry is no small number; the limbs above make up for it."""
    chip = recorded("mul")
    look = Row(chip).look
    while True:
        a, b = rng.randrange(1 << 32), rng.randrange(1 << 32)
        product = a * b
        record = [Unit.MULHU, a, b, product & 0xFFFF_FFFF, product >> 32, 1, 1]
        row = [int(x) for x in assemble(CHIPS["mul"], CHIPS["mul"].fill(np.array([record], np.uint32)), 1)[:, 0]]
        at = lambda i, row=row: sum(  # noqa: E731 - what limb i adds up to, without a carry
            row[chip.main.index(f"a[{k}]")] * row[chip.main.index(f"b[{j}]")] << 8 * (k + j - 2 * i)
            for k in range(4)
            for j in range(4)
            if k + j in (2 * i, 2 * i + 1)
        )
        carry = row[chip.main.index(f"carry[{place - 1}]")] if place else 0
        out = rng.randrange(1 << 16)
        carry = (at(place) + carry - out) * pow(1 << 16, -1, P) % P
        row = with_cells(row, chip, **{f"out[{place}]": out, f"carry[{place}]": carry})
        for i in range(place + 1, 4):
            value = (at(i) + carry) % P
            carry = value >> 16
            row = with_cells(row, chip, **{f"out[{i}]": value & 0xFFFF, f"carry[{i}]": carry})
        if set(look(row)) == {f"carry {place} is small"}:
            return row


def two_kinds_less_one(rng):
    """Three kinds of instruction with flags 1, 1 and -1."""
    run = Run(5, user=True)
    run.step(0x33 | 9 << 7 | 0 << 15 | 2 << 20)  # add s1, x0, sp: rs1 and rs2 as in mret
    column = [int(x) for x in run.matrices(spare=0)["decode"][:, 0]]
    chip = recorded("decode")
    inverse = pow(9, -1, P)
    start = with_cells(column, chip, reg=0, load=1, jal=1, bad_mret=-1, inverse=inverse)
    names = ("reg", "load", "jal", "bad_mret", "inverse", "form", "table_op", "user", "pc", "no_rd")
    touched = frozenset(chip.main.index(n) for n in names)
    search = Search(Row(chip), "bad_mret is a bit", rng)
    while True:
        search.left = 10000
        found = search.repair(start, touched, 14)
        if found is not None:
            return found


def main():
    rng = random.Random(int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 1)
    stored = json.loads(STORE.read_text()) if STORE.exists() else {}
    for (name, label), row in directed(rng).items():
        failing = set(Row(recorded(name)).look(row))
        if failing != {label}:
            msg = f"{name}, {label}: expected a row that fails this alone, found {failing}"
            raise SystemExit(msg)
        stored.setdefault(name, {})[label] = row
    rows = base_rows()
    names = sys.argv[1:] or WITHOUT_TABLES
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
                for base in [*rows[name][-2:], *rng.sample(rows[name], min(250, len(rows[name])))]:
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

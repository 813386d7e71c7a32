"""The plain checker: which label fails on which row, which message was never answered, and who sent it.

No proof is involved: a filled machine is looked at directly.  `check` takes whole matrices; `RowChecker` takes
one row of one chip and is what mutation tests use: a changed cell is *noticed* if a label fails on its row or the
messages of its row are others than before (everything else being balanced, one of them is then unanswered).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.air.chip import Matrix, RecordedChip
from localbento.air.evaluate import evaluate
from localbento.air.system import Public, System
from localbento.field.babybear import P

Tuple: TypeAlias = tuple[int, ...]
U64: TypeAlias = NDArray[np.uint64]
_P = np.uint64(P)


class ModColumn:
    """A column of residues with the arithmetic that `evaluate` needs."""

    __slots__ = ("x",)

    def __init__(self, x: U64) -> None:
        self.x = x

    def __add__(self, other: "ModColumn") -> "ModColumn":
        return ModColumn((self.x + other.x) % _P)

    def __sub__(self, other: "ModColumn") -> "ModColumn":
        return ModColumn((self.x + (_P - other.x)) % _P)

    def __mul__(self, other: "ModColumn") -> "ModColumn":
        return ModColumn(self.x * other.x % _P)


def evaluate_columns(chip: RecordedChip, fixed: Matrix, main: Matrix) -> list[U64]:
    """The value of every node of the chip on every row: uint64[rows] (or [1] for constants), canonical.

    Shapes: fixed uint32[fixed columns, rows]; main uint32[main columns, rows].
    """
    columns = evaluate(
        chip,
        [ModColumn(row.astype(np.uint64)) for row in fixed],
        [ModColumn(row.astype(np.uint64)) for row in main],
        lambda value: ModColumn(np.array([value], np.uint64)),
    )
    return [column.x for column in columns]


@dataclass(frozen=True, slots=True)
class Failure:
    """A constraint that does not hold."""

    chip: str
    row: int
    label: str


@dataclass(frozen=True, slots=True)
class Sender:
    """One message of one row: `times` is signed, pushes positive."""

    chip: str
    row: int
    label: str
    times: int


@dataclass(frozen=True, slots=True)
class Imbalance:
    """A message whose pushes and pulls do not cancel."""

    bus: str
    message: Tuple
    net: int
    senders: tuple[Sender, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a filled machine violates; both lists are cut at `limit`, the counts are not."""

    failures: tuple[Failure, ...]
    imbalances: tuple[Imbalance, ...]
    failure_count: int
    imbalance_count: int

    @property
    def ok(self) -> bool:
        """Nothing fails and every bus balances."""
        return self.failure_count == 0 and self.imbalance_count == 0

    def __str__(self) -> str:
        lines = [f"{f.chip} row {f.row}: {f.label}" for f in self.failures]
        for i in self.imbalances:
            who = "; ".join(f"{s.times:+d} by {s.chip} row {s.row} ({s.label})" for s in i.senders)
            lines.append(f"bus {i.bus} {i.message}: net {i.net:+d}: {who}")
        lines.append(f"{self.failure_count} failures, {self.imbalance_count} unbalanced messages")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Traffic:
    """The traffic of one message of one chip: rows with a nonzero multiplicity only."""

    chip: str
    label: str
    bus: NDArray[np.int64]
    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    parts: NDArray[np.int64]


def signed(times: U64) -> NDArray[np.int64]:
    """Residues as integers in (-p/2, p/2)."""
    x = times.astype(np.int64)
    return np.where(x > P // 2, x - P, x)


def check(
    system: System,
    mains: Sequence[Matrix],
    fixeds: Sequence[Matrix],
    public_values: Sequence[int] = (),
    limit: int = 20,
) -> Report:
    """Look at every active row of every chip, and at every bus.

    Shapes: mains[i] uint32[main columns of chip i, rows], fixeds[i] likewise, active rows only.
    """
    failures: list[Failure] = []
    count = 0
    traffic: list[_Traffic] = []
    for chip, main, fixed in zip(system.chips, mains, fixeds, strict=True):
        rows = main.shape[1]
        values = evaluate_columns(chip, fixed, main)
        for constraint in chip.constraints:
            bad = np.flatnonzero(np.broadcast_to(values[constraint.node], (rows,)))
            count += len(bad)
            failures += [Failure(chip.name, int(r), constraint.label) for r in bad[:limit]]
        traffic += _messages(chip, values, rows)
    traffic += _public_traffic(system, public_values)
    imbalances = _balance(system, traffic)
    return Report(
        tuple(failures[:limit]),
        tuple(_explain(system, traffic, i) for i in imbalances[:limit]),
        count,
        len(imbalances),
    )


def _messages(chip: RecordedChip, values: list[U64], rows: int) -> list[_Traffic]:
    result = []
    for m in chip.messages:
        times = np.broadcast_to(values[m.times], (rows,))
        where = np.flatnonzero(times)
        parts = np.stack([np.broadcast_to(values[n], (rows,))[where] for n in m.components], axis=1)
        result.append(
            _Traffic(
                chip.name,
                m.label,
                np.broadcast_to(values[m.bus_node], (rows,))[where].astype(np.int64),
                where,
                m.sign * signed(times[where]),
                parts.astype(np.int64),
            )
        )
    return result


def _public_traffic(system: System, public_values: Sequence[int]) -> list[_Traffic]:
    result = []
    for i, m in enumerate(system.public_messages):
        parts = [public_values[c.index] if isinstance(c, Public) else c % P for c in m.components]
        result.append(
            _Traffic(
                "verifier",
                f"public message {i}",
                np.array([m.bus.number]),
                np.array([0]),
                np.array([m.sign]),
                np.array([parts], np.int64),
            )
        )
    return result


def _mix(x: U64) -> U64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _keys(t: _Traffic, seed: int) -> U64:
    h = _mix(t.bus.astype(np.uint64) + np.uint64(seed))
    for column in t.parts.T:
        h = _mix(h + column.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1))
    return h


def _balance(system: System, traffic: list[_Traffic]) -> list[tuple[int, Tuple, int]]:
    """Unbalanced messages as (bus number, message, net count modulo p as a signed number)."""
    if not traffic:
        return []
    seed = int(np.random.default_rng().integers(1 << 62))
    keys = np.concatenate([_keys(t, seed) for t in traffic])
    times = np.concatenate([t.times for t in traffic])
    order = np.argsort(keys, kind="stable")
    if not len(order):
        return []
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sums = np.add.reduceat(times[order], starts) % P
    owner = np.concatenate([np.full(len(t.rows), i) for i, t in enumerate(traffic)])
    place = np.concatenate([np.arange(len(t.rows)) for t in traffic])
    result = []
    for group in np.flatnonzero(sums):
        at = order[starts[group]]
        t, k = traffic[owner[at]], place[at]
        net = int(sums[group])
        result.append((int(t.bus[k]), tuple(map(int, t.parts[k])), net if net <= P // 2 else net - P))
    return result


def _explain(system: System, traffic: list[_Traffic], found: tuple[int, Tuple, int]) -> Imbalance:
    number, message, net = found
    names = {b.number: b.name for b in system.buses()}
    senders = []
    for t in traffic:
        if t.parts.shape[1] == len(message):
            hit = np.flatnonzero((t.bus == number) & (t.parts == np.array(message)).all(axis=1))
            senders += [Sender(t.chip, int(t.rows[k]), t.label, int(t.times[k])) for k in hit[:8]]
    return Imbalance(names.get(number, f"number {number}"), message, net, tuple(senders[:8]))


@dataclass(frozen=True, slots=True)
class Effect:
    """What one row does: failing labels, and its net messages by (bus number, components)."""

    failing: tuple[str, ...]
    messages: Mapping[Tuple, int]

    def notices(self, other: "Effect") -> bool:
        """Whether `other`, the effect of a changed row, would be noticed in a machine that this row fits."""
        return bool(other.failing) or dict(self.messages) != dict(other.messages)


class RowChecker:
    """Evaluates single rows of one chip in plain integers."""

    def __init__(self, chip: RecordedChip) -> None:
        self.chip = chip

    def effect(self, main: Sequence[int], fixed: Sequence[int] = ()) -> Effect:
        """Failing labels and net messages of a row of canonical residues."""
        chip = self.chip
        values = evaluate(chip, [int(x) for x in fixed], [int(x) for x in main], int)
        failing = tuple(k.label for k in chip.constraints if values[k.node] % P)
        net: dict[Tuple, int] = defaultdict(int)
        for m in chip.messages:
            times = values[m.times] % P
            if times:
                key = (values[m.bus_node] % P, *(values[n] % P for n in m.components))
                net[key] = (net[key] + m.sign * times) % P
        return Effect(failing, {k: v for k, v in net.items() if v})

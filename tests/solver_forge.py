"""A second row beside an honest one, if a check of the chip is left out; the plain checker has the last word."""

from dataclasses import replace

import numpy as np
import z3
from rv32im_judge import judge
from solver_engine import LIMIT, Question, Uniqueness
from solver_row import Forms, Row
from solver_space import Space

from localbento.air.check import RowChecker
from localbento.air.chip import RecordedChip
from localbento.field.babybear import P


class Forgery(Uniqueness):
    """Looks for a row that agrees with an honest one on the inputs and shows something else.

    Columns that are determined even without the check have the honest values, so most products are linear.
    """

    def against(self, honest: list[int]) -> list[int] | None:
        """The forged row, or nothing."""
        self._columns(self.q.fixed)
        space = Space()
        width = len(self.chip.main)
        all_fixed = dict(enumerate(honest))
        known = {c: honest[c] for c in range(width) if c in self.known}
        rows = [
            Row(space, Forms(self.chip, all_fixed, self.q.ones), "", self.q.without),
            Row(space, Forms(self.chip, {**known, **self.q.fixed}, self.q.ones), "'", self.q.without),
        ]
        for output in self.q.outputs:
            solver = self._base(space, rows)
            solver.add(z3.Not(self._same(space, rows, output.node)))
            if output.message is not None:
                solver.add(*[row.sent(output.message) for row in rows])
            solver.add(*space.facts)
            if solver.check() == z3.sat:
                values = self._values(solver.model(), space, rows[1], {**known, **self.q.fixed})
                forged = repaired(self.chip, [values[c] for c in range(width)], self.q.without)
                if accepted(self.chip, honest, forged, self.q.without):
                    return forged
        return None


def repaired(chip: RecordedChip, row: list[int], without: frozenset[str]) -> list[int]:
    """The row with inverses put right: the solver knows no more of their products than where they are 0."""
    checker = RowChecker(chip)
    for column in (i for i, name in enumerate(chip.main) if "inverse" in name):
        for value in (row[column], 0, *_roots(chip, row, column)):
            changed = [*row[:column], value, *row[column + 1 :]]
            if not set(checker.effect(changed).failing) - without:
                return changed
    return row


def _roots(chip: RecordedChip, row: list[int], column: int) -> list[int]:
    """Values of a column at which a constraint that is linear in it holds."""
    from localbento.air.evaluate import evaluate

    at = [evaluate(chip, [], [*row[:column], x, *row[column + 1 :]], int) for x in (0, 1)]
    found = []
    for k in chip.constraints:
        start, slope = at[0][k.node] % P, (at[1][k.node] - at[0][k.node]) % P
        if slope:
            found.append(-start * pow(slope, -1, P) % P)
    return found


def failing(chip: RecordedChip, row: list[int]) -> set[str]:
    """Labels and lookups that refuse a row, by the plain checker and the true tables."""
    verdict = judge(chip, np.array([row], np.uint32).T)
    return {label for label, bad in verdict.failing.items() if bad[0]}


def accepted(chip: RecordedChip, honest: list[int], forged: list[int], without: frozenset[str]) -> bool:
    """Nothing but what was left out refuses the forged row, and others see another row than the honest one."""
    assert not failing(chip, honest)
    if not failing(chip, forged) <= without:
        return False
    return shows(chip, honest) != shows(chip, forged)


def shows(chip: RecordedChip, row: list[int]) -> dict[tuple[int, ...], int]:
    """The row's messages, answers of servers counted once."""
    row = [1 if name.endswith("uses") else x for name, x in zip(chip.main, row, strict=True)]
    return dict(RowChecker(chip).effect(row).messages)


def forge(question: Question, honest: list[int], *left_out: str, limit: int = LIMIT) -> list[int] | None:
    """A row that the chip accepts beside the honest one if these checks are left out."""
    labels = {k.label for k in question.chip.constraints} | {m.label for m in question.chip.messages}
    assert set(left_out) <= labels, set(left_out) - labels
    return Forgery(replace(question, without=frozenset(left_out)), limit).against(honest)


def pinned(chip: RecordedChip, row: list[int], fixed: dict[int, int]) -> bool:
    """Whether the translation of the chip holds for one row: every variable is said to be the row's cell."""
    space = Space()
    translated = Row(space, Forms(chip, fixed), "")
    assert not translated.skipped
    values = [
        (term, _product(translated, space, m, row))
        for m, (term, _, _) in space.products.items()
        if len(m) > 1 and z3.is_const(term)
    ]
    for c in range(len(chip.main)):
        if c in translated.columns:
            variable = translated.columns[c]
            low, high = space.intervals[variable]
            value = row[c] if row[c] <= high else row[c] - P
            if not low <= value <= high:
                return False
            values.append((space.terms[variable], z3.IntVal(value)))
    solver = z3.Solver()
    solver.set("rlimit", LIMIT)
    solver.add(*[z3.simplify(z3.substitute(f, *values)) for f in [*translated.formulas, *space.facts]])
    found = solver.check()
    assert found != z3.unknown
    return found == z3.sat


def _product(translated: Row, space: Space, monomial: tuple[int, ...], row: list[int]) -> z3.ArithRef:
    """What a product of variables is for this row."""
    back = {v: c for c, v in translated.columns.items()}
    forms, result, bits = translated.forms, 1, 1
    for v in dict.fromkeys(monomial) if all(space.is_bit(v) for v in monomial) else monomial:
        column = back[v]
        if column < len(row):
            value = row[column]
        else:
            atom = forms.atoms[column - len(row)]
            value = _evaluate(forms, atom, row)
        if space.is_bit(v):
            bits *= value
        else:
            result = result * value % P
    return z3.IntVal(result * bits)


def _evaluate(forms: Forms, form: dict[tuple[int, ...], int], row: list[int]) -> int:
    total = 0
    for m, c in form.items():
        term = c
        for column in m:
            inner = row[column] if column < len(row) else _evaluate(forms, forms.atoms[column - len(row)], row)
            term = term * inner % P
        total += term
    return total % P

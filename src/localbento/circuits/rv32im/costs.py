"""What a profile costs: committed cells and opened columns, from the recorded chips."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from localbento.air.logup import helpers
from localbento.circuits.rv32im.machine import CHIPS, recorded
from localbento.stark.params import EXTENSION_DEGREE, S100

HEIGHT_CELLS: Final = EXTENSION_DEGREE * (1 + S100.chunks + 1)
"""Cells a row that a height costs: running sum, quotient chunks, mask."""


@dataclass(frozen=True, slots=True)
class ChipSize:
    """Columns of one chip: preprocessed, main, and cells of helper columns of the bus argument."""

    fixed: int
    main: int
    bus: int

    @property
    def cells(self) -> int:
        """Cells a row that a proof commits to."""
        return self.main + self.bus


@cache
def chip_size(name: str) -> ChipSize:
    """The size of the chip of this name at degree 4."""
    chip = recorded(name)
    return ChipSize(len(chip.fixed), chip.width, EXTENSION_DEGREE * len(helpers(chip, S100.max_degree)))


def committed_cells(copies: Mapping[str, int], log_heights: Mapping[str, int]) -> int:
    """Cells that a proof at these heights commits to: main, bus, quotient and mask, padding included."""
    chips = sum(count * chip_size(name).cells << log_heights[name] for name, count in copies.items())
    return chips + sum(HEIGHT_CELLS << h for h in _heights(copies, log_heights))


def opened_width(copies: Mapping[str, int], log_heights: Mapping[str, int]) -> int:
    """Base columns that each query opens, in all trees."""
    chips = sum(count * (chip_size(name).cells + chip_size(name).fixed) for name, count in copies.items())
    return chips + HEIGHT_CELLS * len(_heights(copies, log_heights))


def _heights(copies: Mapping[str, int], log_heights: Mapping[str, int]) -> set[int]:
    return {log_heights[name] for name, count in copies.items() if count}


def size_table(names: Iterable[str] = CHIPS) -> dict[str, dict[str, int]]:
    """Columns, messages, constraints and cells of chips: the accounting table of the machine."""
    return {
        name: {
            "fixed": chip_size(name).fixed, "columns": chip_size(name).main,
            "messages": len(recorded(name).messages), "constraints": len(recorded(name).constraints),
            "cells": chip_size(name).cells,
        }
        for name in names
    }  # fmt: skip

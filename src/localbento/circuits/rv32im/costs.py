"""What a profile costs: committed cells and opened columns.

`sizes.json` pins the columns of each chip, so that whoever plans records no chips; it is made with the keys by
`fixtures/make_keys.py`, and a test compares it with the recorded chips.  Nothing that verifies reads it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from localbento.air.logup import helpers
from localbento.circuits.rv32im.machine import CHIPS, recorded
from localbento.stark.params import EXTENSION_DEGREE, S100
from localbento.stark.shape import HeightWidths

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
    """The size of the chip of this name at degree 4, from its record."""
    chip = recorded(name)
    return ChipSize(len(chip.fixed), chip.width, EXTENSION_DEGREE * len(helpers(chip, S100.max_degree)))


@cache
def pinned_sizes() -> Mapping[str, ChipSize]:
    """The sizes of all chips, as pinned."""
    text = Path(__file__).with_name("sizes.json").read_text()
    return {name: ChipSize(*size) for name, size in json.loads(text).items()}


def committed_cells(copies: Mapping[str, int], log_heights: Mapping[str, int]) -> int:
    """Cells that a proof at these heights commits to: main, bus, quotient and mask, padding included."""
    sizes = pinned_sizes()
    chips = sum(count * sizes[name].cells << log_heights[name] for name, count in copies.items())
    return chips + sum(HEIGHT_CELLS << h for h in _heights(copies, log_heights))


def opened_width(copies: Mapping[str, int], log_heights: Mapping[str, int]) -> int:
    """Base columns that each query opens, in all trees."""
    sizes = pinned_sizes()
    chips = sum(count * (sizes[name].cells + sizes[name].fixed) for name, count in copies.items())
    return chips + HEIGHT_CELLS * len(_heights(copies, log_heights))


def _heights(copies: Mapping[str, int], log_heights: Mapping[str, int]) -> set[int]:
    return {log_heights[name] for name, count in copies.items() if count}


def height_widths(copies: Mapping[str, int], log_heights: Mapping[str, int]) -> tuple[HeightWidths, ...]:
    """How wide the rows of each height are, tallest first."""
    result = []
    for height in sorted(_heights(copies, log_heights), reverse=True):
        here = [(count, pinned_sizes()[name]) for name, count in copies.items() if log_heights[name] == height]
        fixed, main, bus = (sum(n * getattr(size, part) for n, size in here) for part in ("fixed", "main", "bus"))
        result.append(HeightWidths(height, fixed, main, bus // EXTENSION_DEGREE, S100.chunks))
    return tuple(result)


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

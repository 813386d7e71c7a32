"""The frozen table of profiles: heights and copies of chips, each with a circuit of its own.

A proof is of one profile; a verifier knows the profiles of the table and no others.  The table stands in
`profiles.json`, made by `fixtures/make_profiles.py` from recorded row vectors; a changed line is another circuit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from localbento.air.system import System
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.costs import committed_cells, opened_width
from localbento.circuits.rv32im.paging import PAGE_BLOCKS
from localbento.circuits.rv32im.region import most_rows
from localbento.circuits.rv32im.sha2_words import ROUNDS as SHA2_ROUNDS
from localbento.errors import ProvingError

MAX_HEIGHTS = 5
"""Distinct heights of a profile: each costs a running sum, a quotient and a mask."""


@dataclass(frozen=True, eq=False)
class Profile:
    """One line of the table: log2 of the rows of each chip, and how many copies of it stand side by side."""

    name: str
    number: int
    log_heights: Mapping[str, int]
    copies: Mapping[str, int]

    def rows(self, chip: str) -> int:
        """Rows of one copy of this chip, blinding rows included."""
        return 1 << self.log_heights[chip]

    def capacity(self, chip: str) -> int:
        """Rows of this chip that a segment can use; 0 for a chip that the profile leaves out."""
        return self._capacities.get(chip, 0)

    @cached_property
    def _capacities(self) -> Mapping[str, int]:
        # The segmenter asks for all of these, of every profile, several times a segment.
        found = {
            chip: machine.capacity(self.log_heights[chip], copies) for chip, copies in self.copies.items() if copies
        }
        if "poseidon2" not in found:
            found["poseidon2"] = min(found.get(chip, 0) // rows for chip, rows in machine.ROUNDS.items())
        if "sha2_step" in found:
            found["sha2_round"] = found["sha2_step"] // machine.STEPS * SHA2_ROUNDS
        return found

    @cached_property
    def capacities(self) -> Mapping[str, int]:
        """Capacity of every chip that the segmenter counts, which it must stay below."""
        return MappingProxyType({name: self.capacity(name) for name in machine.CHIPS if name not in machine.UNCOUNTED})

    @cached_property
    def system(self) -> System:
        """The circuit's chips, each as often as it stands in it."""
        return machine.make_system(f"rv32im/{self.name}", self.copies, self.log_heights)

    @cached_property
    def system_heights(self) -> tuple[int, ...]:
        """log2 of the rows of each chip of `system`, in its order."""
        return tuple(self.log_heights[chip.name] for chip in self.system.chips)

    @cached_property
    def cells(self) -> int:
        """Cells that a proof commits to, padding included."""
        return committed_cells(self.copies, self.log_heights)

    @cached_property
    def opened(self) -> int:
        """Base columns that a query opens."""
        return opened_width(self.copies, self.log_heights)

    def has_room(self, counts: Mapping[str, int]) -> bool:
        """Whether any next instruction fits after these rows."""
        return all(
            counts.get(chip, 0) + NEXT_ROWS.get(chip, 0) <= self.capacity(chip) for chip in {*counts, *NEXT_ROWS}
        )

    def fits(self, counts: Mapping[str, int]) -> bool:
        """Whether these rows of each chip fit."""
        return all(count <= self.capacity(chip) for chip, count in counts.items())


def parse(data: Mapping[str, Any]) -> tuple[Profile, ...]:
    """Profiles from the plain data of the table: name to chip to [log2 of rows, copies].

    Raises: ValueError if a profile has too many heights, or room for more pages than its `region` may need.
    """
    result = []
    for number, (name, chips) in enumerate(data.items(), 1):
        log_heights = {chip: int(height) for chip, (height, _) in chips.items()}
        copies = {chip: int(count) for chip, (_, count) in chips.items()}
        if len(set(log_heights.values())) > MAX_HEIGHTS:
            msg = f"profile {name}: {len(set(log_heights.values()))} heights, allowed {MAX_HEIGHTS}"
            raise ValueError(msg)
        profile = Profile(name, number, MappingProxyType(log_heights), MappingProxyType(copies))
        pages = min(profile.capacity("page"), profile.capacity("page_block") // PAGE_BLOCKS)
        regions = most_rows(pages, profile.capacity("sha2"))
        if profile.capacity("region") < regions:
            msg = f"profile {name}: {profile.capacity('region')} rows of region, {regions} may be needed"
            raise ValueError(msg)
        result.append(profile)
    return tuple(result)


@cache
def profiles() -> tuple[Profile, ...]:
    """All profiles, in the order of the table."""
    text = Path(__file__).with_name("profiles.json").read_text()
    return parse(json.loads(text))


@cache
def profile_by_name() -> Mapping[str, Profile]:
    """All profiles by name."""
    return MappingProxyType({p.name: p for p in profiles()})


@cache
def by_cost() -> tuple[Profile, ...]:
    """All profiles, cheapest first."""
    return tuple(sorted(profiles(), key=lambda p: p.cells))


def choose_profile(counts: Mapping[str, int]) -> Profile:
    """The cheapest profile of the table that these rows of each chip fit.

    Raises: ProvingError if none does, with the rows that are too many for all.
    """
    return cheapest(by_cost(), counts)


def cheapest(candidates: Sequence[Profile], counts: Mapping[str, int]) -> Profile:
    """The cheapest of some profiles that these rows of each chip fit.

    Raises: ProvingError if none does, with the rows that are too many for all.
    """
    for profile in sorted(candidates, key=lambda p: p.cells):
        if profile.fits(counts):
            return profile
    most = {chip: max(p.capacity(chip) for p in candidates) for chip in counts}
    over = {chip: count for chip, count in counts.items() if count > most[chip]}
    msg = f"no profile holds this segment; rows beyond every profile: {over or 'none, but not all in one'}"
    raise ProvingError(msg)


PROOF_CELLS = 2_000_000
COLUMN_CELLS = 10_000
"""What a proof costs beside its cells, in cells: in all, and for each opened column."""
WORTH_IT = 0.99
"""A segment grows on in a larger profile if a cycle then costs this much less."""
LINEAR = frozenset(
    {"alu_reg", "alu_imm", "word", "part", "branch", "const", "jalr", "bitwise", "less", "shift", "mul", "div"}
)
"""Chips whose rows grow with the cycles.  Those of the others (first touches, calls) come in bursts and grow slower:
they are expected to grow with the square root."""
GROWTH = 1.02
"""A profile in which a segment can grow by less than this is no way on."""
NEXT_ROWS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(LINEAR, 1), "decode": 1, "peek": 1, "slow_fetch": 1, "system": 4, "access": 28,
        "page": 4, "page_block": 128, "node": 88, "poseidon2": 432,
    }
)  # fmt: skip
"""What the next instruction and the end of the segment may take, of each chip: a segment grows in a profile only
while this fits, whatever the instruction is.  A profile that leaves one of these chips out serves as a last choice."""
TOO_DEAR = 400
"""Cells by cycle above which a segment is not cut while any profile has room."""


class Ladder:
    """Chooses cut and profile of a segment together, so that a cycle costs few cells.

    A segment begins in the limits of the smallest profile.  When it has filled one, its rows so far say how they
    grow; of all profiles that still hold it the one is taken that promises the fewest cells by cycle when it is
    full.  If no profile promises less than the segment costs now, it is cut.
    """

    def __init__(self, profiles: Sequence[Profile], segment_size: int | None = None) -> None:
        """`segment_size` bounds the cycles of a segment."""
        self._profiles = sorted(profiles, key=lambda p: p.cells)
        self._size = segment_size or machine.MAX_CYCLES

    def first(self) -> dict[str, int]:
        """The limits that a segment begins in."""
        return self._limits(next((p for p in self._profiles if p.has_room({})), self._profiles[-1]))

    def _limits(self, profile: Profile) -> dict[str, int]:
        return {**profile.capacities, "cycles": self._size}

    def choose(self, rows: Mapping[str, int]) -> str:
        """The name of the cheapest profile that holds a finished segment."""
        return cheapest(self._profiles, _chips(rows)).name

    def widen(self, rows: Mapping[str, int]) -> dict[str, int] | None:
        """Larger limits for a segment of these rows, or None if it should be cut.

        `rows` includes the cycles so far.
        """
        counts, cycles = _chips(rows), rows["cycles"]
        if cycles >= self._size:
            return None
        now = min((cost(p) for p in self._profiles if p.fits(counts)), default=float("inf")) / cycles
        best, least = None, float("inf") if now > TOO_DEAR else WORTH_IT * now
        for profile in self._profiles:
            if not profile.has_room(counts):
                continue
            reach = min(self._size, _reach(profile, counts, cycles))
            if reach > GROWTH * cycles and cost(profile) / reach < least:
                best, least = profile, cost(profile) / reach
        return None if best is None else self._limits(best)


def cost(profile: Profile) -> float:
    """What a proof of this profile costs, in cells."""
    return profile.cells + PROOF_CELLS + COLUMN_CELLS * profile.opened


def _chips(rows: Mapping[str, int]) -> dict[str, int]:
    return {chip: count for chip, count in rows.items() if chip != "cycles"}


def _reach(profile: Profile, counts: Mapping[str, int], cycles: int) -> float:
    """Cycles of the segment when it has filled this profile, if its rows grow on as they did."""
    reach = float("inf")
    for chip, count in counts.items():
        if count:
            growth = profile.capacity(chip) / count
            reach = min(reach, cycles * (growth if chip in LINEAR else growth**2))
    return reach

"""Words that are both stored and fetched in one segment.

Within a segment a word is code or data.  Where one is about to become both, the segment ends before; where that
happens again soon, the words become *slow*: from then on they are fetched as data.
"""

from typing import Final

import numpy as np

from localbento.executor.machine import Machine
from localbento.executor.segmenter import Segmenter
from localbento_kernels.cpu import interpret_numbers as nr

NEAR_CYCLES: Final = 1 << 14
"""Two conflicts within so many cycles make their words slow."""
MAX_CUTS: Final = 256
MAX_SLOW: Final = 1 << 12
"""Beyond these, code changes all the time: it is executed without further cuts and has no proof."""
NAME: Final = "self-modifying code"


class Conflicts:
    """Decides what to do about each conflict."""

    def __init__(self, machine: Machine, segmenter: Segmenter) -> None:
        """None has been seen."""
        self._machine = machine
        self._segmenter = segmenter
        self._last_cycle = -NEAR_CYCLES
        self._last_words: set[int] = set()
        self._cuts = 0

    def resolve(self) -> bool:
        """After X_CONFLICT: whether the segment is to end before the instruction.

        If not, either the instruction was the segment's first, its words are slow now and the segment starts again;
        or conflicts are ignored from now on.
        """
        s = self._machine.scalars
        words = self._words()
        first = s[nr.S_CYCLE] == s[nr.S_FRESH]
        now = self._segmenter.proof_cycles + int(s[nr.S_CYCLE])
        near = now - self._last_cycle < NEAR_CYCLES
        if first or near:
            self._segmenter.slow |= words | (self._last_words if near else set())
        self._last_cycle, self._last_words = now, words
        self._cuts += 1
        if self._cuts > MAX_CUTS or len(self._segmenter.slow) > MAX_SLOW:
            s[nr.S_IGNORE_CONFLICTS] = 1
            self._segmenter.unprovable.add(NAME)
            return False
        return not first

    def _words(self) -> set[int]:
        """The word that conflicts; of a fetch also the other words of its page that were stored."""
        machine = self._machine
        word, is_store = int(machine.scalars[nr.S_X0]), bool(machine.scalars[nr.S_X1])
        page = word // nr.PAGE_WORDS
        if is_store or page == nr.REGISTER_PAGE:
            return {word}
        slot = int(machine.arrays["slot_of"][page])
        touch = machine.arrays["touch"][slot * nr.PAGE_WORDS : (slot + 1) * nr.PAGE_WORDS]
        stored = np.flatnonzero(touch & nr.T_FIXED)
        return {word, *(page * nr.PAGE_WORDS + stored).tolist()}

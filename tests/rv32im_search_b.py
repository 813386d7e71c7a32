"""`rv32im_search` for the chips around the instructions.

python tests/rv32im_search_b.py      rewrite tests/soundness/sole_rows_b.json
"""

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
from rv32im_corpus import OURS, rows
from rv32im_search import Row, Search

from localbento.circuits.rv32im import machine

STORE = Path(__file__).parent / "soundness" / "sole_rows_b.json"
PERMUTATIONS = ("poseidon2", "full_rounds", "partial_rounds")
SEARCHED = tuple(name for name in OURS if name not in PERMUTATIONS)
"""For permutations a test makes the rows itself."""


def compiled(name):
    """The chip as the search wants it."""
    return Row(machine.recorded(name))


def main():
    rng = random.Random(1)
    stored = json.loads(STORE.read_text()) if STORE.exists() else {}
    for name in sys.argv[1:] or SEARCHED:
        row = compiled(name)
        bases = [[int(x) for x in column] for column in rows(name, 30)]
        found = stored.setdefault(name, {})
        for label in list(found):
            if label not in row.cells or set(row.look(found[label])) != {label}:
                del found[label]
        start = time.time()
        slow = 1 if len(row.labels) < 100 else 4
        for label in row.cells:
            for depth, budget in ((0, 8000), (1, 6000), (2, 6000), (3, 10000), (5, 10000), (8, 10000)):
                if label in found:
                    break
                search = Search(row, label, rng)
                search.left = budget // slow
                for base in rng.sample(bases, len(bases)):
                    result = search.from_base(base, depth)
                    if result is not None:
                        found[label] = result
                    if result is not None or search.left <= 0:
                        break
        missing = [k for k in row.cells if k not in found]
        print(name, len(found), "of", len(row.cells), "missing", missing, round(time.time() - start, 1))  # noqa: T201
        STORE.write_text(json.dumps(stored, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    np.seterr(all="raise")
    main()

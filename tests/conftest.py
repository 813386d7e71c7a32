"""Settings that hold for every test."""

import os
import sys
from pathlib import Path

# Products of small matrices (the batch permutation): a second BLAS thread only spins, and disturbs its neighbours.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# reference_prover, toy_machine, honest: shared by several folders.
sys.path.insert(0, str(Path(__file__).parent))

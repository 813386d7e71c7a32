"""localbento: a zero-knowledge prover for RISC Zero guests that runs on a laptop."""

__version__ = "0.1.0"

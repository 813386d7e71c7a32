"""Proofs attached to claims, and verifying them: the closed room.  No prover, kernel or compiler in here."""

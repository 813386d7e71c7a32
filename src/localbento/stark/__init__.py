"""The proof system: parameters, shapes, transcript, verifier and prover (docs/protocol.md)."""

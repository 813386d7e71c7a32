"""BabyBear and its extension of degree 5: the reference, and what the verifier uses."""

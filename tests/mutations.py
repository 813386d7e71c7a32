"""Mutated proofs for differential tests."""

import numpy as np

from localbento.field.babybear import P


def mutations(case, rng, count):
    """Pairs of public values and elements, each differing from an accepted pair."""
    shape = case.key.shape
    public = list(case.public)
    for index in range(0, len(public), 2):
        yield [*public[:index], (public[index] + 1) % P, *public[index + 1 :]], case.elements()
    total, head = shape.proof_elements, shape.head_elements
    for number in range(count):
        elements = case.elements()
        low = 0 if number % 4 == 0 else head
        for _ in range(1 + number % 3):
            place = int(rng.integers(low, total))
            elements[place] = (int(elements[place]) + int(rng.integers(1, P))) % P
        yield public, elements
    queries = case.elements()[head:].reshape(shape.params.queries, -1)
    yield public, np.concatenate([case.elements()[:head], queries[::-1].reshape(-1)])
    zeroed = case.elements()
    zeroed[head:] = 0
    yield public, zeroed

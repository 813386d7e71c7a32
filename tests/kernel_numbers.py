"""Between elements of F and what the prover's kernels take; shared by tests of kernels."""

import numpy as np

from localbento.field.babybear import P, from_montgomery, inverse, root_of_unity, to_montgomery
from localbento.field.extension import Extension
from localbento_kernels.cpu.tiles import aligned

EDGES = (0, 1, 2, P - 1, P - 2, P // 2, P // 2 + 1, (P + 1) // 2)


def words(values) -> np.ndarray:
    """Canonical numbers in Montgomery form, aligned and flat."""
    flat = [to_montgomery(int(v) % P) for v in np.asarray(values, dtype=object).ravel()]
    result = aligned(len(flat))
    result[:] = flat
    return result


def numbers(array) -> np.ndarray:
    return np.array([from_montgomery(int(x)) for x in array.ravel()], np.int64).reshape(array.shape)


def random_element(rng) -> Extension:
    return Extension.of(rng.integers(0, P, 5).tolist())


def planes(elements) -> np.ndarray:
    """uint32[5 * n], coefficient by coefficient."""
    return words([e.coefficients[i] for i in range(5) for e in elements])


def from_planes(array, n: int) -> list[Extension]:
    return [Extension.of(column) for column in numbers(array).reshape(5, n).T.tolist()]


def multiples(element: Extension) -> np.ndarray:
    return words([c for i in range(5) for c in (element * Extension.X**i).coefficients])


def roots(log_order: int, *, inverted: bool = False) -> np.ndarray:
    root = inverse(root_of_unity(log_order)) if inverted else root_of_unity(log_order)
    return words([pow(root, 1 << j, P) for j in range(max(log_order, 1))])

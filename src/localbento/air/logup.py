"""How the bus argument becomes constraints: which messages share a helper column.

A helper column H of a chip holds, on each row, the sum of a few fractions (sign * times) / fingerprint.  Its
constraint is H * prod(f_i) - sum(sign_i * m_i * prod_(j != i) f_j) = 0 (docs/protocol.md, "Buses").
"""

from functools import lru_cache

from localbento.air.chip import CircuitError, Message, RecordedChip


def fingerprint_degree(chip: RecordedChip, message: Message) -> int:
    """Degree of alpha + bus * beta_0 + sum beta_i m_i in the cells."""
    degrees = chip.graph.degrees
    return max(degrees[n] for n in (message.bus_node, *message.components))


def helper_degree(chip: RecordedChip, messages: tuple[Message, ...]) -> int:
    """Degree of the constraint of a helper that holds these messages."""
    return _degree([_degrees(chip, m) for m in messages])


def _degrees(chip: RecordedChip, message: Message) -> tuple[int, int]:
    return fingerprint_degree(chip, message), chip.graph.degrees[message.times]


def _degree(messages: list[tuple[int, int]]) -> int:
    """The degree of a helper of messages with these degrees of fingerprint and multiplicity."""
    whole = sum(d for d, _ in messages)
    return max(1 + whole, *(t + whole - d for d, t in messages))


@lru_cache(maxsize=1024)
def helpers(chip: RecordedChip, max_degree: int) -> tuple[tuple[Message, ...], ...]:
    """Messages in the order of declaration, grouped: one joins the last helper while the degree allows it.

    Raises: CircuitError if a message alone passes the degree.
    """
    groups: list[tuple[Message, ...]] = []
    last: list[tuple[int, int]] = []
    for message in chip.messages:
        degrees = _degrees(chip, message)
        if _degree([degrees]) > max_degree:
            msg = f"{chip.name}, {message.label!r}: bus constraint of degree {_degree([degrees])}, allowed {max_degree}"
            raise CircuitError(msg)
        if groups and _degree([*last, degrees]) <= max_degree:
            groups[-1] = (*groups[-1], message)
            last.append(degrees)
        else:
            groups.append((message,))
            last = [degrees]
    return tuple(groups)

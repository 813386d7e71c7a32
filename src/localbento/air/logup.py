"""How the bus argument becomes constraints: which messages share a helper column.

A helper column H of a chip holds, on each row, the sum of a few fractions (sign * times) / fingerprint.  Its
constraint is H * prod(f_i) - sum(sign_i * m_i * prod_(j != i) f_j) = 0 (docs/protocol.md, "Buses").
"""

from localbento.air.chip import CircuitError, Message, RecordedChip


def fingerprint_degree(chip: RecordedChip, message: Message) -> int:
    """Degree of alpha + bus * beta_0 + sum beta_i m_i in the cells."""
    degrees = chip.graph.degrees
    return max(degrees[n] for n in (message.bus_node, *message.components))


def helper_degree(chip: RecordedChip, messages: tuple[Message, ...]) -> int:
    """Degree of the constraint of a helper that holds these messages."""
    degrees = [fingerprint_degree(chip, m) for m in messages]
    whole = sum(degrees)
    times = [chip.graph.degrees[m.times] for m in messages]
    return max(1 + whole, *(t + whole - d for t, d in zip(times, degrees, strict=True)))


def helpers(chip: RecordedChip, max_degree: int) -> tuple[tuple[Message, ...], ...]:
    """Messages in the order of declaration, grouped: one joins the last helper while the degree allows it.

    Raises: CircuitError if a message alone passes the degree.
    """
    groups: list[tuple[Message, ...]] = []
    for message in chip.messages:
        if helper_degree(chip, (message,)) > max_degree:
            msg = (
                f"{chip.name}, {message.label!r}: bus constraint of degree {helper_degree(chip, (message,))}, "
                f"allowed {max_degree}"
            )
            raise CircuitError(msg)
        if groups and helper_degree(chip, (*groups[-1], message)) <= max_degree:
            groups[-1] = (*groups[-1], message)
        else:
            groups.append((message,))
    return tuple(groups)

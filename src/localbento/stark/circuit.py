"""A circuit as bytes: what its static digest covers, and an export that another verifier can read.

The canonical form is a list of integers below 2^32, four bytes each, little-endian: docs/protocol.md,
"Circuit".  Labels and column names are documentation and not covered; everything that a proof's
meaning depends on is.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from localbento.air.bus import Bus, BusKind
from localbento.air.chip import Message, RecordedChip
from localbento.air.logup import helpers
from localbento.air.system import Public, System
from localbento.stark.params import PROTOCOL_NAME, PROTOCOL_VERSION, ParameterSet
from localbento.stark.sponge import Tag, hash_tagged

Digest = tuple[int, ...]
_KINDS: Final = {BusKind.EXCHANGE: 0, BusKind.LOOKUP: 1}


def _string(text: str) -> list[int]:
    data = text.encode()
    return [len(data), *data]


def _bus(bus: Bus) -> list[int]:
    ranks = sorted(bus.ranks.items())
    return [
        bus.number, _KINDS[bus.kind], bus.width, bus.rank, len(ranks),
        *(number for pair in ranks for number in pair),
    ]  # fmt: skip


def _sign(sign: int) -> int:
    return 1 if sign > 0 else 2


def _message(message: Message) -> list[int]:
    return [
        len(message.buses), *(b.number for b in message.buses), message.bus_node, _sign(message.sign),
        message.times, 0 if message.rank is None else message.rank + 1, len(message.ops), *message.ops,
        len(message.components), *message.components,
    ]  # fmt: skip


def chip_integers(chip: RecordedChip, max_degree: int) -> list[int]:
    """One chip: name, columns, expression graph, constraints, messages, helper groups."""
    groups = helpers(chip, max_degree)
    numbers = [*_string(chip.name), len(chip.fixed), chip.width, len(chip.graph.nodes)]
    for op, a, b in chip.graph.nodes:
        numbers += [int(op), a, b]
    numbers += [chip.real, len(chip.constraints), *(c.node for c in chip.constraints)]
    numbers.append(len(chip.messages))
    for message in chip.messages:
        numbers += _message(message)
    return [*numbers, len(groups), *(len(group) for group in groups)]


def circuit_bytes(system: System, params: ParameterSet, log_heights: Sequence[int]) -> bytes:
    """The canonical form of a system with its heights and parameters."""
    numbers = [PROTOCOL_VERSION, *params.numbers(), *_string(system.name), len(system.public_values)]
    buses = system.buses()
    numbers.append(len(buses))
    for bus in buses:
        numbers += _bus(bus)
    numbers.append(len(system.public_messages))
    for public in system.public_messages:
        numbers += [public.bus.number, _sign(public.sign), len(public.components)]
        for part in public.components:
            numbers += [1, part.index] if isinstance(part, Public) else [0, part]
    numbers.append(len(system.chips))
    pieces = [_words(numbers)]
    chips: dict[int, bytes] = {}
    for chip, height in zip(system.chips, log_heights, strict=True):
        if id(chip) not in chips:
            chips[id(chip)] = _words(chip_integers(chip, params.max_degree))
        pieces += [_words([height]), chips[id(chip)]]
    return b"".join(pieces)


def _words(numbers: Sequence[int]) -> bytes:
    return b"".join(int(n).to_bytes(4, "little") for n in numbers)


def static_digest(system: System, params: ParameterSet, log_heights: Sequence[int]) -> Digest:
    """Eight elements that stand for everything of the circuit but its preprocessed cap.

    The leaf sponge with tag 5 over the 32 bytes of the canonical form's SHA-256: nothing ever
    recomputes it inside a circuit, and a machine's form has 10^5 integers and more.
    """
    return hash_tagged(Tag.STATIC, hashlib.sha256(circuit_bytes(system, params, log_heights)).digest())


def circuit_digest(static: Digest, fixed_cap: Sequence[Digest]) -> Digest:
    """Static digest and preprocessed cap (empty without preprocessed columns) in one digest."""
    return hash_tagged(Tag.CIRCUIT, [*static, *(e for digest in fixed_cap for e in digest)])


def export_system(system: System, params: ParameterSet, log_heights: Sequence[int]) -> dict[str, Any]:
    """The circuit as plain data for JSON: the canonical form with names, docs/protocol.md "Export"."""
    return {
        "protocol": PROTOCOL_NAME,
        "version": PROTOCOL_VERSION,
        "parameters": export_parameters(params),
        "name": system.name,
        "public_values": list(system.public_values),
        "buses": [
            {
                "name": b.name, "number": b.number, "kind": b.kind.value, "fields": list(b.fields),
                "rank": b.rank, "ranks": sorted([op, rank] for op, rank in b.ranks.items()),
            }
            for b in system.buses()
        ],
        "public_messages": [
            {
                "bus": m.bus.number,
                "sign": m.sign,
                "components": [
                    {"public": c.index} if isinstance(c, Public) else {"constant": c} for c in m.components
                ],
            }
            for m in system.public_messages
        ],
        "chips": [
            {"log_rows": h, **export_chip(chip, params.max_degree)}
            for chip, h in zip(system.chips, log_heights, strict=True)
        ],
        "circuit_bytes_sha256": hashlib.sha256(circuit_bytes(system, params, log_heights)).hexdigest(),
    }  # fmt: skip


def export_parameters(params: ParameterSet) -> dict[str, Any]:
    """A parameter set as plain data."""
    return {
        "name": params.name, "number": params.number, "layer": int(params.layer), "suite": int(params.suite),
        "log_blowup": params.log_blowup, "queries": params.queries, "grinding": params.grinding,
        "stop": params.stop, "cap": params.cap, "blinding": params.blinding,
        "randomizers": params.randomizers, "chunks": params.chunks, "lowest": params.lowest,
        "tallest": params.tallest, "is_toy": params.is_toy,
    }  # fmt: skip


def export_chip(chip: RecordedChip, max_degree: int) -> dict[str, Any]:
    """A recorded chip as plain data."""
    return {
        "name": chip.name,
        "fixed": list(chip.fixed),
        "main": list(chip.main),
        "nodes": [[int(op), a, b] for op, a, b in chip.graph.nodes],
        "real": chip.real,
        "constraints": [{"label": c.label, "node": c.node} for c in chip.constraints],
        "messages": [
            {
                "label": m.label, "buses": [b.number for b in m.buses], "bus_node": m.bus_node,
                "sign": m.sign, "times": m.times, "components": list(m.components),
                "rank": m.rank, "ops": list(m.ops),
            }
            for m in chip.messages
        ],
        "helpers": [len(group) for group in helpers(chip, max_degree)],
    }  # fmt: skip

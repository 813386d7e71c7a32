"""Buses: typed multisets of messages.  What is pushed must be pulled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class BusKind(StrEnum):
    """How the traffic of a bus balances (docs/protocol.md, "Buses")."""

    EXCHANGE = "exchange"
    """Every multiplicity is 0 or 1: a message is handed over, once."""
    LOOKUP = "lookup"
    """Providers push a true tuple any number of times; users pull it."""


@dataclass(frozen=True, slots=True)
class Bus:
    """A declared message shape.

    `fields` names the components.  On a lookup bus `rank` orders the providers: a provider pulls from
    lookup buses only tuples of lower rank, so no two false rows can answer each other.  With `ranks`
    the rank depends on the first component, an operation number, and every user names it as a constant.
    """

    name: str
    number: int
    fields: tuple[str, ...]
    kind: BusKind
    rank: int = 0
    ranks: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.number < 1:
            msg = f"bus {self.name!r}: number must be at least 1, found {self.number!r}"
            raise ValueError(msg)
        if not self.fields:
            msg = f"bus {self.name!r}: a message needs at least one component"
            raise ValueError(msg)

    @property
    def width(self) -> int:
        """Components of a message."""
        return len(self.fields)

    def __hash__(self) -> int:
        return hash((self.name, self.number))

"""A machine: chips side by side, and the messages that the verifier itself puts on the buses."""

from dataclasses import dataclass

from localbento.air.bus import Bus
from localbento.air.chip import RecordedChip


@dataclass(frozen=True, slots=True)
class Public:
    """A component of a public message: the public value with this number."""

    index: int


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """A message of the verifier: pushed (sign 1) or pulled (sign -1), once."""

    bus: Bus
    sign: int
    components: tuple[int | Public, ...]


@dataclass(frozen=True, eq=False)
class System:
    """Chips (each entry is one table; a chip may stand in it several times), and public messages.

    `public_values` names the public values in declared order.
    """

    name: str
    chips: tuple[RecordedChip, ...]
    public_values: tuple[str, ...] = ()
    public_messages: tuple[PublicMessage, ...] = ()

    def buses(self) -> tuple[Bus, ...]:
        """Every bus in use, by number."""
        found = {b for chip in self.chips for m in chip.messages for b in m.buses}
        found |= {m.bus for m in self.public_messages}
        return tuple(sorted(found, key=lambda b: b.number))

    def message_width(self) -> int:
        """Components of the widest message."""
        return max((b.width for b in self.buses()), default=0)

"""The machine: which chips there are, and the system that a profile makes of them.

A profile gives each chip a height and a number of copies; records of a chip fill its copies one after the other.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from localbento.air.chip import Chip, CircuitError, RecordedChip, record
from localbento.air.system import System
from localbento.circuits.rv32im.access_chip import Access
from localbento.circuits.rv32im.alu import AluImm, AluReg
from localbento.circuits.rv32im.bitwise import Bitwise
from localbento.circuits.rv32im.branch import Branch
from localbento.circuits.rv32im.const import Const
from localbento.circuits.rv32im.decode import Decode
from localbento.circuits.rv32im.divide import Divide
from localbento.circuits.rv32im.fetch import Peek, SlowFetch
from localbento.circuits.rv32im.host_io import HostIo, ReadData
from localbento.circuits.rv32im.jump import Jalr
from localbento.circuits.rv32im.less import Less
from localbento.circuits.rv32im.memory import Part, WordMove
from localbento.circuits.rv32im.multiply import Multiply
from localbento.circuits.rv32im.opcode_chip import LOWEST as LOWEST_OPCODES
from localbento.circuits.rv32im.opcode_chip import Opcodes
from localbento.circuits.rv32im.paging import Node, Page, PageBlock
from localbento.circuits.rv32im.permutation import FULL_ROWS, FullRounds, PartialRounds
from localbento.circuits.rv32im.poseidon2 import Poseidon2
from localbento.circuits.rv32im.public import NAMES, public_messages
from localbento.circuits.rv32im.region import Regions
from localbento.circuits.rv32im.sha2 import Sha2
from localbento.circuits.rv32im.sha2_round import Sha2Round
from localbento.circuits.rv32im.sha2_step import STEP_ROWS, Sha2Step
from localbento.circuits.rv32im.shift import Shift
from localbento.circuits.rv32im.system import System as SystemChip
from localbento.circuits.rv32im.tables import FORMS as TABLES
from localbento.field.babybear import P
from localbento.stark.params import S100, ParameterSet

CHIPS: Final[Mapping[str, type[Chip]]] = MappingProxyType(
    {
        "alu_reg": AluReg,
        "alu_imm": AluImm,
        "word": WordMove,
        "part": Part,
        "branch": Branch,
        "const": Const,
        "jalr": Jalr,
        "bitwise": Bitwise,
        "less": Less,
        "shift": Shift,
        "mul": Multiply,
        "div": Divide,
        "decode": Decode,
        "peek": Peek,
        "slow_fetch": SlowFetch,
        "system": SystemChip,
        "access": Access,
        "host_io": HostIo,
        "read_data": ReadData,
        "page_block": PageBlock,
        "page": Page,
        "node": Node,
        "poseidon2": Poseidon2,
        "full_rounds": FullRounds,
        "partial_rounds": PartialRounds,
        "sha2": Sha2,
        "sha2_round": Sha2Round,
        "sha2_step": Sha2Step,
        "region": Regions,
        "opcodes": Opcodes,
        **TABLES,
    }
)
"""Every chip by its name in records, profiles and limits; in the order of the system."""

ROUNDS: Final = {"full_rounds": FULL_ROWS, "partial_rounds": 1}
"""What a profile may have instead of `poseidon2`, and rows of each a permutation; permutations are what is counted."""

STEPS: Final = STEP_ROWS
"""Rows of `sha2_step`, which a profile may have instead of `sha2_round`, a block; rounds are what is counted."""

UNCOUNTED: Final = frozenset({"region", "opcodes", "sha2_step", *TABLES, *ROUNDS})
"""Chips that are not counted while a segment is cut.

`region`, `opcodes` and the tables answer lookups and are filled after all others; every profile has room for any
segment.  The rows of permutations follow from their number, and those of the narrow rounds of SHA2 from the rounds'.
"""

OPTIONAL: Final = frozenset(
    {"part", "shift", "mul", "div", "peek", "slow_fetch", "host_io", "read_data", "sha2", "sha2_round", "sha2_step"}
)
"""Chips that a profile may leave out: segments without such rows then pay nothing for them."""

TIME_LIMIT: Final = 1 << 24
"""Differences of times are checked in 16 and 8 bits."""

SLOTS: Final = 5
MAX_CYCLES: Final = TIME_LIMIT // SLOTS - 1
"""Cycles of a segment, the resume row being cycle 1 and the suspend or close row the last."""

CYCLES_A_ROW: Final[Mapping[str, int]] = MappingProxyType({"sha2": 64})
"""By how many cycles one row of a chip can carry the chain on, where that is not 1."""


@cache
def recorded(name: str) -> RecordedChip:
    """The chip of this name, recorded once a process."""
    return record(CHIPS[name], name)


def make_system(name: str, copies: Mapping[str, int], log_heights: Mapping[str, int]) -> System:
    """The system with so many copies of each chip.

    Raises: CircuitError if a chip that must be there is not, or times could wrap around p.
    """
    unknown = set(copies) - set(CHIPS)
    missing = [
        chip for chip in CHIPS if chip not in {*OPTIONAL, *TABLES, "poseidon2", *ROUNDS} and copies.get(chip, 0) < 1
    ]
    if unknown or missing:
        msg = f"{name}: unknown chips {sorted(unknown)}, missing chips {missing}"
        raise CircuitError(msg)
    forms = {form: copies[form] for form in TABLES if copies.get(form, 0)}
    if list(forms.values()) != [1] or any(log_heights[form] != TABLES[form].LOG_ROWS for form in forms):
        msg = f"{name}: expected one copy of one form of tables at its height, found {forms}"
        raise CircuitError(msg)
    permutations = [bool(copies.get(chip, 0)) for chip in ("poseidon2", *ROUNDS)]
    if permutations not in ([True, False, False], [False, True, True]):
        msg = f"{name}: expected either poseidon2 or full_rounds and partial_rounds"
        raise CircuitError(msg)
    if copies.get("sha2_round", 0) and copies.get("sha2_step", 0):
        msg = f"{name}: expected either sha2_round or sha2_step"
        raise CircuitError(msg)
    if copies["opcodes"] != 1 or log_heights["opcodes"] < LOWEST_OPCODES:
        msg = f"{name}: expected one copy of opcodes, at 2^{LOWEST_OPCODES} or more"
        raise CircuitError(msg)
    check_times(name, copies, log_heights)
    chips = tuple(recorded(chip) for chip in CHIPS for _ in range(copies.get(chip, 0)))
    return System(name, chips, NAMES, public_messages())


def check_times(name: str, copies: Mapping[str, int], log_heights: Mapping[str, int]) -> None:
    """No sum of time steps of a machine of these heights comes near p: then no access can feed itself.

    Raises: CircuitError.
    """
    cycles = 2 + sum(
        (CYCLES_A_ROW.get(chip, 1) * count) << log_heights[chip] for chip, count in copies.items() if count
    )
    if SLOTS * cycles + TIME_LIMIT >= P or cycles >= 1 << 26:
        msg = f"{name}: up to {cycles} cycles: times or aliases of slow fetches could wrap around"
        raise CircuitError(msg)


def capacity(log_height: int, copies: int, params: ParameterSet = S100) -> int:
    """Rows of a chip that records can fill: blinding rows end every copy."""
    return copies * ((1 << log_height) - params.blinding)

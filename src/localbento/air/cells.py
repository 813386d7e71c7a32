"""What a column promises: the declared type of a cell is its constraint.

class AddSub(Chip):
is_real: Bit                                      # x(x - 1) = 0
out: RangedWord                                   # a machine's own type: its limbs are range-checked
limbs: Annotated[tuple[Felt, ...], 16]            # sixteen columns
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

from localbento.air.expr import Expr, Graph, Op

if TYPE_CHECKING:
    from localbento.air.chip import Constraints


class Felt(Expr):
    """A column of any field elements."""

    __slots__ = ("column", "name")
    fixed: ClassVar[bool] = False

    def __init__(self, graph: Graph, column: int, name: str) -> None:
        super().__init__(graph, graph.add(Op.FIXED if self.fixed else Op.MAIN, column))
        self.column = column
        self.name = name

    def promise(self, c: "Constraints") -> None:
        """State what the type promises; nothing for a plain field element."""


class Bit(Felt):
    """A column of zeros and ones, by a constraint of its own."""

    __slots__ = ()

    def promise(self, c: "Constraints") -> None:
        """X (x - 1) = 0."""
        c.boolean(f"{self.name} is a bit", self)


class Fixed(Felt):
    """A preprocessed column: part of the circuit, committed once for each shape."""

    __slots__ = ()
    fixed: ClassVar[bool] = True


class Cells:
    """A group of columns, by annotations; groups nest."""

    name: str

    def promise(self, c: "Constraints") -> None:
        """State what the group promises as a whole; nothing by default."""

    @classmethod
    def spread(cls, value: Any) -> Mapping[str, Any]:
        """The columns of a filled value, by field name."""
        if not isinstance(value, Mapping):
            msg = f"{cls.__name__}: expected a mapping from field to columns, found {type(value).__name__}"
            raise TypeError(msg)
        return value


class Word(Cells):
    """A 32-bit word as two limbs of 16 bits; in range because whoever wrote it checked it."""

    lo: Felt
    hi: Felt

    def __iter__(self) -> Iterator[Felt]:
        """Low limb, high limb."""
        return iter((self.lo, self.hi))

    @classmethod
    def spread(cls, value: Any) -> Mapping[str, Any]:
        """Split uint32 words into limbs."""
        if isinstance(value, Mapping):
            return value
        return {"lo": value & 0xFFFF, "hi": value >> 16}


class Declarer:
    """Gives out columns while a chip's annotations are read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.main: list[Felt] = []
        self.fixed: list[Felt] = []
        self.groups: list[Cells] = []

    def declare(self, hint: Any, name: str) -> Any:
        """An instance of the annotated type, with columns of its own."""
        if get_origin(hint) is Annotated:
            item, count = get_args(hint)
            inner = get_args(item)[0]
            return tuple(self.declare(inner, f"{name}[{i}]") for i in range(count))
        if get_origin(hint) is tuple:
            return tuple(self.declare(h, f"{name}[{i}]") for i, h in enumerate(get_args(hint)))
        if isinstance(hint, type) and issubclass(hint, Felt):
            columns = self.fixed if hint.fixed else self.main
            cell = hint(self.graph, len(columns), name)
            columns.append(cell)
            return cell
        if isinstance(hint, type) and issubclass(hint, Cells):
            group = hint()
            group.name = name
            self.fill_group(group, f"{name}.")
            self.groups.append(group)
            return group
        msg = f"{name}: expected a cell type, found {hint!r}"
        raise TypeError(msg)

    def fill_group(self, group: Cells, prefix: str) -> None:
        """Declare every annotated field of a group."""
        for field, hint in fields(type(group)).items():
            setattr(group, field, self.declare(hint, prefix + field))


_FIELDS: dict[type[Cells], Mapping[str, Any]] = {}


def fields(group: type[Cells]) -> Mapping[str, Any]:
    """Annotated column fields of a group, in order of declaration."""
    found = _FIELDS.get(group)
    if found is None:
        hints = get_type_hints(group, include_extras=True)
        found = {k: h for k, h in hints.items() if get_origin(h) is not ClassVar and k != "name"}
        _FIELDS[group] = found = MappingProxyType(found)
    return found


def columns_of(hint: Any, value: Any) -> Iterator[Any]:
    """The arrays of a filled value in the order of the columns of its type, as (hint, array)."""
    if get_origin(hint) is Annotated:
        item, count = get_args(hint)
        yield from _sequence((get_args(item)[0],) * count, value)
    elif get_origin(hint) is tuple:
        yield from _sequence(get_args(hint), value)
    elif issubclass(hint, Felt):
        yield hint, value
    else:
        parts = hint.spread(value)
        expected = fields(hint)
        if set(parts) != set(expected):
            msg = f"{hint.__name__}: expected columns {sorted(expected)}, found {sorted(parts)}"
            raise ValueError(msg)
        for field, inner in expected.items():
            yield from columns_of(inner, parts[field])


def _sequence(hints: tuple[Any, ...], value: Any) -> Iterator[Any]:
    if len(value) != len(hints):
        msg = f"expected {len(hints)} columns, found {len(value)}"
        raise ValueError(msg)
    for hint, item in zip(hints, value, strict=True):
        yield from columns_of(hint, item)

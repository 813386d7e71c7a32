import dataclasses
from typing import Annotated

import pytest
from honest import MANY, ONE, key_of
from toy_machine import NIBBLE, STATE, SYSTEM, Nibbles, Squares, Step

from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, CircuitError, record
from localbento.air.system import PublicMessage, System
from localbento.stark import keygen as module
from localbento.stark.circuit import chip_integers, circuit_bytes, export_system
from localbento.stark.keygen import export_circuit, export_json, keygen
from localbento.stark.params import S100, T4, T8, W100

PING = Bus("ping", 9, ("x",), BusKind.EXCHANGE)


def chip(width: int, messages: int = 1, degree: int = 2):
    class Sample(Chip):
        is_real: Bit
        xs: Annotated[tuple[Felt, ...], width]

        def constrain(self, c):
            product = self.xs[0]
            for _ in range(degree - 1):
                product = product * self.xs[0]
            c.equal("power", product, self.xs[-1])
            for x in self.xs:
                c.zero(f"{x.name} times its neighbour", x * self.xs[0])
            for i in range(messages):
                c.push(PING, (self.xs[i % width],))
                c.pull(PING, (self.xs[i % width],))

    return record(Sample)


def refused(match: str, chips, params=T4, heights=None, **system):
    with pytest.raises(CircuitError, match=match):
        keygen(System("sample", tuple(chips), **system), params, heights or [params.lowest] * len(chips))


def test_too_few_main_columns_cannot_hide_the_sum():
    refused("4 main columns, at least 5", [chip(12), chip(3)], heights=[7, 6])


def test_too_few_blinded_columns_at_the_tallest_height():
    refused("6 blinded columns in the main tree", [chip(5)])
    refused("5 blinded columns in the bus tree", [chip(9, messages=0)])


def test_degree_passes_the_set():
    refused("'power': degree 5, allowed 4", [chip(9, degree=5)])
    keygen(System("sample", (chip(9, degree=8),)), T8, [7])


def test_heights_outside_the_set():
    refused(r"height 2\^5, T4-toy allows 2\^6", [chip(9)], heights=[5])
    refused(r"height 2\^17", [chip(9)], heights=[17])
    refused(r"height 2\^8, S100 allows", [chip(9)], params=S100, heights=[8])
    refused("1 chips, found 2 heights", [chip(9)], heights=[6, 6])
    refused("at least one chip", [])


def test_too_low_for_the_quotient():
    low = dataclasses.replace(T4, lowest=5, number=111)
    refused("too low", [chip(9)], params=low, heights=[5])


def test_too_many_functions():
    refused("2055 functions, allowed 2048", [chip(1022), chip(1022)])


def test_too_many_constraints(monkeypatch):
    monkeypatch.setattr(module, "MAX_CONSTRAINTS", 5)
    refused("constraints, allowed 5", [chip(9)])


def test_too_many_messages():
    """N below p / 4: at 2^22 rows, 120 messages."""
    refused(r"must stay below p", [chip(9, messages=65)], params=S100, heights=[22])


def test_a_set_below_a_hundred_bits_is_refused():
    weak = dataclasses.replace(S100, queries=80)
    refused("provable bits, at least 100", [chip(9)], params=weak, heights=[20])


def test_the_wrap_has_no_hash_yet():
    refused("not built yet", [chip(9)], params=W100)


def test_public_messages_name_existing_values():
    bus = Bus("ping", 9, ("x",), BusKind.EXCHANGE)
    from localbento.air.system import Public

    message = PublicMessage(bus, 1, (Public(1),))
    refused("component 1 out of range", [chip(9)], public_values=("a",), public_messages=(message,))


def test_a_commitment_of_the_wrong_size_is_refused():
    with pytest.raises(CircuitError, match="a cap has 4 digests, found 1"):
        keygen(SYSTEM, T4, ONE, lambda shape, rows: [(0,) * 8])


def test_preprocessed_rows_reach_the_commitment():
    seen = []

    def commit(shape, rows):
        seen.extend(rows)
        return [(7,) * 8] * 4

    key = keygen(SYSTEM, T4, MANY, commit)
    assert [r.shape for r in seen] == [(2, 64)]
    assert seen[0][0, :16].tolist() == list(range(16))
    assert key.fixed_cap == ((7,) * 8,) * 4
    assert key.circuit_digest != key_of(T4, MANY).circuit_digest
    assert key.static_digest == key_of(T4, MANY).static_digest


def test_everything_of_the_circuit_enters_its_digest():
    """OpenVM 3.2.4: a circuit that is not bound lets its author plant solutions of the bus argument."""

    class OtherConstant(Step):
        def constrain(self, c):
            super().constrain(c)
            c.zero("one more", self.nibble * (self.nibble - 1))

    class OneMore(Squares):
        more: Felt

        def constrain(self, c):
            super().constrain(c)
            c.zero("more", self.more * self.uses)

    chips = SYSTEM.chips
    flipped = PublicMessage(STATE, -1, SYSTEM.public_messages[0].components)
    ranked = dataclasses.replace(NIBBLE, rank=3)
    systems = [
        SYSTEM,
        dataclasses.replace(SYSTEM, name="other"),
        dataclasses.replace(SYSTEM, public_values=("a", "b", "steps", "last_a", "last_b", "more")),
        dataclasses.replace(SYSTEM, public_messages=(flipped, SYSTEM.public_messages[1])),
        dataclasses.replace(SYSTEM, public_messages=SYSTEM.public_messages[:1]),
        dataclasses.replace(SYSTEM, chips=(record(OtherConstant, "Step"), *chips[1:])),
        dataclasses.replace(SYSTEM, chips=(*chips[:2], record(OneMore, "Squares"))),
        dataclasses.replace(SYSTEM, chips=(chips[0], chips[2], chips[1])),
        dataclasses.replace(SYSTEM, public_messages=(*SYSTEM.public_messages, PublicMessage(ranked, 1, (1,)))),
    ]
    forms = {circuit_bytes(s, T4, MANY) for s in systems}
    forms |= {circuit_bytes(SYSTEM, T8, MANY), circuit_bytes(SYSTEM, T4, (7, 6, 8))}
    assert len(forms) == len(systems) + 2


def test_labels_and_column_names_are_documentation():
    class Renamed(Chip):
        is_real: Bit
        answers: Felt
        argument: Felt
        result: Felt
        spare: Felt

        def constrain(self, c):
            c.equal("other label", self.result, self.argument * self.argument)
            c.zero("other label 2", (1 - self.is_real) * self.answers)
            from toy_machine import SQUARE

            c.provide(SQUARE, (self.argument, self.result), self.answers, label="other label 3")

    with pytest.raises(CircuitError, match="spare"):
        record(Renamed)
    cells = {"unused_cell" if name == "spare" else name: kind for name, kind in Renamed.__annotations__.items()}
    declared = type("Declared", (Chip,), {"__annotations__": cells, "constrain": Renamed.constrain})
    assert chip_integers(record(declared, "Squares"), 4) == chip_integers(record(Squares), 4)


def test_the_export_holds_what_the_digest_covers():
    key = key_of(T4, MANY)
    exported = export_circuit(key)
    assert exported["circuit_digest"] == list(key.circuit_digest)
    assert [c["log_rows"] for c in exported["chips"]] == list(MANY)
    assert exported["chips"][1]["fixed"] == ["value", "is_value"]
    assert len(exported["fixed_cap"]) == 4
    assert exported["chips"][0]["helpers"] == [3, 1]
    assert export_json(key) == export_json(keygen(SYSTEM, T4, MANY))
    assert export_system(SYSTEM, T4, MANY)["buses"][2] == {
        "name": "square", "number": 3, "kind": "lookup", "fields": ["x", "y"], "rank": 1, "ranks": [],
    }  # fmt: skip
    assert record(Nibbles).fixed == ("value", "is_value")


def form_of_export(exported) -> bytes:
    """The canonical form written down from the export alone, as docs/protocol.md section 5 says."""

    def text(value):
        data = value.encode()
        return [len(data), *data]

    def sign(value):
        return 1 if value == 1 else 2

    p = exported["parameters"]
    numbers = [exported["version"], p["number"], p["layer"], p["suite"], p["log_blowup"], p["queries"], p["grinding"]]
    numbers += [4, p["stop"], p["cap"], p["blinding"], p["randomizers"], p["chunks"], p["lowest"], p["tallest"]]
    numbers += [int(p["is_toy"]), *text(exported["name"]), len(exported["public_values"]), len(exported["buses"])]
    for bus in exported["buses"]:
        numbers += [bus["number"], ["exchange", "lookup"].index(bus["kind"]), len(bus["fields"]), bus["rank"]]
        numbers += [len(bus["ranks"]), *(x for pair in bus["ranks"] for x in pair)]
    numbers.append(len(exported["public_messages"]))
    for message in exported["public_messages"]:
        numbers += [message["bus"], sign(message["sign"]), len(message["components"])]
        for part in message["components"]:
            numbers += [1, part["public"]] if "public" in part else [0, part["constant"]]
    numbers.append(len(exported["chips"]))
    for chip in exported["chips"]:
        numbers += [chip["log_rows"], *text(chip["name"]), len(chip["fixed"]), len(chip["main"]), len(chip["nodes"])]
        numbers += [x for node in chip["nodes"] for x in node]
        numbers += [chip["real"], len(chip["constraints"]), *(c["node"] for c in chip["constraints"])]
        numbers.append(len(chip["messages"]))
        for m in chip["messages"]:
            numbers += [len(m["buses"]), *m["buses"], m["bus_node"], sign(m["sign"]), m["times"]]
            numbers += [0 if m["rank"] is None else m["rank"] + 1, len(m["ops"]), *m["ops"]]
            numbers += [len(m["components"]), *m["components"]]
        numbers += [len(chip["helpers"]), *chip["helpers"]]
    return b"".join(n.to_bytes(4, "little") for n in numbers)


def test_digests_follow_from_the_export_alone():
    import hashlib
    import json

    from localbento.hash.poseidon2 import hash_leaf

    exported = json.loads(export_json(key_of(T4, MANY)))
    digest = hashlib.sha256(form_of_export(exported))
    assert digest.hexdigest() == exported["circuit_bytes_sha256"]
    static = hash_leaf(list(digest.digest()), 5)
    assert list(static) == exported["static_digest"]
    cap = [e for d in exported["fixed_cap"] for e in d]
    assert list(hash_leaf([*static, *cap], 3)) == exported["circuit_digest"]

"""Digests, flat words, join, resolve and union against recorded values."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from localbento.claim.assumption import (
    Assumption,
    Assumptions,
    UnionClaim,
    digest_order,
    remove_pruned_head,
    union_of_all,
)
from localbento.claim.claim import Output, ReceiptClaim, SystemState, join, join_all, resolve
from localbento.claim.exit_code import ExitCode
from localbento.claim.flat import claim_from_flat, flat_claim, flat_state
from localbento.claim.pruned import Pruned
from localbento.errors import Reason, VerificationError
from localbento.hash.tagged import ZERO, tagged_cons, tagged_list, tagged_struct

VECTORS = json.loads((Path(__file__).parents[3] / "fixtures/vectors/claim-vectors.json").read_text())
JOURNAL = b"journal"


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def assumption(i: int) -> Assumption:
    return Assumption(sha(f"claim{i}"), ZERO if i % 2 == 0 else sha(f"root{i}"))


def exit_code(plain: Any) -> ExitCode:
    match plain:
        case {"Halted": user}:
            return ExitCode.halted(user)
        case {"Paused": user}:
            return ExitCode.paused(user)
        case "SystemSplit":
            return ExitCode.SYSTEM_SPLIT
        case "SessionLimit":
            return ExitCode.SESSION_LIMIT
        case _:
            raise AssertionError(plain)


def pruned(text: str) -> Pruned | None:
    return None if hexed(text) == ZERO else Pruned(hexed(text))


def pruned_claim(plain: dict[str, Any]) -> ReceiptClaim:
    pre, post = Pruned(hexed(plain["pre"])), Pruned(hexed(plain["post"]))
    code = exit_code(plain["exit"])
    claim = ReceiptClaim(pre, post, code, pruned(plain["input"]), pruned(plain["output"]))
    assert claim.digest().hex() == plain["digest"]
    assert code.pair == (plain["sys_exit"], plain["user_exit"])
    return claim


def test_tagged_struct() -> None:
    for case in VECTORS["tagged_struct"]:
        if "down" in case:
            down = [hexed(digest) for digest in case["down"]]
        else:
            down = [sha(str(i)) for i in range(case["down_sha256_of_decimal_index"])]
        assert tagged_struct(case["tag"], down, case["data"]).hex() == case["digest"]


def test_tagged_lists() -> None:
    for case in VECTORS["tagged_list"]:
        items = [hexed(item) for item in case["items"]]
        for tag in ("risc0.Assumptions", "other.tag"):
            assert tagged_list(tag, items).hex() == case[f"list[{tag}]"]
    for case in VECTORS["tagged_list_cons"]:
        cons = tagged_cons(case["tag"], hexed(case["head"]), hexed(case["tail"]))
        assert cons.hex() == case["digest"]


@pytest.mark.parametrize(("down", "data"), [([b"short"], []), ([], [1 << 32]), ([], [-1]), ([ZERO] * 65536, [])])
def test_tagged_struct_refuses(down: list[bytes], data: list[int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        tagged_struct("t", down, data)


def test_system_states() -> None:
    for case in VECTORS["system_state"]:
        state = SystemState(case["pc"], hexed(case["merkle_root"]))
        assert state.digest().hex() == case["digest"]
        assert flat_state(state) == case["flat"]


def test_exit_codes() -> None:
    for case in VECTORS["exit_code"]["into_pair"]:
        code = exit_code(case["exit"])
        assert code.pair == tuple(case["pair"])
        assert code.expects_output == case["expects_output"]
        assert code.is_ok == case["is_ok"]
    for case in VECTORS["exit_code"]["from_pair"]:
        if case["exit"] == "error":
            with pytest.raises(VerificationError) as caught:
                ExitCode.from_pair(*case["pair"])
            assert caught.value.reason is Reason.EXIT_CODE
        else:
            assert ExitCode.from_pair(*case["pair"]) == exit_code(case["exit"])


def test_ok_and_paused_claims() -> None:
    for case in VECTORS["receipt_claim_ok"]:
        image_id, journal = hexed(case["image_id"]), hexed(case["journal"])
        claim = ReceiptClaim.ok(image_id, journal)
        assert claim.digest().hex() == case["ok_digest"]
        assert claim.post.digest().hex() == case["post_digest"]
        assert Output(journal).digest().hex() == case["output_digest"]
        by_digest = Pruned(hexed(case["journal_digest"]))
        assert ReceiptClaim.ok(image_id, by_digest).digest().hex() == case["ok_digest"]
        assert ReceiptClaim.paused(image_id, journal).digest().hex() == case["paused_digest"]


def output_of(kind: str) -> Output | None:
    if kind == "none":
        return None
    count = int(kind.split(",")[1].split()[0])
    return Output(JOURNAL, Assumptions(tuple(assumption(i) for i in range(count))))


def test_claims_with_opened_fields_and_flat_words() -> None:
    for case in VECTORS["receipt_claim"]["claims"]:
        states = [case["pre_state"], case["post_state"]]
        pre, post = (SystemState(s["pc"], hexed(s["merkle_root"])) for s in states)
        output = output_of(case["output_kind"])
        code = exit_code(case["exit"])
        claim = ReceiptClaim(pre, post, code, pruned(case["input"]), output)
        assert pre.digest().hex() == case["pre"]
        assert post.digest().hex() == case["post"]
        assert claim.digest().hex() == case["digest"]
        assert flat_claim(claim) == case["flat"]
        assert claim_from_flat(case["flat"]).digest().hex() == case["decoded_digest"]


def test_assumption_lists() -> None:
    for number, case in enumerate(VECTORS["assumptions"]["lists"]):
        items = tuple(assumption(i) for i in range(number))
        for item, plain in zip(items, case["assumptions"], strict=True):
            assert item.digest().hex() == plain["digest"]
        remaining = Assumptions(items)
        assert remaining.digest().hex() == case["list_digest"]
        assert Output(JOURNAL, remaining).digest().hex() == case["output_digest"]
        for step, item in zip(case["after_removing_heads"], items, strict=True):
            before = remaining.digest()
            assert step["removed"] == item.digest().hex()
            remaining = remaining.remove_head(item.digest())
            assert remaining.digest().hex() == step["list_digest"]
            assert Output(JOURNAL, remaining).digest().hex() == step["output_digest"]
            tail = hexed(step["list_digest"])
            assert remove_pruned_head(before, item.digest(), tail) == tail


def test_list_built_by_adding_has_the_latest_first() -> None:
    built = Assumptions().add(assumption(1)).add(assumption(0))
    assert built == Assumptions((assumption(0), assumption(1)))


def test_assumption_list_errors() -> None:
    two = Assumptions((assumption(0), assumption(1)))
    with pytest.raises(VerificationError) as caught:
        two.remove_head(assumption(1).digest())
    assert caught.value.reason is Reason.ASSUMPTIONS
    with pytest.raises(VerificationError) as caught:
        Assumptions().remove_head(assumption(0).digest())
    assert caught.value.reason is Reason.ASSUMPTIONS
    with pytest.raises(VerificationError) as caught:
        remove_pruned_head(two.digest(), assumption(0).digest(), ZERO)
    assert caught.value.reason is Reason.ASSUMPTIONS


def test_joins() -> None:
    for case in VECTORS["join"]:
        left, right = pruned_claim(case["left"]), pruned_claim(case["right"])
        assert join(left, right) == pruned_claim(case["joined"])


def test_chain_joins_to_the_same_claim_in_any_grouping() -> None:
    first, second = (pruned_claim(VECTORS["join"][0][side]) for side in ("left", "right"))
    third = pruned_claim(VECTORS["join"][1]["right"])
    assert join_all([first, second, third]) == join(first, join(second, third))


def test_resolution_down_to_the_unconditional_claim() -> None:
    items = tuple(assumption(i) for i in range(3))
    steps = VECTORS["resolve"]["steps"]
    image = Pruned(hexed(steps[0]["conditional"]["pre"]))
    ok = ReceiptClaim.ok(image.value, JOURNAL)
    claim = ReceiptClaim(ok.pre, ok.post, ok.exit_code, None, Output(JOURNAL, Assumptions(items)))
    for step, item in zip(steps, items, strict=True):
        assert claim.digest().hex() == step["conditional"]["digest"]
        assert item.claim.hex() == step["assumption_claim"]
        assert item.control_root.hex() == step["head_control_root"]
        claim = resolve(claim, item)
        assert claim.digest().hex() == step["resolved"]["digest"]
    assert VECTORS["resolve"]["fully_resolved_equals_ok"]
    assert claim == ok
    with pytest.raises(VerificationError, match="no assumption is left"):
        resolve(claim, items[0])


def test_unions() -> None:
    data = VECTORS["union"]
    leaf_root, union_root = hexed(data["keccak_root"]), hexed(data["allowed_root"])
    for case in data["mountain_range"]:
        leaves = [Assumption(sha(f"k{i}"), leaf_root) for i in range(case["leaves"])]
        root = union_of_all(leaves, union_root)
        assert root.claim.hex() == case["claim"]
        assert root.control_root.hex() == case["control_root"]
        assert root.digest().hex() == case["assumption_digest"]
    with pytest.raises(ValueError, match="no assumptions"):
        union_of_all([], union_root)


def test_union_order_is_that_of_words() -> None:
    for case in VECTORS["union"]["ordering"]:
        a, b = hexed(case["a"]), hexed(case["b"])
        order = {"less": -1, "equal": 0, "greater": 1}[case["a_vs_b"]]
        keys = digest_order(a), digest_order(b)
        assert (keys[0] > keys[1]) - (keys[0] < keys[1]) == order
        left, right = sorted((a, b), key=digest_order)
        if "union_digest" in case:
            assert UnionClaim(left, right).digest().hex() == case["union_digest"]
    first, second = assumption(0), assumption(1)
    assert UnionClaim.of(first, second) == UnionClaim.of(second, first)

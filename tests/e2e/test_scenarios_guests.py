"""Scenarios A, B and C: guests that fail, requests that cannot be met, receipts that are rested on."""

import importlib.util
import json
import shutil
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from localbento import api
from localbento.circuits.rv32im.public import SegmentStatement, public_values
from localbento.claim.assumption import Assumption, Assumptions
from localbento.claim.claim import Output, ReceiptClaim
from localbento.errors import GuestError, ProvingError, UsageError, VerificationError
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.service.home import Home
from localbento.service.taskdb.rows import TaskState
from localbento.tasks import execute as execute_task

ROOT = Path(__file__).parents[2]
GUESTS = ROOT / "fixtures/guests"
SEED = b"a secret of at least thirty-two bytes"
FIBONACCI_CYCLES = 102_024
MANY = """
#include "bento.h"
int main(void) {
    static u32 image_id[8], journal[64];
    for (u32 count = bento_read_u32(); count > 0; count--) {
        bento_read_exactly(image_id, 32);
        u32 length = bento_read_u32();
        if (length > sizeof journal) bento_panic("the journal is too long");
        bento_read_exactly(journal, length);
        bento_verify((const u8 *)image_id, journal, length);
    }
    return 0;
}
"""


def guest(name):
    return (GUESTS / name / f"{name}.elf").read_bytes()


def stdin(name):
    path = GUESTS / name / "input.bin"
    return path.read_bytes() if path.exists() else b""


def image_id(name):
    return bytes.fromhex((GUESTS / name / "image_id.txt").read_text().strip())


def journal(name):
    return (GUESTS / name / "journal.bin").read_bytes()


def prove(tmp_path, name, **options):
    return api.prove_program(guest(name), stdin(name), home=tmp_path / "home", jobs=2, **options)


def tasks(tmp_path):
    with Home(tmp_path / "home") as home:
        (job,) = home.db.list_jobs()
        return {t.task_id: t for t in home.db.get_tasks(job.id)}


def forged(statement=None):
    """A receipt of the right form that proves nothing."""
    output = Output(b"", Assumptions(())).digest()
    words = struct.unpack("<8I", output)
    end = SegmentStatement((1,) * 8, (2,) * 8, (0,) * 8, terminated=True, output=words)
    return api.Receipt(
        CompositeReceipt((SegmentReceipt(1, public_values(statement or end), b"x" * 4000),), b"", (), ())
    )


def test_c1_a_panic_says_what_the_guest_said(tmp_path):
    with pytest.raises(GuestError, match=r"^guest panicked: the guest was told to panic$"):
        prove(tmp_path, "panic")
    init = tasks(tmp_path)["init"]
    assert (init.state, init.error_class, init.error) == (
        TaskState.FAILED, "GuestError", "guest panicked: the guest was told to panic",
    )  # fmt: skip


@pytest.mark.parametrize(("name", "end"), [("exit", r"Halted\(7\)"), ("pause", r"Paused\(3\)")])
def test_c2_c3a_another_end_than_halted_0_fails_right_after_execution(tmp_path, name, end):
    with pytest.raises(GuestError, match=f"the guest ended with {end}, not with .*--allow-exit proves that, too"):
        prove(tmp_path, name)
    found = tasks(tmp_path)
    assert found["init"].state is TaskState.FAILED
    assert {t.state for task, t in found.items() if task != "init"} == {TaskState.CANCELLED}
    assert all(t.attempt == 0 for task, t in found.items() if task != "init"), "nothing was proved"


def test_c3b_a_guest_without_output_has_no_journal():
    assert api.execute(guest("bare")).journal is None


def test_c9_no_input_is_an_end_of_file():
    run = api.execute(guest("echo"), b"")
    assert run.journal is not None
    assert run.exit_code.is_ok


def test_c14_the_cycle_limit_is_exact(tmp_path):
    run = api.execute(guest("fibonacci"), stdin("fibonacci"), max_cycles=FIBONACCI_CYCLES)
    assert run.cycles.user == FIBONACCI_CYCLES
    limit = FIBONACCI_CYCLES - 10
    line = f"cycle limit: {limit} user cycles are used up"
    with pytest.raises(GuestError, match=line):
        api.execute(guest("fibonacci"), stdin("fibonacci"), max_cycles=limit)
    with pytest.raises(GuestError, match=line):
        prove(tmp_path, "fibonacci", max_cycles=limit)
    found = tasks(tmp_path)
    assert found["init"].error_class == "GuestError"
    assert {t.state for task, t in found.items() if task != "init"} <= {TaskState.CANCELLED, TaskState.DONE}


def test_c16_a_limit_of_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="max_cycles: expected 1 or more, found 0"):
        api.execute(guest("hello"), max_cycles=0)
    for name in ("max_cycles", "segment_size", "memory_bytes"):
        with pytest.raises(UsageError, match=f"{name}: expected 1 or more, found 0"):
            prove(tmp_path, "hello", **{name: 0})
    assert not (tmp_path / "home").exists()


# -- receipts that a guest rests on


def test_b5_a_claim_that_nobody_proved_is_named(tmp_path):
    claim = ReceiptClaim.ok(image_id("hello"), journal("hello")).digest()
    with pytest.raises(GuestError, match=f"no assumption for claim {claim.hex()}"):
        prove(tmp_path, "verify")


def test_b9_a_receipt_that_proves_nothing_is_refused_before_anything_is_executed(tmp_path):
    with pytest.raises(VerificationError) as caught:
        api.execute(guest("verify"), stdin("verify"), assumptions=[forged()])
    reason = caught.value.reason
    with pytest.raises(VerificationError) as caught:
        prove(tmp_path, "verify", assumptions=[forged()])
    assert caught.value.reason is reason
    with Home(tmp_path / "home") as home:
        assert home.db.list_jobs() == []
        assert list(home.store.all_objects()) == []


@pytest.mark.parametrize("content", [None, b"", b"junk", b"R0BF" * 20])
def test_b6_b7_what_is_no_receipt_is_refused_at_once(tmp_path, content):
    path = tmp_path / "receipt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError if content is None else VerificationError):
        api.Receipt.load(path)


def carried(monkeypatch, used, offered):
    """What `receipts_for` takes of receipts that stand for their claims."""
    monkeypatch.setattr(execute_task, "assumption_of", Assumption)
    return execute_task.receipts_for([Assumption(claim) for claim in used], offered)


A, B, C = (bytes([i]) * 32 for i in (1, 2, 3))


@pytest.mark.parametrize(
    ("used", "offered", "wanted"),
    [
        ([B, A], [A, B], (B, A)),  # B2: in the order of the list, whatever the order of the request
        ([B, A], [B, A], (B, A)),
        ([A, A], [A], (A,)),  # B3: verified twice, carried once
        ([A, B, A], [A, B], (A, B)),
        ([A], [A, C], (A,)),  # B4: what is not used does not travel
        ([], [A], ()),
        ([A], [A, A], (A,)),
    ],
)
def test_b2_b3_b4_which_receipts_travel(monkeypatch, used, offered, wanted):
    assert carried(monkeypatch, used, offered) == wanted


def test_b5_a_missing_receipt_is_named_when_the_receipt_is_put_together(monkeypatch):
    with pytest.raises(ProvingError, match=f"no receipt for the assumed claim {B.hex()}; give it with --assumption"):
        carried(monkeypatch, [A, B], [A])


def built(folder):
    """The guest that verifies many claims, compiled as fixtures are."""
    if not (shutil.which("clang") and shutil.which("ld.lld")):
        pytest.skip("needs clang and lld")
    spec = importlib.util.spec_from_file_location("fixtures_build", ROOT / "fixtures/build.py")
    build = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = build
    spec.loader.exec_module(build)
    (folder / "many.c").write_text(MANY)
    build.build_guest(build.Guest("many", folder, folder / "many.c"), folder / "many.elf")
    return (folder / "many.elf").read_bytes()


@pytest.mark.prove
def test_b1_to_b4_and_b9_with_real_receipts(tmp_path):
    """Two claims, one of them twice; a third receipt that is not needed; and a receipt with a flipped bit."""
    names = ["hello", "secret", "hello"]
    asked = struct.pack("<I", len(names))
    for name in names:
        asked += image_id(name) + struct.pack("<I", len(journal(name))) + journal(name)
    hello, secret = (api.prove_program(guest(name), stdin(name), seed=SEED).receipt for name in names[:2])
    program = built(tmp_path)
    home = tmp_path / "home"
    made = api.prove_program(program, asked, assumptions=[hello, secret], seed=SEED, home=home)
    assert made.receipt.verify(api.image_id(program)).claim.digest() == made.claim_digest
    composite = made.receipt.composite
    claims = [ReceiptClaim.ok(image_id(name), journal(name)).digest() for name in names]
    assert [a.claim for a in composite.assumptions] == claims[::-1]  # the last one first, twice the same twice
    assert [r.journal for r in composite.receipts] == [journal("hello"), journal("secret")]
    seal = bytearray(hello.composite.segments[0].seal)
    seal[len(seal) // 2] ^= 1
    bad = replace(hello.composite, segments=(replace(hello.composite.segments[0], seal=bytes(seal)),))
    with pytest.raises(VerificationError):
        api.prove_program(program, asked, assumptions=[api.Receipt(bad), secret], seed=SEED, home=home)
    assert len(api.list_jobs(home=home)) == 1


@pytest.mark.prove
def test_c3c_a7_nothing_committed_and_what_was_printed(tmp_path):
    """A guest that commits nothing has an empty journal; what a guest prints is kept."""
    home = tmp_path / "home"
    made = api.prove_program(built(tmp_path), struct.pack("<I", 0), home=home, seed=SEED)
    assert made.receipt.journal == b""
    assert made.receipt.verify(made.image_id, journal=b"").claim.exit_code.is_ok
    run = json.loads((GUESTS / "environment/run.json").read_text())
    made = api.prove_program(
        guest("environment"), stdin("environment"), env=run.get("env", {}), args=run.get("args", []), home=home
    )
    from localbento.api.jobs import guest_output

    assert guest_output(made.job, home=home)

"""Every fixture guest and compliance program is proved and verified: journal and claim are those of the execution."""

import json
from pathlib import Path

import pytest

from localbento import api
from localbento.claim.claim import ReceiptClaim

ROOT = Path(__file__).parents[2]
GUESTS = ROOT / "fixtures/guests"
COMPLIANCE = sorted((ROOT / "fixtures/compliance").glob("*.elf"))
SAMPLE = {"ecall", "fence", "divrem", "div", "mulhsu", "lb", "sra", "jalr"}
LARGE = {"ecdsa", "rsa"}
SEED = b"a secret of at least thirty-two bytes"


def run_of(folder):
    path = folder / "run.json"
    return json.loads(path.read_text()) if path.exists() else {}


def provable(folder):
    return "panic" not in run_of(folder) and folder.name not in {
        "bigint2_call", "keccak_call", "poseidon2_call", "verify",
    }  # fmt: skip


NAMES = sorted(folder.name for folder in GUESTS.iterdir() if folder.is_dir() and provable(folder))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.release if n in LARGE else pytest.mark.prove) for n in NAMES]
)
def test_guest(name):
    folder = GUESTS / name
    run = run_of(folder)
    stdin = (folder / "input.bin").read_bytes() if (folder / "input.bin").exists() else b""
    options = {"env": run.get("env", {}), "args": run.get("args", []), "allow_exit": True}
    made = api.prove_program((folder / f"{name}.elf").read_bytes(), stdin, seed=SEED, **options)
    wanted = bytes.fromhex((folder / "image_id.txt").read_text().strip())
    verified = made.receipt.verify(wanted, allow_exit=True)
    assert (verified.journal or b"") == (folder / "journal.bin").read_bytes()
    assert verified.claim.exit_code.pair == (int(bool(run.get("paused"))), run.get("exit_code", 0))
    assert verified.provable_bits >= 100
    if verified.claim.exit_code.is_ok:
        assert verified.claim.digest() == ReceiptClaim.ok(wanted, verified.journal).digest()


@pytest.mark.parametrize(
    "elf",
    [
        pytest.param(p, id=p.stem, marks=pytest.mark.prove if p.stem in SAMPLE else pytest.mark.release)
        for p in COMPLIANCE
    ],
)
def test_compliance_program(elf):
    program = elf.read_bytes()
    made = api.prove_program(program, seed=SEED)
    assert made.receipt.verify(api.image_id(program)).claim.exit_code.is_ok


def test_the_sample_exists():
    assert len(SAMPLE & {p.stem for p in COMPLIANCE}) >= 6

"""What `--json` prints is what docs/schemas says: every command that has the option, on real output."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from jsonschema import Draft202012Validator
from jsonschema_of import check, schemas, validator

from localbento.api.calibration import keep_calibration
from localbento.cli.__main__ import app

ROOT = Path(__file__).parents[2]
GUESTS = ROOT / "fixtures/guests"
BENTO = [sys.executable, "-m", "localbento.cli"]
HELLO = GUESTS / "hello/hello.elf"

SCHEMA_OF = {
    "bench execute": "bench-execute", "bench kernels": "bench-kernels", "bench prove": "bench-prove",
    "bench stark": "bench-stark", "df": "df", "doctor": "doctor", "estimate": "estimate", "execute": "execute",
    "gc": "gc", "image add": "image-add", "image list": "image-list", "image-id": "image-id",
    "inspect chip": "inspect-chip", "inspect segment": "inspect-segment", "jobs cancel": "jobs-cancel",
    "jobs delete": "jobs-delete", "jobs list": "jobs-list", "jobs logs": "jobs-logs", "jobs resume": "prove",
    "jobs retry": "prove", "jobs show": "status-job", "prove": "prove", "receipt show": "receipt-show",
    "security": "security", "status": "status", "verify": "verify",
}  # fmt: skip
"""Commands with `--json`; `status JOB` has status-job.json beside it, `prove --detach` has prove-detach.json.

`receipt convert` writes what receipt.json says; its own tests hold it to that.
"""


def commands(command, path=""):
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}".strip())
    if any("--json" in parameter.opts for parameter in command.params):
        yield path


def bento(*args, home, cwd=None):
    env = {**os.environ, "BENTO_HOME": str(home)}
    result = subprocess.run([*BENTO, *map(str, args)], capture_output=True, cwd=cwd, env=env, check=False)
    assert result.returncode == 0, result.stderr.decode()
    (line,) = result.stdout.decode().splitlines()
    return json.loads(line)


def test_every_command_that_has_the_option_has_a_schema():
    assert sorted(commands(typer.main.get_command(app))) == sorted(SCHEMA_OF)
    assert set(SCHEMA_OF.values()) | {"common", "status-job", "prove-detach", "receipt"} == set(schemas())


@pytest.mark.parametrize("name", sorted(schemas()))
def test_schemas_are_sound(name):
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:localbento:schema:{name}"
    assert schema["title"]


@pytest.mark.parametrize("name", sorted(set(schemas()) - {"common"}))
def test_schemas_refuse_what_is_something_else(name):
    for wrong in ({}, {"unknown": 1}, [], None):
        assert not validator(name).is_valid(wrong)


@pytest.mark.parametrize(
    ("args", "schema"),
    [
        (["image-id", HELLO], "image-id"),
        (["execute", HELLO], "execute"),
        (["execute", GUESTS / "fibonacci/fibonacci.elf", "--input", GUESTS / "fibonacci/input.bin"], "execute"),
        (["image", "add", HELLO, "--name", "家"], "image-add"),
        (["image", "list"], "image-list"),
        (["inspect", "chip"], "inspect-chip"),
        (["inspect", "chip", "branch"], "inspect-chip"),
        (["security"], "security"),
        (["doctor", "--quick"], "doctor"),
        (["estimate", HELLO], "estimate"),
        (["df"], "df"),
    ],
)
def test_real_output(tmp_path_factory, args, schema):
    home = tmp_path_factory.getbasetemp() / "schemas-home"
    keep_calibration(home, {"poseidon2_ns": 200.0, "lde_ns_per_cell": 2.0, "warm_start_seconds": 1.0})
    check(schema, bento(*args, "--json", home=home))


def test_a_schema_notices_a_missing_and_a_strange_field(tmp_path):
    found = bento("execute", HELLO, "--json", home=tmp_path)
    for changed in (
        {**found, "more": 1},
        {k: v for k, v in found.items() if k != "journal"},
        {**found, "image_id": "zz"},
    ):
        assert not validator("execute").is_valid(changed)


@pytest.mark.prove
def test_real_proofs(tmp_path):
    home = tmp_path / "home"
    made = bento("prove", HELLO, "--json", "--quiet", home=home, cwd=tmp_path)
    check("prove", made)
    check("prove", bento("jobs", "resume", made["job"], "--json", "--quiet", home=home, cwd=tmp_path))
    receipt, job = tmp_path / "hello.receipt", made["job"]
    check("verify", bento("verify", receipt, "--image-id", made["image_id"], "--json", home=home))
    check("receipt-show", bento("receipt", "show", receipt, "--json", home=home))
    check("status-job", bento("jobs", "show", job, "--json", home=home))
    check("jobs-logs", bento("jobs", "logs", job, "--json", home=home))
    check("status", bento("status", "--json", home=home))
    check("df", bento("df", "--json", home=home))
    segments = tmp_path / "segments"
    bento("execute", HELLO, "--segments", segments, "--json", home=home)
    check("inspect-segment", bento("inspect", "segment", next(segments.iterdir()), "--json", home=home))
    check("prove-detach", bento("prove", HELLO, "--detach", "--json", home=home, cwd=tmp_path))


@pytest.mark.prove
def test_real_figures(tmp_path):
    check("bench-execute", bento("bench", "execute", HELLO, "--json", home=tmp_path))
    check("bench-stark", bento("bench", "stark", "--log-rows", "12", "--columns", "60", "--json", home=tmp_path))
    check("bench-prove", bento("bench", "prove", HELLO, "--json", home=tmp_path))


@pytest.mark.release
def test_real_kernels(tmp_path):
    check("bench-kernels", bento("bench", "kernels", "--json", home=tmp_path))
    check("doctor", bento("doctor", "--json", home=tmp_path))

"""The shape of the code: a closed room around the verifier, files that fit a screen or two, docs that are fresh."""

import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 500


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_verifying_imports_no_prover_compiler_database_or_process():
    out = run(
        "import sys, localbento.receipt.verify\n"
        "print([m for m in ('numba', 'llvmlite', 'localbento_kernels', 'sqlite3', 'subprocess', "
        "'multiprocessing', 'localbento.stark.prover', 'localbento.executor') if m in sys.modules])"
    )
    assert out.strip() == "[]"


def test_importing_the_package_is_light():
    out = run("import sys, localbento; print([m for m in ('numpy', 'typer', 'numba', 'msgpack') if m in sys.modules])")
    assert out.strip() == "[]"


def test_no_file_is_longer_than_a_reader_can_hold():
    files = [p for base in ("src", "kernels") for p in (ROOT / base).rglob("*.py")]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > LONGEST_FILE}
    assert long == {}


def test_generated_pages_are_fresh():
    stale = runpy.run_path(str(ROOT / "docs" / "generate.py"))["stale"]()
    assert stale == [], "run python docs/generate.py"

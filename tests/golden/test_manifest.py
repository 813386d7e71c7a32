"""The fixtures are the ones that MANIFEST.json lists."""

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures"
MANIFEST = json.loads((FIXTURES / "MANIFEST.json").read_text())


@pytest.mark.parametrize("path", sorted(MANIFEST))
def test_file_has_the_listed_hash(path: str) -> None:
    found = hashlib.sha256((FIXTURES / path).read_bytes()).hexdigest()
    assert found == MANIFEST[path]["sha256"], f"{path} changed; run python fixtures/manifest.py"
    assert MANIFEST[path]["made_by"]


def test_every_vector_file_is_listed() -> None:
    present = {f"vectors/{path.name}" for path in (FIXTURES / "vectors").iterdir()}
    assert present == {path for path in MANIFEST if path.startswith("vectors/")}


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("manifest", FIXTURES / "manifest.py")
    assert spec is not None
    assert spec.loader is not None
    manifest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(manifest)
    manifest.ROOT, manifest.MANIFEST = tmp_path, tmp_path / "MANIFEST.json"
    (tmp_path / "a").write_bytes(b"1")
    manifest.write({"a": {"made_by": "hand", "sha256": manifest.sha256("a")}})
    assert manifest.differences() == []
    (tmp_path / "a").write_bytes(b"2")
    assert len(manifest.differences()) == 1
    (tmp_path / "a").unlink()
    assert manifest.differences() == ["a: listed, but not there"]

"""Verify many receipts of one program, and make a table of what they prove.

python docs/examples/read_receipts.py IMAGE_ID RECEIPT...     prints CSV; exit code 4 if one is refused
"""

import csv
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import localbento
from localbento.errors import LocalBentoError, VerificationError


def check(image_id: bytes, path: Path) -> dict[str, str]:
    """One line of the table: what the receipt proves, or why it proves nothing."""
    try:
        verified = localbento.Receipt.load(path).verify(image_id)
    except VerificationError as error:
        return {"file": path.name, "verdict": error.reason.value}
    except LocalBentoError as error:
        return {"file": path.name, "verdict": str(error)}
    return {
        "file": path.name,
        "verdict": "ok",
        "journal": "" if verified.journal is None else verified.journal.hex(),
        "segments": str(verified.segments),
        "bits": f"{verified.provable_bits:.1f}",
    }


def main(image_id: bytes, paths: Iterable[Path]) -> int:
    """Verify on all cores: a verifier is one process, and needs no compiler."""
    names = list(paths)
    with ProcessPoolExecutor() as pool:
        rows = list(pool.map(check, [image_id] * len(names), names))
    table = csv.DictWriter(sys.stdout, ["file", "verdict", "journal", "segments", "bits"], restval="")
    table.writeheader()
    table.writerows(rows)
    return 0 if all(row["verdict"] == "ok" for row in rows) else VerificationError.exit_code


if __name__ == "__main__":
    sys.exit(main(bytes.fromhex(sys.argv[1]), map(Path, sys.argv[2:])))

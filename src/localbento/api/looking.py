"""Looking at things: receipts, chips, segments, the security table."""

from typing import Any

from localbento.api.results import exit_code_json, hex_or_none
from localbento.errors import UsageError


def show_receipt(data: bytes) -> dict[str, Any]:
    """What a receipt says; the fields of `bento receipt show --json`.  No proof in it is verified.

    Raises: VerificationError if it is no receipt.
    """
    from localbento.receipt.encoding import KIND, VERSION, decode
    from localbento.receipt.verify import stated_claim
    from localbento.stark.params import S100

    receipt = decode(data)
    claim, bits = stated_claim(receipt)
    return {
        "kind": KIND,
        "version": VERSION,
        "image_id": claim.pre.digest().hex(),
        "exit_code": exit_code_json(claim.exit_code),
        "journal": hex_or_none(receipt.journal),
        "claim_digest": claim.digest().hex(),
        "segments": len(receipt.segments),
        "profiles": [s.profile for s in receipt.segments],
        "parameters": S100.name,
        "provable_bits": bits,
        "receipt_bytes": len(data),
        "assumptions": [a.claim.hex() for a in receipt.assumptions],
    }


def chips() -> list[dict[str, Any]]:
    """Names of the machine's chips with their sizes: `bento inspect chip --json`."""
    from localbento.air.describe import cells_per_row
    from localbento.circuits.rv32im.machine import CHIPS, recorded

    return [
        {"name": chip.name, "columns": chip.width, "messages": len(chip.messages), "cells": cells_per_row(chip, 4)}
        for chip in (recorded(name) for name in CHIPS)
    ]


def list_chips() -> str:
    """The same for a person, a line each."""
    return "\n".join(
        f"{chip['name']:14} {chip['columns']:4} columns {chip['messages']:3} messages {chip['cells']:4} cells"
        for chip in chips()
    )


def describe_chip(name: str) -> str:
    """A chip's page: what it states, columns, equations, traffic.

    Raises: UsageError if there is no such chip.
    """
    import inspect

    from localbento.air.describe import describe
    from localbento.circuits.rv32im.machine import CHIPS, recorded

    if name not in CHIPS:
        msg = f"chip: expected one of {', '.join(CHIPS)}, found {name!r}"
        raise UsageError(msg)
    chip = recorded(name)
    return f"# {name}\n\n{inspect.getdoc(chip.chip) or ''}\n\n{describe(chip)}"


def inspect_segment(data: bytes) -> str:
    """Run the plain checker on a segment: what fails, where, at which instruction."""
    from localbento.tasks.check import check_segment

    return check_segment(data)


def security() -> dict[str, Any]:
    """Parameter sets, and the bits of every error term for every profile: `bento security --json`."""
    from localbento.tasks.security import security_report

    return security_report()


def security_table() -> str:
    """The same for a person."""
    from localbento.tasks.security import security_text

    return security_text()


def export_circuit(profile: int) -> dict[str, Any]:
    """A profile's circuit as plain data, for an independent verifier (docs/protocol.md, "Export")."""
    from localbento.circuits.rv32im.keys import verifying_key
    from localbento.stark.keygen import export_circuit as export

    return export(verifying_key(profile))

"""Prove a guest, keep the receipt, verify it as somebody would who has only the file and the image ID.

python docs/examples/prove_and_verify.py [GUEST [INPUT]]
"""

import sys
from pathlib import Path

import localbento
from localbento.errors import VerificationError

SECRET = Path(__file__).parents[2] / "fixtures/guests/secret"


def main(guest: Path, source: Path) -> None:
    """Prove `guest` on the bytes of `source`."""
    program = guest.read_bytes()
    receipt = localbento.prove(program, source.read_bytes())
    receipt.save("example.receipt")

    image_id = localbento.image_id(program)
    verified = localbento.Receipt.load("example.receipt").verify(image_id)
    print(f"{guest.name} ended with {verified.claim.exit_code}, {verified.provable_bits:.0f} bits")
    print("journal", (verified.journal or b"").hex())

    another = bytes(32)
    try:
        receipt.verify(another)
    except VerificationError as error:
        print("another program is refused:", error.reason.value)


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    main(*(given + [SECRET / "secret.elf", SECRET / "input.bin"][len(given) :]))

"""The command `bento` with jobs of toy tasks: for signals, pipes and processes, without the cost of proofs.

python toy_bento.py prove PROGRAM.json ...     a program as in toy_tasks; the receipt is no real one
"""

import toy_job
from toy_tasks import TOY_KINDS


class ToyReceipt:
    """Bytes in the place of a receipt."""

    journal = b""

    def __init__(self, data):
        self.data = data

    def to_bytes(self):
        return self.data


def main():
    from localbento.api.results import Receipt
    from localbento.cli.__main__ import main as bento
    from localbento.service.engine import Engine

    toy_job.lease()
    Engine.__init__.__defaults__ = (TOY_KINDS,)
    Receipt.from_bytes = staticmethod(ToyReceipt)
    bento()


if __name__ == "__main__":
    main()

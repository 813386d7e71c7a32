"""Nothing to verify but the length."""

import json

from localbento.errors import ProvingError
from localbento.tasks.outcome import Outcome
from toy_tasks.trouble import strike


def run(receipt, session, *, first, step, progress):
    progress("verify")
    strike(json.loads(session), "verify", first)
    if len(receipt) != 11 + 1600 * json.loads(session)["segments"]:
        msg = "the finished receipt does not verify"
        raise ProvingError(msg)
    return Outcome({}, {"claim_digest": "00" * 32, "provable_bits": 100.0})

"""Segments that are hashes of the input, the secret and their number."""

import hashlib
import json
import time

from localbento.errors import GuestError, UsageError
from localbento.tasks.outcome import Outcome
from toy_tasks.trouble import strike


def run(
    program,
    stdin,
    secret,
    assumption=(),
    *,
    env,
    args,
    segment_size,
    max_cycles,
    allow_exit,
    memory_bytes,
    threads,
    progress,
    emit,
    log,
):
    progress("execute")
    try:
        wanted = json.loads(program.removeprefix(b"R0BF"))  # which the command looks for
    except ValueError:
        msg = "guest: expected JSON, found something else"
        raise UsageError(msg) from None
    for index in range(wanted["segments"]):
        time.sleep(wanted.get("execute_seconds", 0.0))
        strike(wanted, "execute", index)
        log(b"segment %d\n" % index)
        body = hashlib.sha256(stdin + secret + index.to_bytes(4, "little")).digest() * 100
        options = json.dumps({"index": index, **wanted}).encode()
        facts = {
            "index": index,
            "cycles": 1000,
            "profile": "toy",
            "memory_bytes": _of(wanted.get("memory_bytes", 1000), index),
            "cells": _of(wanted.get("cells", 100_000), index),
            "last": index == wanted["segments"] - 1,
        }
        emit(body + options, facts)
        if index == wanted.get("panic_at"):
            msg = f"guest panicked: at segment {index}"
            raise GuestError(msg)
    session = json.dumps({"segments": wanted["segments"], "trouble": wanted.get("trouble")}).encode()
    facts = {
        "image_id": hashlib.sha256(program).hexdigest(),
        "exit_code": [0, 0],
        "segments": wanted["segments"],
        "cycles": 1000 * wanted["segments"],
        "seconds": 0.0,
    }
    return Outcome({"session": session}, facts)


def _of(given, index):
    """One value for all segments, or one for each."""
    return given[index] if isinstance(given, list) else given

"""Tasks of a job without mathematics: for what the service does around them, quickly and hundreds of times.

The program is JSON: `segments`, and what should go wrong.  A "proof" is a hash of segment and secret, so that a
receipt's bytes tell whether every task saw what it should.
"""

from dataclasses import replace

from localbento.service.kinds import KINDS

TOY_KINDS = {name: replace(kind, module=f"toy_tasks.{name}") if kind.module else kind for name, kind in KINDS.items()}

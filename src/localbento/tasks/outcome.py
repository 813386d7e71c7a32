"""What a task hands back: objects for the store, and facts for the task database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Emit = Callable[[bytes, Mapping[str, Any]], None]
"""Hands on an object while the task goes on, with facts about it; returns when there is room for the next."""
Log = Callable[[bytes], None]
"""Takes what the guest prints."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`objects` by role, as bytes; `facts` are JSON values."""

    objects: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

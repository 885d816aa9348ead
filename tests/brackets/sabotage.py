"""Deliberate defects, to see that the witness would notice: a desk with one of them must fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from orders import covering, exposing, protecting
from orders.states import Submission

# What is broken, and in place of what.
MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "the alarm is never raised": (exposing, "_alarm", lambda *a, **k: None),
    "the sibling is not cancelled": (protecting, "_cancels", lambda *a, **k: []),
    "a leg in doubt is let out again": (covering, "IN_FLIGHT", frozenset({Submission.SENDING})),
}

# A trial in which it shows.
SEEDS: dict[str, tuple[int, ...]] = {
    "the alarm is never raised": (1,),
    "the sibling is not cancelled": (5,),
    "a leg in doubt is let out again": (16,),
}


@contextmanager
def as_told(name: str) -> Iterator[None]:
    """Break the desk in one way while this lasts; not at all for no name."""
    if not name:
        yield
        return
    target, attribute, broken = MUTANTS[name]
    with patch.object(target, attribute, broken):
        yield

"""How many random examples are tried, by Hypothesis' profile, and how one leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from hypothesis import settings

# Of what is pure, of what goes through PostgreSQL, of whole days at the desk, and steps in a day.
EXAMPLES = {"quick": (25, 5, 2, 15), "deep": (50_000, 2_000, 500, 40)}

PURE, STORED, DAYS, STEPS = EXAMPLES.get(settings.get_current_profile_name(), EXAMPLES["quick"])


@contextmanager
def undone() -> Iterator[None]:
    """Take back what an example wrote: a test has one database for all of them."""
    block = transaction.atomic()
    block._from_testcase = True  # as Django's own: what must be outermost may be within it
    with block:
        yield
        transaction.set_rollback(True)

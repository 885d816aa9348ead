"""Courtesies that follow a commit, and may fail."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction


def after_commit(call: Callable[..., object], *args: object) -> None:
    """Make a call once this transaction commits, or now if there is none.

    If it fails, the failure is logged, and what was committed stands. Nothing
    may depend on it having been made.
    """
    # A lambda, because Django cannot name a partial in the log, and fails trying.
    transaction.on_commit(lambda: call(*args), robust=True)

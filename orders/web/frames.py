"""What an open page is told through its socket: JSON text, made once and sent to many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

STALE = json.dumps({"type": "stale"})  # something was left out: fetch what you show again


def hello(told: Mapping[UUID, int], *, delayed: bool, now: datetime) -> str:
    """Say from which sequence of each account on this socket leaves nothing out."""
    return _standing("hello", told, delayed=delayed, now=now)


def beat(heads: Mapping[UUID, int], *, delayed: bool, now: datetime) -> str:
    """Say how far each account has come, which the page must have heard of by the next beat."""
    return _standing("beat", heads, delayed=delayed, now=now)


def changed(
    account_id: UUID, order_id: UUID | None, *, row: str | None, after: int, sequence: int
) -> str:
    """Hand over an order's row as it now stands.

    Of an account's changes `after` was the last told before, and `sequence` is
    the last told once this is read. Without a row, the page must look itself;
    without an order, the account changed and none of its orders did.
    """
    return json.dumps(
        {
            "type": "changed",
            "account": str(account_id),
            "after": after,
            "sequence": sequence,
            "order": str(order_id) if order_id else None,
            "row": row,
        }
    )


def _standing(kind: str, sequences: Mapping[UUID, int], *, delayed: bool, now: datetime) -> str:
    return json.dumps(
        {
            "type": kind,
            "accounts": {str(account_id): sequence for account_id, sequence in sequences.items()},
            "delayed": delayed,
            "at": now.isoformat(),
        }
    )

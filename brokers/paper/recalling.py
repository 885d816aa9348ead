"""How orders looked a while ago: what a read tells that lags behind.

The exchange itself forgets nothing; this only remembers what was so within the last while, in
memory. A restart catches every lagging read up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from brokers.paper.orders import Order

KEPT = timedelta(seconds=70)  # a little more than any read may lag

Told = Mapping[str, Any]


class Memory:
    """What was so of orders, until it changed."""

    def __init__(self) -> None:
        self._until: dict[str, deque[tuple[datetime, Told | None]]] = {}
        self._changes: deque[tuple[datetime, str]] = deque()

    def note(self, order: Order, before: Told | None, *, now: datetime) -> None:
        """Keep how an order looked until now; None: until now it was not there."""
        self._until.setdefault(order.id, deque()).append((now, before))
        self._changes.append((now, order.id))
        while self._changes and self._changes[0][0] < now - KEPT:
            _, name = self._changes.popleft()
            kept = self._until[name]
            kept.popleft()
            if not kept:
                del self._until[name]

    def told(self, order: Order, *, at: datetime | None) -> Told | None:
        """Return an order as it was told at a time, or None if it was not there yet."""
        if at is not None:
            for until, before in self._until.get(order.id, ()):
                if until > at:
                    return before
        return order.told

    def changed_since(self, at: datetime) -> Iterator[str]:
        """Yield the ids of the orders that have changed after a time, the latest change first."""
        for changed_at, name in reversed(self._changes):
            if changed_at <= at:
                return
            yield name

"""Orders that are answered 504 and taken later: promises that outlive the exchange's own death.

A promise is on the ledger, with the request, before the 504 goes out. When it is due the order is
taken or refused like any other, and the ledger says which. An exchange that was down when it fell
due keeps it as soon as it runs again: nothing that is promised is ever forgotten.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.paper.amounts import read_optional, read_time, write_optional, write_time
from brokers.paper.ledger import Ledger
from brokers.paper.terms import Terms, terms_from, terms_json

PENDING, TAKEN, NEVER = "pending", "taken", "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """An order to be taken when it is due. `replaces` is the order whose place it is to take."""

    id: str
    account: str
    terms: Terms
    due: datetime
    replaces: str = ""
    filled: Decimal | None = None  # what the client knew to be filled of that one

    def json(self) -> dict[str, Any]:
        """Return the promise as the ledger has it."""
        return {
            "id": self.id,
            **terms_json(self.terms),
            "due": write_time(self.due),
            "replaces": self.replaces or None,
            "knows_filled": write_optional(self.filled),
        }


class Promises:
    """Every promise that is not kept yet."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._due: list[tuple[datetime, int, Promise]] = []  # a heap
        self._made = 0
        for line in ledger.latest("late"):
            self._made += 1
            if line.body["state"] == PENDING:
                self._push(_promise_from(line.body, account=line.account))

    def make(
        self,
        account: str,
        terms: Terms,
        *,
        due: datetime,
        replaces: str = "",
        filled: Decimal | None = None,
        now: datetime,
    ) -> Promise:
        """Promise to take an order."""
        self._made += 1
        promise = Promise(
            id=f"L-{self._made:06d}",
            account=account,
            terms=terms,
            due=due,
            replaces=replaces,
            filled=filled,
        )
        self._push(promise)
        self._record(promise, PENDING, now=now)
        return promise

    def replaces_any(self, order_ids: Iterable[str]) -> bool:
        """Say whether a promised order is to take the place of any of these."""
        return not {promise.replaces for *_, promise in self._due}.isdisjoint(order_ids)

    def take_due(self, now: datetime) -> Promise | None:
        """Return the next promise that is due, which the caller then keeps or breaks."""
        if self._due and self._due[0][0] <= now:
            return heapq.heappop(self._due)[2]
        return None

    def kept(self, promise: Promise, order_id: str, *, now: datetime) -> None:
        """Record that the order was taken."""
        self._record(promise, TAKEN, now=now, order_id=order_id)

    def broken(self, promise: Promise, code: str, *, now: datetime) -> None:
        """Record that there never was an order, and why."""
        self._record(promise, NEVER, now=now, code=code)

    def _push(self, promise: Promise) -> None:
        heapq.heappush(self._due, (promise.due, int(promise.id[2:]), promise))

    def _record(self, promise: Promise, state: str, *, now: datetime, **more: str) -> None:
        line = {**promise.json(), "state": state, "order_id": "", "code": "", **more}
        self._ledger.append("late", line, at=now, account=promise.account, name=promise.id)


def _promise_from(told: Mapping[str, Any], *, account: str) -> Promise:
    return Promise(
        id=told["id"],
        account=account,
        terms=terms_from(told),
        due=read_time(told["due"]),
        replaces=told["replaces"] or "",
        filled=read_optional(told["knows_filled"]),
    )

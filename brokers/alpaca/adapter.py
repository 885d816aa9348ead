"""An account at Alpaca, on paper or live, over its REST API.

What it answers is where the doubts are: a 200 to a change and a 204 to a cancel say that it took
the request, and nothing more. See docs/alpaca.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote as quoted

from brokers.adapter import BrokerAdapter
from brokers.alpaca import figures, listing, reading, writing
from brokers.alpaca.line import Line, each
from brokers.alpaca.terms import PASSPORT
from brokers.amounts import EXACT, ZERO
from brokers.budgeting import UNBOUNDED, Budget
from brokers.errors import Conflict, OutcomeUnknown, Refused, Unasked, Unreadable, Untrusted
from brokers.http import Answer
from brokers.messages import (
    Absent,
    Balance,
    Bar,
    Delivery,
    Fill,
    Holding,
    Instrument,
    Quote,
    Report,
    Snapshot,
    Ticket,
)
from brokers.parsing import MISSHAPEN, parse_json
from brokers.passport import Passport
from brokers.reasons import Reason
from brokers.terms import Need
from brokers.vocabulary import WITH_LEGS

NESTED = {"nested": "true"}
LARGEST_LIST = 16 * 1024 * 1024  # bytes: its assets are more than ten thousand
# What an answer must have in common with the ticket. A replacement is of the class of the order
# whose place it takes.
ESSENCE = ("wire_id", "symbol", "side", "quantity", "notional")


class AlpacaAdapter(BrokerAdapter):
    """One account at Alpaca."""

    passport: ClassVar[Passport] = PASSPORT

    def __init__(self, *, base_url: str, key: str, secret: str, budget: Budget = UNBOUNDED) -> None:
        self._line = Line(base_url=base_url, key=key, secret=secret, budget=budget)

    @classmethod
    def connect(
        cls, credentials: Mapping[str, str], base_url: str, budget: Budget = UNBOUNDED
    ) -> AlpacaAdapter:
        """Return the adapter for an account's credentials: `key` and `secret`."""
        return cls(
            base_url=base_url,
            key=credentials["key"],
            secret=credentials["secret"],
            budget=budget,
        )

    def submit(self, ticket: Ticket) -> Report:
        answer = self._line.ask(
            "POST", "/v2/orders", need=Need.ORDER, body=writing.order_json(ticket)
        )
        said = self._told(answer, ticket, *ESSENCE, "order_class")
        if ticket.position_effect not in (None, said.snapshots[0].position_effect):
            raise Conflict("It is to do something else to the position.", call=answer.call)
        return said

    def replace(
        self,
        broker_order_id: str,
        ticket: Ticket,
        *,
        filled: Decimal,
        was: Ticket | None = None,
    ) -> Report:
        if filled:
            raise Refused(
                "Nobody can say what Alpaca would trade in place of an order that has partly"
                " filled: cancel it, and place another.",
                code="partly_filled",
                reason=Reason.NOT_REPLACEABLE,
            )
        answer = self._line.ask(
            "PATCH",
            _order(broker_order_id),
            need=Need.ORDER,
            body=writing.change_json(ticket, was=was),
        )
        return self._told(answer, ticket, *ESSENCE)

    def cancel(self, broker_order_id: str) -> Report:
        answer = self._line.ask("DELETE", _order(broker_order_id), need=Need.CANCEL)
        if answer.status == 204:
            return Report(call=answer.call)
        return Report(snapshots=self._line.read(answer, _group), call=answer.call)

    def find(self, wire_id: str) -> Report | Absent:
        answer = self._line.get(
            "/v2/orders:by_client_order_id", {"client_order_id": wire_id}, need=Need.LOOK
        )
        if self._line.is_absent(answer):
            return Absent(call=answer.call)
        found = self._line.read(answer, _group)
        if found[0].wire_id != wire_id:
            raise OutcomeUnknown("The answer is about another order.", call=answer.call)
        if found[0].order_class in WITH_LEGS and len(found) == 1:
            return self.read(found[0].broker_order_id)  # only by its own id does it tell its legs
        return self._whole(found, answer)

    def read(self, broker_order_id: str) -> Report | Absent:
        answer = self._line.get(_order(broker_order_id), NESTED, need=Need.LOOK)
        if self._line.is_absent(answer):
            return Absent(call=answer.call)
        found = self._line.read(answer, _group)
        if found[0].broker_order_id != broker_order_id:
            raise OutcomeUnknown("The answer is about another order.", call=answer.call)
        return self._whole(found, answer)

    def orders_since(self, since: datetime) -> Iterator[Report]:
        for snapshots, answer in listing.orders(self._line, since):
            yield Report(snapshots=snapshots, call=answer.call)

    def executions_since(self, since: datetime) -> Iterator[Report]:
        for fills, answer in listing.trades(self._line, since=since, need=Need.LIST):
            yield Report(fills=fills, call=answer.call)

    def holdings(self) -> tuple[Holding, ...]:
        answer = self._line.get("/v2/positions", need=Need.FIGURE)
        return self._line.read(answer, lambda told: each(figures.holding, told))

    def balance(self) -> Balance:
        return self._line.read(self._line.get("/v2/account", need=Need.FIGURE), figures.balance)

    def instruments(self) -> tuple[Instrument, ...]:
        answer = self._line.ask(
            "GET",
            "/v2/assets",
            need=Need.FIGURE,
            params={"status": "active"},
            largest=LARGEST_LIST,
        )
        return self._line.read(answer, lambda told: each(figures.instrument, told))

    def quote(self, symbol: str) -> Quote | None:
        raise _no_prices(symbol)

    def bars(self, symbol: str, *, seconds: int, count: int) -> tuple[Bar, ...]:  # noqa: ARG002
        raise _no_prices(symbol)

    @staticmethod
    def verify_webhook(
        secrets: tuple[str, ...],  # noqa: ARG004 — whatever comes, it is not from there
        headers: Mapping[str, str],  # noqa: ARG004
        body: bytes,  # noqa: ARG004
        *,
        now: datetime,  # noqa: ARG004
    ) -> str:
        raise Untrusted("Alpaca sends no webhooks: it tells by its stream.")

    @classmethod
    def read_webhook(cls, body: bytes) -> Delivery:
        """Read what came over the stream: a frame of `trade_updates`, or the data of one."""
        try:
            return reading.update(parse_json(body))
        except MISSHAPEN as error:
            raise Unreadable(repr(error)) from error

    def _told(self, answer: Answer, ticket: Ticket, *in_common: str) -> Report:
        """Return the order that a write was answered with. Raises Conflict if it is another."""
        snapshots = self._line.read(answer, _group)
        if any(getattr(snapshots[0], name) != getattr(ticket, name) for name in in_common):
            raise Conflict("Alpaca answered with another order.", call=answer.call)
        return Report(snapshots=snapshots, call=answer.call)

    def _whole(self, found: tuple[Snapshot, ...], answer: Answer) -> Report:
        """Return orders with their trades, and what each of them filled itself."""
        since = self._line.read(answer, reading.came)
        fills = {
            one.broker_order_id: self._trades_of(one, since=since)
            for one in found
            if one.cumulative
        }
        return Report(
            snapshots=tuple(self._settled(one, fills) for one in found),
            fills=tuple(fill for own in fills.values() for fill in own),
            call=answer.call,
        )

    def _trades_of(self, order: Snapshot, *, since: datetime) -> tuple[Fill, ...]:
        pages = listing.trades(
            self._line, since=since, order_id=order.broker_order_id, need=Need.LOOK
        )
        return tuple(fill for page, _ in pages for fill in page)

    def _settled(self, said: Snapshot, fills: Mapping[str, tuple[Fill, ...]]) -> Snapshot:
        """Return an order with what it filled itself, where its trades prove how much that is."""
        if not reading.is_claim(said):
            return said
        traded = ZERO
        for fill in fills.get(said.broker_order_id, ()):
            traded = EXACT.add(traded, fill.quantity)
        if traded == said.cumulative:
            return reading.own(said, carried=ZERO)
        answer = self._line.get(_order(said.replaces), need=Need.LOOK)
        before = self._line.read(answer, reading.order)
        if EXACT.add(traded, before.cumulative) == said.cumulative:
            return reading.own(said, carried=before.cumulative)
        return said  # its trades lag: it is asked again until they add up


def _group(told: Any) -> tuple[Snapshot, ...]:
    found = reading.group(told)
    if not found:
        raise ValueError("no order that this desk could know")
    return found


def _order(broker_order_id: str) -> str:
    return f"/v2/orders/{quoted(broker_order_id, safe='')}"


def _no_prices(symbol: str) -> Unasked:
    return Unasked(f"Alpaca tells the price of {symbol} at another service, which is not asked.")

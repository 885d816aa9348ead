"""An account at the paper exchange, spoken to over HTTP like any other broker's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote as quoted

from brokers import http, signatures
from brokers.adapter import BrokerAdapter
from brokers.budgeting import UNBOUNDED, Budget
from brokers.classifying import Problem, Verdict, classify, is_absence, raise_for
from brokers.errors import Conflict, OutcomeUnknown, Unreadable
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
from brokers.paper import dialects, passports, translation
from brokers.paper.dialects import Dialect
from brokers.parsing import MISSHAPEN, parse_json
from brokers.passport import Passport
from brokers.vocabulary import WITH_LEGS

PAGE = "500"
MOST_PAGES = 10_000  # a list that goes on for longer is going round in circles
# What an answer must have in common with the ticket. A replacement is of the class of the order
# whose place it takes, whatever its ticket says: the exchange keeps that.
ESSENCE = ("wire_id", "symbol", "side", "quantity", "notional")
OF_A_NEW_ORDER = (*ESSENCE, "order_class", "position_effect")

Told = TypeVar("Told")


class PaperAdapter(BrokerAdapter):
    """One account at the paper exchange."""

    passport: ClassVar[Passport] = passports.PAPER
    dialect: ClassVar[Dialect] = dialects.PAPER

    def __init__(self, *, base_url: str, key: str, secret: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"X-Paper-Key": key, "X-Paper-Secret": secret}

    @classmethod
    def connect(
        cls,
        credentials: Mapping[str, str],
        base_url: str,
        budget: Budget = UNBOUNDED,  # noqa: ARG003 — it takes as many requests as there are
    ) -> PaperAdapter:
        """Return the adapter for an account's credentials: `key` and `secret`."""
        return cls(base_url=base_url, key=credentials["key"], secret=credentials["secret"])

    def submit(self, ticket: Ticket) -> Report:
        body = translation.order_json(ticket)
        return self._write("POST", "/v1/orders", body, echoes=ticket, in_common=OF_A_NEW_ORDER)

    def replace(
        self,
        broker_order_id: str,
        ticket: Ticket,
        *,
        filled: Decimal,
        was: Ticket | None = None,  # noqa: ARG002 — it is told all of the new one
    ) -> Report:
        body = {**translation.order_json(ticket), "filled_quantity": filled}
        path = f"{_order(broker_order_id)}/replace"
        return self._write("POST", path, body, echoes=ticket, in_common=ESSENCE)

    def cancel(self, broker_order_id: str) -> Report:
        return self._write("DELETE", _order(broker_order_id))

    def find(self, wire_id: str) -> Report | Absent:
        asked = {self.dialect.looks_up_by: wire_id}
        if not self.dialect.filters:
            return self._find_among_open(wire_id)
        answer = self._get("/v1/orders", asked)
        if self.dialect.declines_misses and self._is_absent(answer):
            return Absent(call=answer.call)
        found = self._read(answer, self._orders)
        if any(snapshot.wire_id != wire_id for snapshot in found):
            raise OutcomeUnknown("The list is not of the order we asked for.", call=answer.call)
        # A list tells each order for itself: only by its own id does one tell its legs.
        heads = [one for one in found if one.order_class in WITH_LEGS and not one.parent]
        legs = (leg for head in heads for leg in self._legs_of(head))
        return self._whole((*found, *legs), answer)

    def read(self, broker_order_id: str) -> Report | Absent:
        if not self.dialect.reads_by_id:
            answer = self._get("/v1/orders", {"order_ids": broker_order_id})
            found = self._read(answer, self._orders)
        else:
            answer = self._get(_order(broker_order_id))
            if self._is_absent(answer):
                return Absent(call=answer.call)
            found = self._read(answer, self._with_legs)
        if any(broker_order_id not in (one.broker_order_id, one.parent) for one in found):
            raise OutcomeUnknown("The answer is about another order.", call=answer.call)
        return self._whole(found, answer)

    def orders_since(self, since: datetime) -> Iterator[Report]:
        for snapshots, answer in self._pages("/v1/orders", self._orders, since=since):
            yield Report(snapshots=snapshots, call=answer.call)

    def executions_since(self, since: datetime) -> Iterator[Report]:
        for fills, answer in self._pages("/v1/executions", self._executions, since=since):
            yield Report(fills=fills, call=answer.call)

    def deliver_to(self, url: str, secret: str) -> None:
        """Have the exchange send this account's webhooks to an address. Raises BrokerError."""
        self._read(
            http.call(
                "PUT",
                self._base_url + "/v1/webhook",
                headers=self._headers,
                body={"url": url, "secret": secret},
            ),
            lambda told: told["url"],
        )

    def holdings(self) -> tuple[Holding, ...]:
        answer = self._get("/v1/positions")
        return self._read(answer, lambda told: _each(translation.holding, told["positions"]))

    def balance(self) -> Balance:
        return self._read(self._get("/v1/account"), translation.balance)

    def instruments(self) -> tuple[Instrument, ...]:
        answer = self._get("/v1/instruments")
        return self._read(answer, lambda told: _each(translation.instrument, told["instruments"]))

    def quote(self, symbol: str) -> Quote | None:
        answer = self._get(f"/v1/quotes/{quoted(symbol, safe='')}")
        return None if self._is_absent(answer) else self._read(answer, translation.quote)

    def bars(self, symbol: str, *, seconds: int, count: int) -> tuple[Bar, ...]:
        answer = self._get(
            f"/v1/bars/{quoted(symbol, safe='')}", {"seconds": str(seconds), "count": str(count)}
        )
        return self._read(answer, lambda told: _each(translation.bar, told["bars"]))

    @staticmethod
    def verify_webhook(
        secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        return signatures.verify(secrets, headers, body, now=now)

    @classmethod
    def read_webhook(cls, body: bytes) -> Delivery:
        try:
            return translation.delivery(parse_json(body), cls.dialect)
        except MISSHAPEN as error:
            raise Unreadable(repr(error)) from error

    def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        echoes: Ticket | None = None,
        in_common: tuple[str, ...] = (),
    ) -> Report:
        answer = http.call(method, self._base_url + path, headers=self._headers, body=body)
        snapshots = self._read(answer, self._with_legs)
        if any(getattr(snapshots[0], name) != getattr(echoes, name) for name in in_common):
            raise Conflict("The exchange answered with another order.", call=answer.call)
        return Report(snapshots=snapshots, call=answer.call)

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        return http.call("GET", self._base_url + path, headers=self._headers, params=params)

    def _read(self, answer: Answer, translate: Callable[[Any], Told]) -> Told:
        """Return what an answer says, or raise what it proves."""
        problem = self._problem(answer)
        verdict = classify(answer.status, problem, self.dialect.refusals)
        if verdict is not Verdict.ANSWERED:
            raise_for(verdict, problem, call=answer.call, dialect=self.dialect.refusals.dialect)
        try:
            return translate(answer.json())
        except MISSHAPEN as error:
            raise OutcomeUnknown(f"Unreadable answer: {error!r}", call=answer.call) from error

    def _find_among_open(self, wire_id: str) -> Report:
        """Look for our order among all that are open. That it is not there proves nothing."""
        for page, answer in self._pages("/v1/orders", self._orders, client_order_id=wire_id):
            found = tuple(snapshot for snapshot in page if snapshot.wire_id == wire_id)
            if found:
                return Report(snapshots=found, fills=self._fills_of(found), call=answer.call)
        raise OutcomeUnknown(
            "It lists open orders whatever id it is asked for. Ours may have ended.",
            call=answer.call,
        )

    def _whole(self, found: tuple[Snapshot, ...], answer: Answer) -> Report | Absent:
        """Return orders with their fills; an empty list is the broker's own word."""
        if not found:
            return Absent(call=answer.call)
        return Report(snapshots=found, fills=self._fills_of(found), call=answer.call)

    def _fills_of(self, orders: tuple[Snapshot, ...]) -> tuple[Fill, ...]:
        return tuple(
            fill
            for order in orders
            for page, _ in self._pages(
                f"{_order(order.broker_order_id)}/executions", self._executions
            )
            for fill in page
        )

    def _pages(
        self,
        path: str,
        translate: Callable[[Any], tuple[Told, ...]],
        *,
        since: datetime | None = None,
        **asked: str,
    ) -> Iterator[tuple[tuple[Told, ...], Answer]]:
        """Yield every page of a list. Raises OutcomeUnknown for one that has no end."""
        params = {"limit": PAGE, **asked}
        if since is not None:
            params["since"] = since.astimezone(UTC).isoformat()
        for _ in range(MOST_PAGES):
            answer = self._get(path, params)
            items, cursor = self._read(answer, lambda told: (translate(told), told["next_cursor"]))
            yield items, answer
            if cursor is None:
                return
            if str(cursor) == params.get("cursor"):
                break
            params["cursor"] = str(cursor)
        raise OutcomeUnknown("The list has no end.", call=answer.call)

    def _problem(self, answer: Answer) -> Problem | None:
        try:
            told = answer.json()
        except ValueError:
            return None
        problem = self.dialect.read_problem(told)
        if problem is None and answer.status == 401:
            # It takes nobody's person for a stranger: it turns them away in its own words.
            own = dialects.read_problem(told)
            return own if own is not None and own.code == "unauthorized" else None
        return problem

    def _is_absent(self, answer: Answer) -> bool:
        return is_absence(answer.status, self._problem(answer), self.dialect.refusals)

    def _order(self, told: Any) -> Snapshot:
        return translation.snapshot(told, self.dialect)

    def _legs_of(self, head: Snapshot) -> tuple[Snapshot, ...]:
        return self._read(self._get(_order(head.broker_order_id)), self._with_legs)[1:]

    def _with_legs(self, told: Any) -> tuple[Snapshot, ...]:
        """Read an order and the legs that are told with it, the order first."""
        order = self._order({name: value for name, value in told.items() if name != "legs"})
        legs = _each(self._order, told.get("legs") or [])
        if any(leg.parent != order.broker_order_id for leg in legs):
            raise ValueError("a leg of another order")
        return (order, *legs)

    def _orders(self, told: Any) -> tuple[Snapshot, ...]:
        return _each(self._order, told["orders"])

    def _executions(self, told: Any) -> tuple[Fill, ...]:
        return _each(lambda one: translation.fill(one, self.dialect), told["executions"])


def _order(broker_order_id: str) -> str:
    return f"/v1/orders/{quoted(broker_order_id, safe='')}"


def _each(translate: Callable[[Mapping[str, Any]], Told], told: Any) -> tuple[Told, ...]:
    if not isinstance(told, list):
        raise TypeError("not a list")
    return tuple(translate(item) for item in told)

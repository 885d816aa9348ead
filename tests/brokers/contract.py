"""What every adapter must pass, against a raw socket that answers as badly as sockets do.

A new adapter subclasses `AdapterContract` and gives it two things: `connect`,
which returns the adapter speaking to a URL, and `words`, its broker's dialect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import http
from brokers.adapter import BrokerAdapter
from brokers.errors import (
    AuthRefused,
    BrokerError,
    Conflict,
    DuplicateId,
    InvalidTicket,
    NotSent,
    OutcomeUnknown,
    Refused,
    Unreadable,
    Untrusted,
)
from brokers.messages import Absent, Delivery, StopLoss, TakeProfit, Ticket
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    Leg,
    OrderClass,
    OrderType,
    Side,
    TimeInForce,
)
from tests.brokers import wire as scripts
from tests.brokers.wire import Script, Wire, answer

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TICKET = Ticket(
    wire_id="order-1",
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(10),
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    limit_price=Decimal("150.25"),
)
TARGET, STOP = TakeProfit(limit_price=Decimal(160)), StopLoss(stop_price=Decimal(140))
LEGGED = {
    OrderClass.BRACKET: {"take_profit": TARGET, "stop_loss": STOP},
    OrderClass.OTO: {"stop_loss": STOP},
    OrderClass.OCO: {"stop_loss": STOP, "side": Side.SELL, "limit_price": Decimal(160)},
}


def with_legs(ticket: Ticket, order_class: OrderClass) -> Ticket:
    """Return an order of a class that has legs."""
    return replace(ticket, order_class=order_class, **LEGGED[order_class])


@dataclass(frozen=True, kw_only=True)
class Words:
    """How one broker says things: statuses and JSON bodies."""

    accepted: Callable[[Ticket], tuple[int, Any]]  # its answer to a new order it took
    refused: tuple[int, Any]  # a final no
    code: str  # the code in it
    unlisted: Any  # the body of a 4xx whose code nobody documents
    duplicate: tuple[int, Any]
    absent: tuple[int, Any]  # its answer to a look-up by our id, when there is none
    secret: str  # which may appear in no evidence
    # Its answer to a new order with legs, if it keeps any together.
    with_legs: Callable[[Ticket], tuple[int, Any]] | None = None


# Answers that prove nothing, to a write and to a read alike.
DOUBTS: dict[str, Script] = {
    "a 504": answer(504),
    "a 500 in JSON": answer(500, {"code": "internal", "message": "oops"}),
    "a 503": answer(503, b"busy", **{"Retry-After": "1"}),
    "a 502 in HTML": answer(502, b"<html>Bad Gateway</html>", kind="text/html"),
    "a redirect": answer(307, Location="/elsewhere"),
    "a 408": answer(408),
    "a bare 409": answer(409),
    "a 425": answer(425),
    "a 429": answer(429, b"slow down", kind="text/plain"),
    "a bare 400": answer(400, b"Bad Request", kind="text/plain"),
    "a 404 in HTML": answer(404, b"<html>nothing here</html>", kind="text/html"),
    "a 200 in HTML": answer(200, b"<html>welcome</html>", kind="text/html"),
    "a 200 of something else": answer(200, {"surprise": 1}),
    "a 200 of null": answer(200, b"null"),
    "a 200 of nothing": answer(200),
    "a 200 cut inside its JSON": answer(200, b'{"id": "X'),
    "a 200 nested too deeply": answer(200, b"[" * 100_000),
    "a 200 with NaN": answer(200, b'{"quantity": NaN}'),
    "a 200 that is not UTF-8": answer(200, b"\xff\xfe{}"),
    "a body cut short": scripts.cut(200, {"id": "X" * 100}),
    "a broken gzip": answer(200, b"not gzip", **{"Content-Encoding": "gzip"}),
    "a body too large": answer(200, b" " * (3 * 1024 * 1024)),
    "no answer": scripts.hang_up,
    "a reset": scripts.reset,
}


class AdapterContract:
    """Subclass me. `connect` and `words` are fixtures or attributes of the subclass."""

    words: Words

    def connect(self, url: str) -> BrokerAdapter:
        raise NotImplementedError

    @pytest.fixture
    def adapter(self, wire: Wire) -> BrokerAdapter:
        return self.connect(wire.url)

    # Writing ----------------------------------------------------------------------

    def test_submit_reports_the_order_by_our_id(self, adapter, wire):
        wire.script = answer(*self.words.accepted(TICKET))

        report = adapter.submit(TICKET)

        (snapshot,) = report.snapshots
        assert snapshot.wire_id == TICKET.wire_id
        assert snapshot.broker_order_id
        assert report.call.status in (200, 201)

    @pytest.mark.parametrize("script", DOUBTS.values(), ids=DOUBTS)
    @pytest.mark.parametrize("write", ["submit", "replace", "cancel"])
    def test_never_mistakes_doubt_for_failure_and_writes_once(self, adapter, wire, script, write):
        wire.script = script

        with pytest.raises(OutcomeUnknown) as caught:
            _writes(adapter)[write]()

        assert not isinstance(caught.value, DuplicateId)
        assert (wire.connections, len(wire.requests)) == (1, 1)

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize("script", [scripts.silence, scripts.drip], ids=["silence", "a drip"])
    @pytest.mark.parametrize("write", ["submit", "replace", "cancel"])
    def test_waits_only_so_long_and_writes_once(self, adapter, wire, script, write):
        wire.script = script
        started = datetime.now(UTC)

        with pytest.raises(OutcomeUnknown) as caught:
            _writes(adapter)[write]()

        assert (datetime.now(UTC) - started).total_seconds() < 2
        assert caught.value.call.failure
        assert (wire.connections, len(wire.requests)) == (1, 1)

    @pytest.mark.parametrize("write", ["submit", "replace", "cancel"])
    def test_knows_that_nothing_was_sent_where_nobody_listens(self, wire, write):
        with Wire() as gone:
            url = gone.url

        with pytest.raises(NotSent):
            _writes(self.connect(url))[write]()

    def test_a_structured_refusal_is_final(self, adapter, wire):
        wire.script = answer(*self.words.refused)

        with pytest.raises(Refused) as caught:
            adapter.submit(TICKET)

        assert caught.value.code == self.words.code
        assert not isinstance(caught.value, AuthRefused)

    @pytest.mark.parametrize("status", [400, 404, 418, 422])
    def test_a_code_nobody_documents_proves_nothing(self, adapter, wire, status):
        wire.script = answer(status, self.words.unlisted)

        with pytest.raises(OutcomeUnknown):
            adapter.submit(TICKET)

    def test_a_final_refusal_from_a_failing_server_proves_nothing(self, adapter, wire):
        wire.script = answer(503, self.words.refused[1])

        with pytest.raises(OutcomeUnknown):
            adapter.submit(TICKET)

    def test_a_duplicate_is_no_refusal(self, adapter, wire):
        wire.script = answer(*self.words.duplicate)

        with pytest.raises(DuplicateId):
            adapter.submit(TICKET)

    @pytest.mark.parametrize("status", [401, 403])
    def test_credentials_refused_are_told_apart(self, adapter, wire, status):
        wire.script = answer(status, self.words.unlisted)

        with pytest.raises(AuthRefused):
            adapter.submit(TICKET)

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_proxys_no_is_not_the_brokers(self, adapter, wire, status):
        wire.script = answer(status, b"<html>Sign in</html>", kind="text/html")

        with pytest.raises(OutcomeUnknown):
            adapter.submit(TICKET)

    @pytest.mark.parametrize(
        "other",
        [
            {"wire_id": "order-2"},
            {"symbol": "MSFT"},
            {"side": Side.SELL},
            {"quantity": Decimal(11)},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_another_order_than_ours_is_a_conflict(self, adapter, wire, other):
        wire.script = answer(*self.words.accepted(replace(TICKET, **other)))

        with pytest.raises(Conflict):
            adapter.submit(TICKET)

    @pytest.mark.parametrize("order_class", LEGGED)
    def test_legs_are_told_with_their_order(self, adapter, wire, order_class):
        if order_class not in adapter.passport.classes:
            pytest.skip("it keeps no such legs together")
        ticket = with_legs(TICKET, order_class)
        wire.script = answer(*self.words.with_legs(ticket))

        order, *legs = adapter.submit(ticket).snapshots

        assert (order.wire_id, order.order_class, order.parent) == (ticket.wire_id, order_class, "")
        asked = {Leg.TAKE_PROFIT: ticket.take_profit, Leg.STOP_LOSS: ticket.stop_loss}
        assert [leg.leg for leg in legs] == [role for role, terms in asked.items() if terms]
        for leg in legs:
            assert leg.parent == order.broker_order_id != leg.broker_order_id
            assert (leg.symbol, leg.quantity) == (ticket.symbol, ticket.quantity)
            assert (leg.side is ticket.side) == (order_class is OrderClass.OCO)
        assert len(wire.requests) == 1

    @pytest.mark.parametrize("order_class", LEGGED)
    def test_an_order_without_the_legs_we_asked_for_is_a_conflict(self, adapter, wire, order_class):
        if order_class not in adapter.passport.classes:
            pytest.skip("it keeps no such legs together")
        ticket = with_legs(TICKET, order_class)
        wire.script = answer(*self.words.accepted(replace(TICKET, side=ticket.side)))

        with pytest.raises(Conflict):
            adapter.submit(ticket)

    @pytest.mark.parametrize("order_type", list(OrderType))
    @pytest.mark.parametrize("time_in_force", list(TimeInForce))
    def test_says_whatever_its_passport_allows(self, adapter, wire, order_type, time_in_force):
        ticket = replace(
            TICKET,
            order_type=order_type,
            time_in_force=time_in_force,
            limit_price=Decimal(150) if order_type in NEEDS_LIMIT else None,
            stop_price=Decimal(151) if order_type in NEEDS_STOP else None,
        )
        try:
            adapter.passport.check(ticket)
        except InvalidTicket:
            pytest.skip("its passport says no")
        wire.script = answer(*self.words.accepted(ticket))

        (snapshot,) = adapter.submit(ticket).snapshots

        assert (snapshot.order_type, snapshot.time_in_force) == (order_type, time_in_force)
        assert (snapshot.limit_price, snapshot.stop_price) == (
            ticket.limit_price,
            ticket.stop_price,
        )

    def test_keeps_evidence_and_no_secrets(self, adapter, wire):
        wire.script = answer(504, b"upstream gave up")

        with pytest.raises(OutcomeUnknown) as caught:
            adapter.submit(TICKET)

        call = caught.value.call
        assert (call.method, call.status, call.answer_body) == ("POST", 504, "upstream gave up")
        assert TICKET.wire_id in call.request_body
        assert self.words.secret not in repr(call)

    def test_goes_by_no_proxy_of_the_environment(self, adapter, wire, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        http._client.cache_clear()  # or the client would be one made before there were any
        wire.script = answer(*self.words.accepted(TICKET))

        assert adapter.submit(TICKET).snapshots

    # Reading ----------------------------------------------------------------------

    def test_find_returns_none_for_an_order_the_broker_never_had(self, adapter, wire):
        wire.script = answer(*self.words.absent)

        assert isinstance(adapter.find(TICKET.wire_id), Absent)

    @pytest.mark.parametrize("script", DOUBTS.values(), ids=DOUBTS)
    @pytest.mark.parametrize("read", ["find", "read", "orders", "executions", "holdings"])
    def test_reading_never_mistakes_doubt_for_absence(self, adapter, wire, script, read):
        wire.script = script
        reads = {
            "find": lambda: adapter.find("order-1"),
            "read": lambda: adapter.read("B-1"),
            "orders": lambda: list(adapter.orders_since(NOW)),
            "executions": lambda: list(adapter.executions_since(NOW)),
            "holdings": adapter.holdings,
        }

        with pytest.raises(BrokerError):
            reads[read]()

    # Push -------------------------------------------------------------------------

    @given(
        body=st.binary(max_size=200)
        | st.from_regex(r'\{"type": ?"order[.a-z]*".{0,50}\}').map(str.encode)
    )
    def test_reads_any_webhook_or_says_that_it_cannot(self, body):
        try:
            told = self.connect("http://127.0.0.1:9").read_webhook(body)
        except Unreadable:
            return
        assert isinstance(told, Delivery)

    @given(
        headers=st.dictionaries(
            st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x"]),
            st.text(max_size=40) | st.just(str(int(NOW.timestamp()))),
        ),
        secrets=st.lists(st.text(max_size=30), max_size=3).map(tuple),
        body=st.binary(max_size=50),
    )
    def test_trusts_nothing_at_random(self, headers, secrets, body):
        with pytest.raises(Untrusted):
            self.connect("http://127.0.0.1:9").verify_webhook(secrets, headers, body, now=NOW)


def _writes(adapter: BrokerAdapter) -> dict[str, Callable[[], object]]:
    return {
        "submit": lambda: adapter.submit(TICKET),
        "replace": lambda: adapter.replace("B-1", TICKET, filled=Decimal(0)),
        "cancel": lambda: adapter.cancel("B-1"),
    }

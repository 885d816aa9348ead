"""The paper adapter: the contract, and a conversation with the exchange itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from brokers import registry
from brokers.errors import AuthRefused, DuplicateId, OutcomeUnknown, Refused, Unreadable
from brokers.messages import Absent
from brokers.paper import refusals
from brokers.paper.adapter import PaperAdapter
from brokers.paper.dialects import PAPER_REFUSALS
from brokers.paper.passports import PAPER as PAPER_TERMS
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    OrderClass,
    OrderType,
    Side,
    Status,
    TimeInForce,
)
from tests.brokers.contract import TICKET, AdapterContract, Words
from tests.brokers.wire import answer

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_OFF = datetime(2100, 1, 1, tzinfo=UTC)
MARKET = replace(TICKET, order_type=OrderType.MARKET, limit_price=None)
RESTING = replace(TICKET, limit_price=Decimal(100))


def order(ticket=TICKET, **changes):
    """An order as the exchange tells it."""
    return {
        "id": "P-1",
        "sequence": 1,
        "version": 1,
        "client_order_id": ticket.wire_id,
        "symbol": ticket.symbol,
        "side": ticket.side.value,
        "type": ticket.order_type.value,
        "time_in_force": ticket.time_in_force.value,
        "quantity": f"{ticket.quantity:f}",
        "limit_price": None if ticket.limit_price is None else f"{ticket.limit_price:f}",
        "stop_price": None if ticket.stop_price is None else f"{ticket.stop_price:f}",
        "status": "working",
        "filled_quantity": "0",
        "average_price": None,
        "replaces": None,
        "replaced_by": None,
        "reason": None,
        "order_class": ticket.order_class.value,
        **changes,
    }


def order_with_legs(ticket):
    """An order as the exchange tells it, its legs in it."""
    pairs = ticket.order_class is OrderClass.OCO
    side = ticket.side if pairs or ticket.side is Side.SELL else Side.SELL
    bare = replace(ticket, side=side, limit_price=None, take_profit=None, stop_loss=None)
    target, stop = ticket.take_profit, ticket.stop_loss
    legs = []
    if target is not None:
        terms = {"order_type": OrderType.LIMIT, "limit_price": target.limit_price}
        legs.append(("take_profit", replace(bare, wire_id="P-1-tp", **terms)))
    if stop is not None:
        terms = {"order_type": OrderType.STOP, "stop_price": stop.stop_price}
        legs.append(("stop_loss", replace(bare, wire_id="P-1-sl", **terms)))
    return order(
        ticket,
        legs=[
            order(terms, id=f"P-{number}", parent="P-1", leg=role, status="held")
            for number, (role, terms) in enumerate(legs, start=2)
        ],
    )


class TestContract(AdapterContract):
    words = Words(
        accepted=lambda ticket: (201, order(ticket)),
        refused=(422, {"code": "market_closed", "message": "The market is closed."}),
        code="market_closed",
        unlisted={"code": "solar_flare", "message": "Who knows."},
        duplicate=(409, {"code": "duplicate_client_order_id", "message": "P-1 has this id."}),
        absent=(200, {"orders": [], "next_cursor": None}),
        secret="canary-secret",
        with_legs=lambda ticket: (201, order_with_legs(ticket)),
    )

    def connect(self, url):
        return PaperAdapter(base_url=url, key="canary-key", secret="canary-secret")

    @pytest.mark.parametrize(
        "changes",
        [
            {"quantity": "1e999999999"},
            {"quantity": "NaN"},
            {"quantity": True},
            {"quantity": None},
            {"version": "1"},
            {"version": 2**70},
            {"side": "sideways"},
            {"id": ""},
            {"id": "nul\x00"},
            {"reason": "\ud800"},
            {"filled_quantity": []},
        ],
        ids=str,
    )
    def test_an_order_that_makes_no_sense_is_doubt(self, adapter, wire, changes):
        wire.script = answer(201, order(**changes))

        with pytest.raises(OutcomeUnknown):
            adapter.submit(TICKET)

    def test_a_status_it_does_not_know_is_kept_and_final_of_nothing(self, adapter, wire):
        wire.script = answer(201, order(status="levitating"))

        (snapshot,) = adapter.submit(TICKET).snapshots

        assert (snapshot.status, snapshot.raw_status) == (Status.INDETERMINATE, "levitating")

    @pytest.mark.parametrize("legs", ["none", [{"id": "P-2"}], [order(parent="P-9")]], ids=str)
    def test_legs_that_make_no_sense_are_doubt(self, adapter, wire, legs):
        wire.script = answer(201, order(legs=legs))

        with pytest.raises(OutcomeUnknown):
            adapter.submit(TICKET)

    def test_a_list_of_another_order_is_no_answer(self, adapter, wire):
        wire.script = answer(200, {"orders": [order()], "next_cursor": None})

        with pytest.raises(OutcomeUnknown, match="not of the order"):
            adapter.find("another")

    def test_a_list_that_goes_round_in_circles_is_no_answer(self, adapter, wire):
        wire.script = answer(200, {"orders": [order()], "next_cursor": "7"})

        with pytest.raises(OutcomeUnknown):
            list(adapter.orders_since(LONG_AGO))

        assert len(wire.requests) == 2

    def test_another_event_than_an_orders_carries_nothing_and_is_not_known(self, adapter):
        told = adapter.read_webhook(b'{"type": "account.renamed", "data": {"order": 5}}')

        assert (told.event, told.report.snapshots) == ("account.renamed", ())
        assert not told.is_known

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b'{"type": "order.filled"}', b'{"type": "order.updated", "data": {}}'],
    )
    def test_half_a_webhook_is_unreadable(self, adapter, body):
        with pytest.raises(Unreadable):
            adapter.read_webhook(body)


class TestConversation:
    """The same adapter and the exchange itself, over real HTTP."""

    @pytest.fixture
    def account(self, paper):
        paper.price("AAPL", "150")
        return paper.account()

    def test_a_market_order_fills_and_is_found_with_its_fills(self, account):
        account.adapter.submit(MARKET)

        found = account.adapter.find(MARKET.wire_id)

        assert found.snapshots[0].status is Status.FILLED
        assert sum(fill.quantity for fill in found.fills) == MARKET.quantity
        assert found.fills[0].price == Decimal("150.01")
        read = account.adapter.read(found.snapshots[0].broker_order_id)
        assert (read.snapshots, read.fills) == (found.snapshots, found.fills)

    def test_what_is_not_there_is_none(self, account):
        assert isinstance(account.adapter.find("never"), Absent)
        assert isinstance(account.adapter.read("P-NEVER-1"), Absent)
        assert account.adapter.quote("NOSUCH") is None

    def test_a_duplicate_is_told_and_nothing_is_placed(self, account):
        account.adapter.submit(RESTING)

        with pytest.raises(DuplicateId):
            account.adapter.submit(RESTING)

        assert len(account.orders()) == 1

    def test_a_refusal_has_its_code(self, account):
        with pytest.raises(Refused) as caught:
            account.adapter.submit(replace(RESTING, symbol="HALT"))

        assert caught.value.code == "not_tradable"
        assert account.orders() == []

    def test_wrong_credentials_are_refused(self, paper):
        stranger = registry.connect(
            "paper", credentials={"key": "nobody", "secret": "x"}, base_url=paper.url
        )
        with pytest.raises(AuthRefused):
            stranger.submit(TICKET)
        with pytest.raises(AuthRefused):
            stranger.find("order-1")

    def test_a_cancel_is_pending_until_the_next_tick(self, account, paper):
        placed = account.adapter.submit(RESTING).snapshots[0].broker_order_id

        asked = account.adapter.cancel(placed).snapshots[0]
        assert asked.status is Status.PENDING_CANCEL

        paper.step()
        assert account.adapter.read(placed).snapshots[0].status is Status.CANCELED
        with pytest.raises(Refused) as caught:
            account.adapter.cancel(placed)
        assert caught.value.code == "too_late"

    def test_a_replace_makes_a_new_order_in_the_place_of_the_old(self, account):
        old = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        better = replace(RESTING, wire_id="order-2", quantity=Decimal(7), limit_price=Decimal(101))

        new = account.adapter.replace(old, better, filled=Decimal(0)).snapshots[0]

        was = account.adapter.read(old).snapshots[0]
        assert (new.replaces, was.status, was.replaced_by) == (
            old,
            Status.REPLACED,
            new.broker_order_id,
        )
        assert (new.quantity, new.limit_price) == (7, 101)

    def test_a_replace_that_did_not_know_of_a_fill_is_refused(self, account, paper):
        paper.price("AAPL", "150", size="2")
        old = account.adapter.submit(replace(TICKET, limit_price=Decimal(151))).snapshots[0]
        assert old.cumulative == 4
        more = replace(TICKET, wire_id="order-2")

        with pytest.raises(Refused) as caught:
            account.adapter.replace(old.broker_order_id, more, filled=Decimal(2))

        assert caught.value.code == "filled_further"
        assert len(account.orders()) == 1

    def test_lists_read_every_page(self, account, monkeypatch):
        monkeypatch.setattr("brokers.paper.adapter.PAGE", "3")
        for number in range(8):
            account.adapter.submit(replace(MARKET, wire_id=f"order-{number}"))

        pages = list(account.adapter.orders_since(LONG_AGO))
        listed = [snapshot.wire_id for page in pages for snapshot in page.snapshots]
        fills = [fill for page in account.adapter.executions_since(LONG_AGO) for fill in page.fills]

        assert len(pages) == 3
        assert listed == [f"order-{number}" for number in range(8)]
        assert len(fills) == len(account.executions()) == 8
        later = datetime.now(UTC) + timedelta(hours=1)
        (nothing,) = account.adapter.orders_since(later)
        assert nothing.snapshots == ()

    def test_figures(self, account, paper):
        account.adapter.submit(MARKET)

        balance = account.adapter.balance()
        (holding,) = account.adapter.holdings()

        assert balance.cash == Decimal(1_000_000) - 10 * Decimal("150.01")
        assert balance.equity == balance.cash + 1500
        assert (holding.symbol, holding.quantity) == ("AAPL", 10)
        assert holding.average_price == Decimal("150.01")

    def test_the_market_as_a_page_asks_for_it(self, account, paper):
        paper.step()
        quote = account.adapter.quote("BTC/USD")
        bars = account.adapter.bars("BTC/USD", seconds=60, count=500)
        listed = {instrument.symbol: instrument for instrument in account.adapter.instruments()}

        assert quote.bid < quote.last < quote.ask
        assert len(bars) == 500
        assert all(bar.low <= min(bar.open, bar.close) <= bar.high for bar in bars)
        # While the market stood still there was nothing to draw.
        steps = [b.at - a.at for a, b in pairwise(bars)]
        assert all(step > timedelta(0) and not step % timedelta(minutes=1) for step in steps)
        assert listed["HALT"].tradable is False
        assert listed["KO"].fractionable is False

    @pytest.mark.parametrize(
        ("order_type", "time_in_force"),
        [(kind, tif) for kind, tifs in PAPER_TERMS.takes.items() for tif in sorted(tifs)],
    )
    def test_the_exchange_takes_whatever_the_passport_says_and_tells_it_as_asked(
        self, account, order_type, time_in_force
    ):
        ticket = replace(
            TICKET,
            wire_id=f"{order_type}-{time_in_force}",
            order_type=order_type,
            time_in_force=time_in_force,
            limit_price=Decimal(100) if order_type in NEEDS_LIMIT else None,
            stop_price=Decimal(200) if order_type in NEEDS_STOP else None,
            trail_price=Decimal(5) if order_type is OrderType.TRAILING_STOP else None,
            expires_at=FAR_OFF if time_in_force is TimeInForce.GTD else None,
        )
        account.adapter.passport.check(ticket)

        (told,) = account.adapter.submit(ticket).snapshots

        assert (told.order_type, told.time_in_force) == (order_type, time_in_force)
        assert (told.trail_price, told.expires_at) == (ticket.trail_price, ticket.expires_at)
        assert (told.limit_price, told.quantity) == (ticket.limit_price, ticket.quantity)


def test_every_code_of_the_exchange_is_accounted_for():
    """A code the adapter does not know would put an order in doubt for nothing."""
    known = PAPER_REFUSALS.definitive | PAPER_REFUSALS.duplicate
    to_nobody_placing_orders = {
        "account_exists",
        "invalid_webhook",
        "unauthorized",
        "internal",
        "no_such_path",
        "method_not_allowed",
        "too_large",
        "too_many",
    }
    assert set(refusals.STATUSES) == known | to_nobody_placing_orders
    assert known.isdisjoint(to_nobody_placing_orders)

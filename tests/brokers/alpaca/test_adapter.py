"""The Alpaca adapter: the contract, what it writes, and how it walks lists and settles claims."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from brokers.alpaca.adapter import AlpacaAdapter
from brokers.errors import AuthRefused, Conflict, OutcomeUnknown, Refused, Unasked, Unreadable
from brokers.messages import Absent, Balance, Holding, StopLoss, TakeProfit, Ticket
from brokers.reasons import Reason
from brokers.vocabulary import (
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from tests.brokers.alpaca.golden import (
    EXECUTION_ID,
    ORDER_ID,
    OTHER_ID,
    STOP_ID,
    TARGET_ID,
    a_bracket,
    an_activity,
    an_order,
    an_update,
)
from tests.brokers.contract import NOW, TICKET, AdapterContract, Words
from tests.brokers.wire import Script, Wire, answer

NO_MONEY = {"code": 40310000, "message": "insufficient buying power", "buying_power": "0"}
NOT_FOUND = {"code": 40410000, "message": "order not found for order-1"}
NOT_UNIQUE = {"code": 40010001, "message": "client_order_id must be unique"}


def text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def as_told(ticket: Ticket, **changes: Any) -> dict[str, Any]:
    """Return a ticket's order as Alpaca shows it."""
    order_class = "" if ticket.order_class is OrderClass.SIMPLE else ticket.order_class.value
    told = {
        "client_order_id": ticket.wire_id,
        "symbol": ticket.symbol,
        "side": ticket.side.value,
        "qty": text(ticket.quantity),
        "notional": text(ticket.notional),
        "type": ticket.order_type.value,
        "order_type": ticket.order_type.value,
        "time_in_force": ticket.time_in_force.value,
        "limit_price": text(ticket.limit_price),
        "stop_price": text(ticket.stop_price),
        "trail_price": text(ticket.trail_price),
        "trail_percent": text(ticket.trail_percent),
        "extended_hours": ticket.extended_hours,
        "order_class": order_class,
        "status": "accepted",
    }
    return an_order(**told | changes)


def with_its_legs(ticket: Ticket) -> dict[str, Any]:
    other = Side.SELL if ticket.side is Side.BUY else Side.BUY
    side = ticket.side if ticket.order_class is OrderClass.OCO else other
    bare = replace(ticket, side=side, limit_price=None, take_profit=None, stop_loss=None)
    legs = []
    if ticket.take_profit is not None:
        target = replace(bare, wire_id="made-1", limit_price=ticket.take_profit.limit_price)
        legs.append(as_told(target, id=TARGET_ID, status="held"))
    if ticket.stop_loss is not None:
        stop = replace(
            bare,
            wire_id="made-2",
            order_type=OrderType.STOP,
            stop_price=ticket.stop_loss.stop_price,
        )
        legs.append(as_told(stop, id=STOP_ID, status="held"))
    return as_told(ticket, legs=legs)


class TestContract(AdapterContract):
    words = Words(
        accepted=lambda ticket: (200, as_told(ticket)),
        refused=(403, NO_MONEY),
        code="40310000",
        unlisted={"code": 49900000, "message": "the moon is in the way"},
        duplicate=(422, NOT_UNIQUE),
        absent=(404, NOT_FOUND),
        secret="canary-secret",
        with_legs=lambda ticket: (200, with_its_legs(ticket)),
    )

    def connect(self, url):
        return AlpacaAdapter(base_url=url, key="canary-key", secret="canary-secret")


@pytest.fixture
def adapter(wire: Wire) -> AlpacaAdapter:
    # A base URL that ends in a slash is the same one.
    return AlpacaAdapter(base_url=wire.url + "/", key="PK1", secret="s3cret")


class Books:
    """Answers by path, as a broker that has some orders and trades; a list goes by its query."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.asked = wire, list[tuple[str, dict[str, str]]]()
        self.answers: dict[str, tuple[int, Any]] = {}
        self.lists: dict[str, Callable[[Mapping[str, str]], Any]] = {}
        wire.script = self._answer

    def _answer(self, connection: Any) -> None:
        line = self.wire.requests[-1].split(b"\r\n", 1)[0].decode()
        parts = urlsplit(line.split(" ")[1])
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append((parts.path, query))
        if parts.path in self.lists:
            status, told = 200, self.lists[parts.path](query)
        else:
            status, told = self.answers.get(parts.path, (404, NOT_FOUND))
        script: Script = answer(status, told)
        script(connection)


@pytest.fixture
def books(wire: Wire) -> Books:
    return Books(wire)


def sent(wire: Wire) -> dict[str, Any]:
    (body,) = wire.bodies()
    return body


class TestWhatItWrites:
    @pytest.mark.parametrize(
        ("changes", "body"),
        [
            ({}, {"qty": "10", "type": "limit", "limit_price": "150.25"}),
            (
                {"quantity": None, "notional": Decimal("500.5"), "order_type": OrderType.MARKET}
                | {"limit_price": None},
                {"notional": "500.5", "type": "market"},
            ),
            (
                {"quantity": Decimal("1E-9"), "symbol": "BTC/USD"}
                | {"time_in_force": TimeInForce.GTC},
                {
                    "symbol": "BTC/USD",
                    "qty": "0.000000001",
                    "type": "limit",
                    "limit_price": "150.25",
                    "time_in_force": "gtc",
                },
            ),
            (
                {"order_type": OrderType.STOP_LIMIT, "stop_price": Decimal(151)},
                {"qty": "10", "type": "stop_limit", "limit_price": "150.25", "stop_price": "151"},
            ),
            (
                {"order_type": OrderType.TRAILING_STOP, "limit_price": None}
                | {"trail_percent": Decimal("1.5")},
                {"qty": "10", "type": "trailing_stop", "trail_percent": "1.5"},
            ),
            (
                {"extended_hours": True, "side": Side.SELL}
                | {"position_effect": PositionEffect.OPEN},
                {
                    "qty": "10",
                    "type": "limit",
                    "limit_price": "150.25",
                    "side": "sell",
                    "extended_hours": True,
                    "position_intent": "sell_to_open",
                },
            ),
            (
                {"order_class": OrderClass.BRACKET}
                | {"take_profit": TakeProfit(limit_price=Decimal(160))}
                | {"stop_loss": StopLoss(stop_price=Decimal(140), limit_price=Decimal(139))},
                {
                    "qty": "10",
                    "type": "limit",
                    "limit_price": "150.25",
                    "order_class": "bracket",
                    "take_profit": {"limit_price": "160"},
                    "stop_loss": {"stop_price": "140", "limit_price": "139"},
                },
            ),
            (
                {"order_class": OrderClass.OTO, "stop_loss": StopLoss(stop_price=Decimal(140))},
                {
                    "qty": "10",
                    "type": "limit",
                    "limit_price": "150.25",
                    "order_class": "oto",
                    "stop_loss": {"stop_price": "140"},
                },
            ),
            (
                {"order_class": OrderClass.OCO, "side": Side.SELL}
                | {"stop_loss": StopLoss(stop_price=Decimal(140))},
                {
                    "qty": "10",
                    "type": "limit",
                    "side": "sell",
                    "order_class": "oco",
                    "take_profit": {"limit_price": "150.25"},
                    "stop_loss": {"stop_price": "140"},
                },
            ),
        ],
        ids=lambda case: case.get("order_class") or case.get("type"),
    )
    def test_is_the_order_and_no_more(self, adapter, wire, changes, body):
        with pytest.raises(OutcomeUnknown):
            adapter.submit(replace(TICKET, **changes))

        assert (
            sent(wire)
            == {
                "symbol": "AAPL",
                "side": "buy",
                "time_in_force": "day",
                "client_order_id": "order-1",
            }
            | body
        )
        head = wire.requests[0].partition(b"\r\n\r\n")[0].lower()
        assert head.startswith(b"post /v2/orders http/1.1\r\n")
        assert b"\r\napca-api-key-id: pk1\r\napca-api-secret-key: s3cret" in head

    def test_of_a_change_is_what_changes(self, adapter, wire):
        new = replace(TICKET, wire_id="order-2", limit_price=Decimal(151))
        wire.script = answer(200, as_told(new, replaces=ORDER_ID))

        adapter.replace(ORDER_ID, new, filled=Decimal(0), was=TICKET)

        assert wire.requests[0].startswith(f"PATCH /v2/orders/{ORDER_ID} ".encode())
        assert sent(wire) == {"limit_price": "151", "client_order_id": "order-2"}

    def test_of_a_change_is_all_where_nobody_knows_what_was(self, adapter, wire):
        new = replace(TICKET, wire_id="order-2", quantity=Decimal(12))
        wire.script = answer(200, as_told(new, replaces=ORDER_ID))

        adapter.replace(ORDER_ID, new, filled=Decimal(0))

        assert sent(wire) == {
            "qty": "12",
            "time_in_force": "day",
            "limit_price": "150.25",
            "client_order_id": "order-2",
        }

    def test_of_a_trail_is_how_far_and_not_in_what(self, adapter, wire):
        trailing = {"order_type": OrderType.TRAILING_STOP, "limit_price": None}
        old = replace(TICKET, **trailing, trail_percent=Decimal(1))
        new = replace(old, wire_id="order-2", trail_percent=Decimal(2))
        wire.script = answer(200, as_told(new, replaces=ORDER_ID))

        adapter.replace(ORDER_ID, new, filled=Decimal(0), was=old)

        assert sent(wire) == {"trail": "2", "client_order_id": "order-2"}

    def test_nothing_where_the_old_one_has_partly_filled(self, adapter, wire):
        with pytest.raises(Refused) as caught:
            adapter.replace(ORDER_ID, replace(TICKET, wire_id="order-2"), filled=Decimal(4))

        assert caught.value.reason is Reason.NOT_REPLACEABLE
        assert wire.requests == []


class TestWhatAnAnswerProves:
    def test_a_204_to_a_cancel_is_a_request_taken(self, adapter, wire):
        wire.script = answer(204)

        report = adapter.cancel(ORDER_ID)

        assert (report.snapshots, report.call.status) == ((), 204)
        assert wire.requests[0].startswith(f"DELETE /v2/orders/{ORDER_ID} ".encode())

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ((422, 42210000, 'order is already in "filled" state'), Reason.TOO_LATE),
            ((404, 40410000, f"order not found for {ORDER_ID}"), Reason.NOT_FOUND),
        ],
    )
    def test_a_cancel_that_came_too_late(self, adapter, wire, said, reason):
        status, code, message = said
        wire.script = answer(status, {"code": code, "message": message})

        with pytest.raises(Refused) as caught:
            adapter.cancel(ORDER_ID)

        assert caught.value.reason is reason

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ((403, 40310000, "insufficient buying power"), Reason.INSUFFICIENT_BUYING_POWER),
            (
                (
                    403,
                    40310000,
                    ("insufficient qty available for order (requested: 5, available: 0)"),
                ),
                Reason.INSUFFICIENT_POSITION,
            ),
            (
                (403, 40310100, "trade denied due to pattern day trading protection"),
                Reason.DECLINED,
            ),
            (
                (403, 40310000, "potential wash trade detected. use complex orders"),
                Reason.WASH_TRADE,
            ),
            ((422, 40010001, "qty or notional is required"), Reason.MISSING_FIELD),
            ((422, 42210000, 'asset "XX" not found'), Reason.UNKNOWN_SYMBOL),
            (
                (
                    422,
                    42210000,
                    (
                        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum"
                        " pricing criteria"
                    ),
                ),
                Reason.INVALID_PRICE_INCREMENT,
            ),
            ((422, 42210000, "cannot replace order in accepted status"), Reason.NOT_REPLACEABLE),
            ((400, 40010001, "request body format is invalid"), Reason.INVALID_FIELD),
        ],
    )
    def test_a_no_is_read_into_the_reason(self, adapter, wire, said, reason):
        status, code, message = said
        wire.script = answer(status, {"code": code, "message": message, "symbol": "XX"})

        with pytest.raises(Refused) as caught:
            adapter.submit(TICKET)

        assert not isinstance(caught.value, AuthRefused)
        assert (caught.value.code, str(caught.value)) == (str(code), message)
        assert caught.value.reason is reason

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            (429, {"code": 42910000, "message": "too many requests."}),
            (500, {"code": 50010000, "message": "internal server error occurred"}),
            (504, {"code": 50410000, "message": "gateway timeout"}),
            (422, {"message": "no code"}),
            (422, {"code": "40010001", "message": "a code in quotes is nobody we know"}),
            (422, {"code": True, "message": "true is no code"}),
        ],
        ids=str,
    )
    def test_anything_else_proves_nothing(self, adapter, wire, status, told):
        wire.script = answer(status, told)

        with pytest.raises(OutcomeUnknown):
            adapter.submit(TICKET)

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_key_that_is_not_taken(self, adapter, wire, status):
        wire.script = answer(status, {"code": 40110000, "message": "request is not authorized"})

        with pytest.raises(AuthRefused):
            adapter.submit(TICKET)

    def test_an_order_that_does_something_else_is_another(self, adapter, wire):
        ticket = replace(TICKET, side=Side.SELL, position_effect=PositionEffect.CLOSE)
        wire.script = answer(200, as_told(ticket, position_intent="sell_to_open"))

        with pytest.raises(Conflict):
            adapter.submit(ticket)

    def test_a_change_that_was_taken_for_another_is_a_conflict(self, adapter, wire):
        wire.script = answer(200, as_told(TICKET, replaces=OTHER_ID))

        with pytest.raises(Conflict):
            adapter.replace(OTHER_ID, replace(TICKET, quantity=Decimal(11)), filled=Decimal(0))


class TestFinding:
    def test_asks_by_our_id_and_for_its_trades(self, adapter, books):
        told = an_order(status="partially_filled", filled_qty="4", filled_avg_price="150.1")
        books.answers["/v2/orders:by_client_order_id"] = 200, told
        books.answers["/v2/account/activities/FILL"] = 200, [an_activity()]

        report = adapter.find("order-1")

        (said,) = report.snapshots
        assert (said.status, said.cumulative) == (Status.PARTIALLY_FILLED, 4)
        assert [fill.execution_id for fill in report.fills] == [EXECUTION_ID]
        assert books.asked[0] == ("/v2/orders:by_client_order_id", {"client_order_id": "order-1"})
        assert books.asked[1][1]["order_id"] == ORDER_ID

    def test_asks_for_no_trades_of_what_has_none(self, adapter, books):
        books.answers["/v2/orders:by_client_order_id"] = 200, an_order()

        assert adapter.find("order-1").fills == ()
        assert len(books.asked) == 1

    def test_leaves_out_the_trades_of_others(self, adapter, books):
        told = an_order(status="partially_filled", filled_qty="4")
        books.answers["/v2/orders:by_client_order_id"] = 200, told
        trades = [an_activity(), an_activity(id="1::x", order_id=OTHER_ID)]
        books.answers["/v2/account/activities/FILL"] = 200, trades

        assert [fill.broker_order_id for fill in adapter.find("order-1").fills] == [ORDER_ID]

    def test_asks_once_more_for_the_legs(self, adapter, books):
        books.answers["/v2/orders:by_client_order_id"] = 200, a_bracket(legs=None)
        books.answers[f"/v2/orders/{ORDER_ID}"] = 200, a_bracket()

        head, target, stop = adapter.find("order-1").snapshots

        assert (head.broker_order_id, target.leg, stop.leg) == (
            ORDER_ID,
            Leg.TAKE_PROFIT,
            Leg.STOP_LOSS,
        )
        assert books.asked[-1] == (f"/v2/orders/{ORDER_ID}", {"nested": "true"})

    def test_takes_no_other_order_for_ours(self, adapter, books):
        books.answers["/v2/orders:by_client_order_id"] = 200, an_order(client_order_id="other")

        with pytest.raises(OutcomeUnknown):
            adapter.find("order-1")

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            (404, {"code": 40410001, "message": "?"}),
            (404, {"message": "Not Found"}),
            (200, None),
            (200, []),
            (401, {"code": 40110000, "message": "request is not authorized"}),
        ],
        ids=str,
    )
    def test_absence_is_its_own_word_alone(self, adapter, books, status, told):
        books.answers["/v2/orders:by_client_order_id"] = status, told

        with pytest.raises((OutcomeUnknown, AuthRefused)):
            adapter.find("order-1")

    def test_says_that_it_has_none(self, adapter, books):
        assert isinstance(adapter.find("order-1"), Absent)
        assert isinstance(adapter.read(ORDER_ID), Absent)

    def test_reads_by_its_own_id_the_one_that_was_asked_for(self, adapter, books):
        books.answers[f"/v2/orders/{ORDER_ID}"] = 200, an_order(id=OTHER_ID)

        with pytest.raises(OutcomeUnknown):
            adapter.read(ORDER_ID)


class TestOneThatReplacedAnother:
    """Whether the new order shows the old one's trades as its own is nowhere said."""

    def told(self, books, *, shown: str, before: str, own: list[str]) -> None:
        books.answers[f"/v2/orders/{ORDER_ID}"] = (
            200,
            an_order(replaces=OTHER_ID, status="filled", filled_qty=shown),
        )
        books.answers[f"/v2/orders/{OTHER_ID}"] = (
            200,
            an_order(id=OTHER_ID, status="replaced", filled_qty=before),
        )
        trades = [an_activity(id=f"1::{n}", qty=qty) for n, qty in enumerate(own)]
        books.answers["/v2/account/activities/FILL"] = 200, trades

    def test_and_shows_its_own_alone(self, adapter, books):
        self.told(books, shown="10", before="4", own=["3", "7"])

        (said,) = adapter.read(ORDER_ID).snapshots

        assert (said.cumulative, said.quantity) == (10, 10)
        assert len(books.asked) == 2

    def test_and_shows_what_that_one_had_as_well(self, adapter, books):
        self.told(books, shown="10", before="4", own=["6"])

        (said,) = adapter.read(ORDER_ID).snapshots

        assert (said.cumulative, said.quantity) == (6, 6)

    def test_and_whose_trades_lag_only_claims(self, adapter, books):
        self.told(books, shown="10", before="4", own=["3"])

        (claimed,) = adapter.read(ORDER_ID).snapshots
        self.told(books, shown="10", before="4", own=["6"])
        (settled,) = adapter.read(ORDER_ID).snapshots

        assert (claimed.cumulative, settled.cumulative) == (10, 6)
        # Of the same moment, the one that knows is the later word.
        assert claimed.version == settled.version
        assert claimed.sequence < settled.sequence


def stamped(number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    name = f"{number:08}-0000-4000-8000-000000000000"
    told = an_order(id=name, client_order_id=f"o-{number}", **changes)
    return told | dict.fromkeys(("submitted_at", "created_at", "updated_at"), at.isoformat())


def listing(rows: list[dict[str, Any]]) -> Callable[[Mapping[str, str]], Any]:
    """Answer as Alpaca lists: exclusive bounds, legs inside if nested, so many on a page."""

    def page(query: Mapping[str, str]) -> Any:
        assert query["status"] == "all"
        assert query["direction"] == "asc"
        found = sorted(rows, key=lambda row: (row["submitted_at"], row["id"]))
        if query["nested"] == "true":
            legs = {leg["id"]: leg for row in rows for leg in row["legs"] or []}
            found = [row for row in found if row["id"] not in legs]
        else:
            found = [row | {"legs": None} for row in found]
        if "after_order_id" in query:
            assert "after" not in query
            names = [row["id"] for row in found]
            found = found[names.index(query["after_order_id"]) + 1 :]
        for name, keeps in (("after", 1), ("until", -1)):
            if name in query:
                at = datetime.fromisoformat(query[name])
                found = [
                    row
                    for row in found
                    if (datetime.fromisoformat(row["submitted_at"]) - at) * keeps > timedelta(0)
                ]
        return found[: int(query["limit"])]

    return page


class TestListing:
    @pytest.fixture(autouse=True)
    def short_pages(self, monkeypatch):
        monkeypatch.setattr("brokers.alpaca.listing.ORDERS", 3)
        monkeypatch.setattr("brokers.alpaca.listing.TRADES", 3)

    def names(self, adapter) -> list[str]:
        reports = list(adapter.orders_since(NOW))
        return [said.wire_id for report in reports for said in report.snapshots]

    def test_goes_through_every_page_and_tells_each_order_once(self, adapter, books):
        rows = [stamped(n, NOW + timedelta(seconds=n)) for n in range(8)]
        books.lists["/v2/orders"] = listing(rows)

        assert self.names(adapter) == [f"o-{n}" for n in range(8)]

    def test_loses_none_of_one_moment(self, adapter, books):
        at = [0, 1, 1, 1, 2, 2]
        rows = [stamped(n, NOW + timedelta(seconds=at)) for n, at in enumerate(at)]
        books.lists["/v2/orders"] = listing(rows)

        assert sorted(self.names(adapter)) == [f"o-{n}" for n in range(6)]

    @pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)])
    def test_goes_on_past_a_moment_with_more_orders_than_a_page(self, adapter, books, later):
        at = NOW + later
        rows = [stamped(n, at) for n in range(7)] + [stamped(7, at + timedelta(seconds=5))]
        books.lists["/v2/orders"] = listing(rows)

        assert self.names(adapter) == [f"o-{n}" for n in range(8)]

    def test_begins_where_it_is_told_to(self, adapter, books):
        rows = [stamped(0, NOW - timedelta(seconds=1)), stamped(1, NOW)]
        books.lists["/v2/orders"] = listing(rows)

        assert self.names(adapter) == ["o-1"]

    def test_that_has_no_end_is_no_list(self, adapter, books):
        same = [stamped(n, NOW) for n in range(3)]
        books.lists["/v2/orders"] = lambda _query: same

        with pytest.raises(OutcomeUnknown, match="no end"):
            self.names(adapter)

    def test_says_whose_the_legs_are(self, adapter, books):
        leg = stamped(2, NOW, order_class="bracket", side="sell", type="stop", stop_price="1")
        head = stamped(1, NOW, order_class="bracket", legs=[leg])
        books.lists["/v2/orders"] = listing([stamped(0, NOW), head, leg])

        said = {s.wire_id: s for r in adapter.orders_since(NOW) for s in r.snapshots}

        assert (said["o-2"].parent, said["o-2"].leg) == (head["id"], Leg.STOP_LOSS)
        assert (said["o-1"].parent, said["o-1"].order_class) == ("", OrderClass.BRACKET)

    def test_asks_nobody_whose_a_desks_legs_are(self, adapter, books):
        leg = stamped(2, NOW, order_class="bracket", side="sell", blotter={"parent": "P"})
        books.lists["/v2/orders"] = listing([leg])

        ((said,),) = [report.snapshots for report in adapter.orders_since(NOW)]

        assert said.parent == "P"
        assert len(books.asked) == 1

    def test_leaves_out_what_has_no_side_and_no_symbol(self, adapter, books):
        options = stamped(1, NOW, order_class="mleg", symbol="", side="")
        books.lists["/v2/orders"] = listing([stamped(0, NOW), options])

        assert self.names(adapter) == ["o-0"]

    def test_that_holds_what_cannot_be_read_is_no_list(self, adapter, books):
        books.lists["/v2/orders"] = listing([stamped(0, NOW), stamped(1, NOW, side="both")])

        with pytest.raises(OutcomeUnknown):
            self.names(adapter)

    def test_of_trades_goes_through_every_page(self, adapter, books):
        trades = [an_activity(id=f"1::{n}", qty="1") for n in range(7)]

        def page(query: Mapping[str, str]) -> Any:
            names = [one["id"] for one in trades]
            begin = names.index(query["page_token"]) + 1 if "page_token" in query else 0
            return trades[begin : begin + int(query["page_size"])]

        books.lists["/v2/account/activities/FILL"] = page

        fills = [fill for report in adapter.executions_since(NOW) for fill in report.fills]

        assert [fill.execution_id for fill in fills] == [str(n) for n in range(7)]

    def test_of_trades_that_goes_round_in_circles_is_no_list(self, adapter, books):
        books.lists["/v2/account/activities/FILL"] = lambda _query: [an_activity()] * 3

        with pytest.raises(OutcomeUnknown, match="no end"):
            list(adapter.executions_since(NOW))


class TestFigures:
    def test_of_the_account(self, adapter, books):
        books.answers["/v2/account"] = (
            200,
            {"cash": "-23140.2", "buying_power": "262113.632", "equity": "103820.56"}
            | {"currency": "USD", "status": "ACTIVE", "daytrade_count": 0},
        )

        assert adapter.balance() == Balance(
            cash=Decimal("-23140.2"),
            buying_power=Decimal("262113.632"),
            equity=Decimal("103820.56"),
        )

    @pytest.mark.parametrize("cash", [None, "", "many", True])
    def test_that_it_does_not_tell_are_not_made_up(self, adapter, books, cash):
        books.answers["/v2/account"] = 200, {"cash": cash, "buying_power": "1", "equity": "1"}

        with pytest.raises(OutcomeUnknown):
            adapter.balance()

    @pytest.mark.parametrize(
        ("told", "holding"),
        [
            ({"symbol": "AAPL", "qty": "5", "side": "long"}, ("AAPL", 5)),
            ({"symbol": "AAPL", "qty": "-5", "side": "short"}, ("AAPL", -5)),
            ({"symbol": "AAPL", "qty": "5", "side": "short"}, ("AAPL", -5)),
            (
                {"symbol": "BTCUSD", "qty": "0.1", "side": "long", "asset_class": "crypto"},
                ("BTC/USD", Decimal("0.1")),
            ),
            (
                {"symbol": "ETHUSDT", "qty": "1", "side": "long", "asset_class": "crypto"},
                ("ETH/USDT", 1),
            ),
        ],
    )
    def test_of_a_position(self, adapter, books, told, holding):
        position = {"asset_class": "us_equity", "avg_entry_price": "100.5"} | told
        books.answers["/v2/positions"] = 200, [position]

        symbol, quantity = holding
        assert adapter.holdings() == (
            Holding(symbol=symbol, quantity=Decimal(quantity), average_price=Decimal("100.5")),
        )

    def test_of_what_is_traded(self, adapter, books):
        asset = {
            "id": OTHER_ID,
            "class": "us_equity",
            "exchange": "NASDAQ",
            "symbol": "AAPL",
            "name": "Apple Inc.",
            "status": "active",
            "tradable": True,
            "shortable": True,
            "fractionable": False,
        }
        pair = asset | {"symbol": "BTC/USD", "class": "crypto", "price_increment": "0.01"}
        books.answers["/v2/assets"] = 200, [asset, pair]

        share, coin = adapter.instruments()

        assert (share.symbol, share.name, share.tradable) == ("AAPL", "Apple Inc.", True)
        assert (share.fractionable, share.shortable) == (False, True)
        assert (coin.symbol, coin.price_increment) == ("BTC/USD", Decimal("0.01"))

    def test_of_prices_it_says_that_nobody_asks(self, adapter, wire):
        with pytest.raises(Unasked):
            adapter.quote("AAPL")
        with pytest.raises(Unasked):
            adapter.bars("AAPL", seconds=60, count=5)
        assert wire.requests == []


def test_a_frame_of_the_stream_is_read_as_a_delivery():
    told = AlpacaAdapter.read_webhook(json.dumps(an_update()).encode())

    assert (told.event, len(told.report.snapshots)) == ("partial_fill", 1)
    with pytest.raises(Unreadable):
        AlpacaAdapter.read_webhook(b'{"stream": "trade_updates", "data": null}')


def test_moments_are_asked_for_in_utc(adapter, books):
    books.lists["/v2/orders"] = lambda _query: []
    list(adapter.orders_since(datetime(2026, 3, 2, 12, tzinfo=UTC)))

    assert books.asked[0][1]["after"] == "2026-03-02T11:59:59.990000+00:00"

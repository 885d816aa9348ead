"""/v1/orders: listing, reading, changing and cancelling."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from brokers.errors import Refused
from brokers.reasons import Reason
from brokers.vocabulary import Leg, OrderClass, OrderType, Side, Status, TimeInForce
from orders.api.gateway import awaiting, showing, stating
from orders.models import Order
from orders.states import Submission
from tests.api.gateway.conftest import a_strategy, check_declined
from tests.factories import OrderFactory
from tests.fakes import call


def of(account, **changes):
    return OrderFactory(account=account, **changes)


class TestShown:
    def test_golden(self, bot):
        order = of(
            bot.account,
            part_filled=True,
            order_class="bracket",
            take_profit_price=120,
            stop_loss_price=90,
            strategy="native",
        )

        answer = bot.get(f"orders/{order.id}")

        assert answer.status_code == 200
        assert answer.told == {
            "id": str(order.id),
            "client_order_id": order.client_order_id,
            "correlation_id": order.wire_id,
            "symbol": "ACME",
            "side": "BUY",
            "order_type": "LIMIT",
            "quantity": "10",
            "filled_quantity": "4",
            "remaining_quantity": "6",
            "limit_price": "99.5",
            "stop_loss": "90",
            "take_profit": "120",
            "average_fill_price": "99.5",
            "status": "PARTIALLY_FILLED",
            "time_in_force": "DAY",
            "created_at": showing.moment(order.placed_at),
            "updated_at": showing.moment(order.changed_at),
            "blotter": {
                "submission": "accepted",
                "status": "partially_filled",
                "in_doubt": False,
                "reason": "",
                "warnings": [],
                "unprotected": False,
                "legs": [],
                "time_in_force": "day",
            },
        }

    def test_leg_names_its_parent_even_when_it_has_ended(self, bot):
        entry = of(bot.account, filled=True)
        leg = of(bot.account, canceled=True, parent=entry, leg=Leg.STOP_LOSS, source="leg")

        told = bot.get(f"orders/{leg.id}").told

        assert (told["parent_order_id"], told["blotter"]["leg"]) == (str(entry.id), "STOP_LOSS")

    def test_what_its_clients_have_no_word_for(self, bot):
        auction = of(bot.account, working=True, time_in_force=TimeInForce.OPG)
        money = of(
            bot.account,
            working=True,
            quantity=None,
            notional=500,
            order_type=OrderType.MARKET,
            limit_price=None,
        )

        told = bot.get(f"orders/{auction.id}").told
        assert (told["time_in_force"], told["blotter"]["time_in_force"]) == ("DAY", "opg")
        told = bot.get(f"orders/{money.id}").told
        assert (told["quantity"], told["remaining_quantity"]) == ("0", "0")
        assert told["blotter"]["notional"] == "500"

    @pytest.mark.parametrize(
        "given",
        [
            *("deb3bbec-2635-495c-9611-7dd0af9e4633", "1", "null", "x" * 300),
            *(quote("ü/é"), "%00"),
        ],
    )
    def test_unknown(self, bot, given):
        check_declined(bot.get(f"orders/{given}"), 404, "ORDER_NOT_FOUND", resource="order")

    def test_of_somebody_else(self, bot):
        theirs = of(a_strategy().account, working=True)

        for method, body in (("GET", None), ("PATCH", {"quantity": "11"}), ("DELETE", None)):
            answer = bot.ask(method, f"orders/{theirs.id}", body)
            check_declined(answer, 404, "ORDER_NOT_FOUND", id=str(theirs.id))
        theirs.refresh_from_db()
        assert theirs.cancel_requested_at is None


STANDS = [
    ({"submission": Submission.READY}, "PENDING"),
    ({"sending": True}, "PENDING"),
    ({"unknown": True}, "PENDING"),
    ({"working": True}, "OPEN"),
    ({"working": True, "status": Status.HELD}, "PENDING"),
    ({"working": True, "status": Status.ACCEPTED}, "OPEN"),
    ({"working": True, "status": Status.PENDING_REPLACE}, "OPEN"),
    ({"working": True, "status": Status.INDETERMINATE}, "OPEN"),
    ({"part_filled": True, "status": Status.SUSPENDED}, "PARTIALLY_FILLED"),
    ({"part_filled": True}, "PARTIALLY_FILLED"),
    ({"filled": True}, "FILLED"),
    ({"canceled": True}, "CANCELLED"),
    ({"working": True, "status": Status.REPLACED}, "CANCELLED"),
    ({"working": True, "status": Status.EXPIRED}, "EXPIRED"),
    ({"rejected": True}, "REJECTED"),
    ({"refused": True}, "REJECTED"),
    ({"submission": Submission.WITHDRAWN}, "CANCELLED"),
    ({"submission": Submission.BLOCKED}, "REJECTED"),
    ({"submission": Submission.EXPIRED_UNSENT}, "EXPIRED"),
]


class TestStatus:
    @pytest.mark.parametrize(("changes", "word"), STANDS)
    def test_is_one_of_eight_words_and_is_found_by_it(self, bot, changes, word):
        order = of(bot.account, **changes)
        other = "FILLED" if word != "FILLED" else "OPEN"

        assert bot.get(f"orders/{order.id}").told["status"] == word
        assert [one["id"] for one in bot.get(f"orders?status={word}").told] == [str(order.id)]
        assert bot.get(f"orders?status={other}").told == []
        in_history = [one["id"] for one in bot.get("orders/history").told]
        assert in_history == ([str(order.id)] if word in stating.FINAL else [])

    @pytest.mark.parametrize("status", list(Status))
    def test_every_word_of_a_broker_is_one_of_ours(self, bot, status):
        order = OrderFactory.build(account=bot.account, working=True, status=status)

        assert stating.status(order) in stating.WORKING | stating.FINAL
        assert (stating.status(order) in stating.FINAL) == order.has_ended

    def test_a_cancel_that_is_under_way(self, bot):
        order = of(bot.account, working=True)
        order.cancel_requested_at = order.placed_at
        order.save()

        assert bot.get("orders?status=PENDING_CANCEL").told[0]["id"] == str(order.id)


class TestList:
    def test_open_ones_newest_first(self, bot):
        of(bot.account, filled=True)
        orders = [of(bot.account, working=True) for _ in range(3)]

        told = bot.get("orders").told

        assert [one["id"] for one in told] == [str(order.id) for order in reversed(orders)]

    def test_by_client_order_id_whatever_became_of_it(self, bot):
        of(bot.account, working=True)
        order = of(bot.account, filled=True, client_order_id="mine")

        assert [one["id"] for one in bot.get("orders?client_order_id=mine").told] == [str(order.id)]
        assert bot.get("orders?client_order_id=min").told == []
        assert bot.get("orders?client_order_id=").told == []
        assert a_strategy().get("orders?client_order_id=mine").told == []

    def test_filters(self, bot):
        order = of(bot.account, working=True, side=Side.SELL, symbol="BTC/USD")
        of(bot.account, working=True)
        at = order.placed_at
        later = quote((at + timedelta(microseconds=1)).isoformat())

        for query in (
            "side=SELL",
            "side=sell",
            "symbol=BTC/USD",
            "symbol=BTC%2FUSD",
            f"until={later}&symbol=BTC/USD",
            f"since={quote(at.isoformat())}&side=SELL",
            "status=OPEN,FILLED&side=SELL",
            "status=OPEN&status=FILLED&side=SELL",
        ):
            assert [one["id"] for one in bot.get(f"orders?{query}").told] == [str(order.id)], query
        assert bot.get(f"orders?until={quote(at.isoformat())}").told == []
        assert bot.get("orders?oco_group_id=x").told == []
        assert len(bot.get("orders?limit=1").told) == 1
        assert bot.get("orders?limit=0").told == []

    @pytest.mark.parametrize(
        "query",
        ["status=BOGUS", "status=open", "side=Buy", "since=yesterday", "until=2026-01-01",
         "limit=-1", "limit=x", "limit=1.5", "client_id=x", "since=2026-13-01T00:00:00Z"],
    )  # fmt: skip
    def test_queries_that_make_no_sense(self, bot, query):
        name = query.partition("=")[0]
        check_declined(bot.get(f"orders?{query}"), 400, "INVALID_REQUEST", field=name)


class TestModify:
    def test_has_another_order_take_its_place(self, bot):
        order = of(bot.account, part_filled=True)

        answer = bot.ask("PATCH", f"orders/{order.id}", {"quantity": "20", "limit_price": "99"})

        assert answer.status_code == 200, answer.told
        new = Order.objects.get(replaces=order)
        assert answer.told["previous_order_id"] == str(order.id)
        told = answer.told["order"]
        assert (told["id"], told["quantity"], told["limit_price"]) == (str(new.id), "20", "99")
        assert new.quantity == 16
        # Once the broker has it, what the old one filled is part of it.
        Order.objects.filter(id=new.id).update(
            submission=Submission.ACCEPTED, status="new", raw_status="new", broker_order_id="B-2"
        )
        told = bot.get(f"orders/{new.id}").told
        assert (told["filled_quantity"], told["remaining_quantity"]) == ("4", "16")

    def test_trail(self, bot):
        order = of(
            bot.account,
            working=True,
            order_type=OrderType.TRAILING_STOP,
            limit_price=None,
            trail_percent=2,
        )

        answer = bot.ask("PATCH", f"orders/{order.id}", {"trailing_distance": "1.5"})

        assert answer.told["order"]["trailing_distance"] == "1.5"
        assert answer.told["order"]["trailing_type"] == "PERCENT"

    @pytest.mark.usefixtures("sends")
    def test_refused_by_the_broker(self, bot, broker):
        order = of(bot.account, working=True)
        no = Refused("Too fine.", code="x", call=call(422), reason=Reason.INVALID_PRICE_INCREMENT)
        broker.script.append(no)

        answer = bot.ask("PATCH", f"orders/{order.id}", {"limit_price": "98"})

        check_declined(answer, 422, "INVALID_PRICE", "Too fine.")

    @pytest.mark.parametrize("changes", [{"filled": True}, {"canceled": True}, {"unknown": True}])
    def test_too_late(self, bot, changes):
        order = of(bot.account, **changes)

        answer = bot.ask("PATCH", f"orders/{order.id}", {"limit_price": "98"})

        check_declined(answer, 409, "ORDER_NOT_MODIFIABLE", order_id=str(order.id))

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({}, 400, "INVALID_REQUEST"),
            ({"price": "1"}, 400, "INVALID_REQUEST"),
            ({"quantity": "x"}, 400, "INVALID_REQUEST"),
            ({"quantity": "0"}, 400, "VALIDATION_ERROR"),
            ({"quantity": "4"}, 400, "INVALID_VALUE"),
            ({"quantity": "10"}, 400, "INVALID_VALUE"),
            ({"trailing_distance": "1"}, 400, "INVALID_VALUE"),
            ({"stop_price": "90"}, 400, "INVALID_VALUE"),
            ({"stop_loss": "90", "quantity": "20"}, 400, "INVALID_VALUE"),
            ({"stop_loss": "90"}, 501, "UNSUPPORTED_OPERATION"),
            ({"limit_price": "99.505"}, 422, "INVALID_PRICE"),
        ],
    )
    def test_what_can_not_be_changed(self, bot, body, status, code):
        order = of(bot.account, part_filled=True)

        check_declined(bot.ask("PATCH", f"orders/{order.id}", body), status, code)
        assert not Order.objects.filter(replaces=order).exists()

    def test_moves_the_legs_of_an_entry_that_has_filled(self, bot):
        entry = of(bot.account, filled=True, order_class=OrderClass.OTO, stop_loss_price=90,
                   strategy="native")  # fmt: skip
        leg = _stop(bot.account, entry)

        answer = bot.ask("PATCH", f"orders/{entry.id}", {"stop_loss": "91"})

        assert answer.status_code == 200, answer.told
        assert answer.told["order"]["id"] == str(entry.id)
        assert Order.objects.get(replaces=leg).stop_price == 91


def _stop(account, entry, **changes):
    return of(
        account,
        working=True,
        parent=entry,
        leg=Leg.STOP_LOSS,
        source="leg",
        side=Side.SELL,
        order_type=OrderType.STOP,
        limit_price=None,
        stop_price=90,
        **changes,
    )


class TestCancel:
    def test_before_it_left(self, bot):
        order = of(bot.account)

        answer = bot.ask("DELETE", f"orders/{order.id}")

        assert answer.status_code == 200
        assert (answer.told["success"], answer.told["order"]["status"]) == (True, "CANCELLED")

    def test_of_a_working_one_is_under_way(self, bot):
        order = of(bot.account, working=True)

        for _ in range(2):
            answer = bot.ask("DELETE", f"orders/{order.id}")

            assert (answer.status_code, answer.told["order"]["status"]) == (200, "PENDING_CANCEL")

    def test_waits_for_the_broker_to_say_so(self, bot, monkeypatch):
        order = of(bot.account, working=True)
        monkeypatch.setattr(awaiting, "ended", lambda account, order: OrderFactory.build(
            account=account, id=order.id, canceled=True))  # fmt: skip

        assert bot.ask("DELETE", f"orders/{order.id}").told["order"]["status"] == "CANCELLED"

    def test_again_when_it_has_been(self, bot):
        order = of(bot.account, canceled=True)

        answer = bot.ask("DELETE", f"orders/{order.id}")

        assert (answer.status_code, answer.told["success"]) == (200, True)

    @pytest.mark.parametrize("changes", [{"filled": True}, {"rejected": True}])
    def test_too_late(self, bot, changes):
        order = of(bot.account, **changes)

        answer = bot.ask("DELETE", f"orders/{order.id}")

        check_declined(answer, 409, "ORDER_NOT_MODIFIABLE", order_id=str(order.id))

    def test_all(self, bot):
        orders = [of(bot.account, working=True), of(bot.account)]
        kept = [of(bot.account, working=True, symbol="OTHER"), of(a_strategy().account)]

        answer = bot.ask("DELETE", "orders?symbol=ACME")

        assert (answer.status_code, answer.told) == (200, {"cancelled_count": 2, "failed_count": 0})
        for order in (*orders, *kept):
            order.refresh_from_db()
        assert all(order.cancel_requested_at or order.has_ended for order in orders)
        assert not any(order.cancel_requested_at or order.has_ended for order in kept)
        assert bot.ask("DELETE", "orders").told["cancelled_count"] >= 1

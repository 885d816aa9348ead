"""POST /v1/orders: what the SDK sends, and what it is answered."""

import json
from decimal import Decimal

import pytest
from django.db import OperationalError

from brokers.errors import OutcomeUnknown, Refused
from brokers.reasons import Reason
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, TimeInForce
from orders import placing
from orders.api.gateway import awaiting, showing
from orders.models import Account, Order
from tests.api.gateway.conftest import a_strategy, an_order, check_declined
from tests.factories import AccountFactory
from tests.fakes import call


class TestHandle:
    def test_golden(self, bot):
        answer = bot.place(client_order_id="strategy-7-entry")

        order = Order.objects.get()
        assert answer.status_code == 201
        assert answer.told == {
            "id": str(order.id),
            "status": "PENDING",
            "client_order_id": "strategy-7-entry",
            "correlation_id": "strategy-7-entry",
        }
        assert order.time_in_force == TimeInForce.GTC

    def test_without_an_id_of_the_clients(self, bot):
        answer = bot.place()

        assert answer.status_code == 201
        assert "client_order_id" not in answer.told
        assert "client_order_id" not in bot.get(f"orders/{answer.told['id']}").told

    def test_says_where_people_see_it(self, bot, settings):
        answer = bot.place()

        page = f"{settings.DESK_URL}/orders/{answer.told['id']}/"
        assert answer.headers["X-Blotter-Order"] == page

    @pytest.mark.usefixtures("sends")
    def test_tells_what_the_broker_said(self, bot):
        assert bot.place().told["status"] == "OPEN"

    @pytest.mark.usefixtures("sends")
    def test_is_pending_while_nobody_knows_what_became_of_it(self, bot, broker):
        broker.script.append(OutcomeUnknown("silence", call=call(None)))

        answer = bot.place(client_order_id="lost")

        assert (answer.status_code, answer.told["status"]) == (201, "PENDING")
        told = bot.get(f"orders/{answer.told['id']}").told
        assert told["blotter"]["in_doubt"] is True

    @pytest.mark.usefixtures("sends")
    def test_refused_by_the_broker_is_no_order(self, bot, broker):
        reason = Reason.INSUFFICIENT_BUYING_POWER
        no = Refused("Not enough buying power.", code="x", call=call(403), reason=reason)
        broker.script.append(no)

        answer = bot.place(client_order_id="poor")

        order = Order.objects.get()
        check_declined(
            answer,
            422,
            "INSUFFICIENT_BALANCE",
            "Not enough buying power.",
            reject_code="INSUFFICIENT_BALANCE",
            reject_reason="INSUFFICIENT_BALANCE",
            order_id=str(order.id),
            client_order_id="poor",
        )
        check_declined(bot.place(client_order_id="poor"), 422, "INSUFFICIENT_BALANCE")
        (found,) = bot.get("orders?client_order_id=poor").told
        assert (found["status"], found["reject_reason"]) == ("REJECTED", "INSUFFICIENT_BALANCE")

    def test_is_answered_though_the_records_are_lost_after_it(self, bot, monkeypatch):
        def gone(account):
            raise OperationalError("gone")

        monkeypatch.setattr(showing, "orders_of", gone)

        answer = bot.place()

        assert (answer.status_code, answer.told["status"]) == (201, "PENDING")
        assert Order.objects.count() == 1

    def test_waits_no_longer_than_it_says(self, bot, monkeypatch):
        monkeypatch.setattr(awaiting, "ANSWERED_WITHIN", 0.2)

        assert bot.place().told["status"] == "PENDING"


class TestShape:
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("10", "10"),
            ("1.50", "1.5"),
            ("1E2", "100"),
            ('"10.50"', "10.5"),
            ('"1E+2"', "100"),
            ("123456789.123456789", "123456789.123456789"),
        ],
    )
    def test_quantity_is_taken_as_it_is_written(self, bot, sent, kept):
        order = an_order(quantity="Q", symbol="BTC/USD")
        body = json.dumps(order).replace('"Q"', sent)

        answer = bot.ask("POST", "orders", body)

        assert answer.status_code == 201, answer.told
        assert Order.objects.get().quantity == Decimal(kept)

    @pytest.mark.parametrize("case", [str.upper, str.lower])
    def test_words_in_either_case(self, bot, case):
        answer = bot.place(
            side=case("SELL"),
            order_type=case("TRAILING_STOP"),
            limit_price=...,
            time_in_force=case("DAY"),
            trailing_distance="1.5",
            trailing_type=case("PERCENT"),
        )

        assert answer.status_code == 201, answer.told
        order = Order.objects.get()
        assert (order.side, order.order_type) == ("sell", OrderType.TRAILING_STOP)
        assert (order.trail_percent, order.trail_price) == (Decimal("1.5"), None)
        assert order.time_in_force == TimeInForce.DAY

    def test_what_is_null_was_never_said(self, bot):
        nothing = ("stop_price", "stop_loss", "client_order_id", "reduce_only", "leverage")

        assert bot.place(**dict.fromkeys(nothing)).status_code == 201

    def test_flags_that_say_no(self, bot):
        answer = bot.place(reduce_only=False, post_only=False, hidden=False)

        assert answer.status_code == 201
        assert Order.objects.get().position_effect == ""

    def test_reduce_only(self, bot):
        assert bot.place(reduce_only=True).status_code == 201
        assert Order.objects.get().position_effect == PositionEffect.CLOSE

    def test_position_is_that_of_the_symbol(self, bot):
        assert bot.place(position_id="ACME").status_code == 201
        check_declined(bot.place(position_id="OTHER"), 400, "INVALID_VALUE", field="position_id")

    @pytest.mark.parametrize(
        ("legs", "order_class"),
        [
            ({"stop_loss": "90", "take_profit": "120"}, OrderClass.BRACKET),
            ({"stop_loss": "90"}, OrderClass.OTO),
            ({"take_profit": "120"}, OrderClass.OTO),
        ],
    )
    @pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
    def test_legs(self, bot, legs, order_class, kind):
        price = ... if kind == "MARKET" else "99.50"

        answer = bot.place(order_type=kind, limit_price=price, **legs)

        assert answer.status_code == 201, answer.told
        order = Order.objects.get()
        assert order.order_class == order_class
        shown = bot.get(f"orders/{order.id}").told
        assert {name: shown.get(name) for name in legs} == legs

    def test_a_market_order_for_parts_of_a_share_is_good_for_the_day(self, bot):
        answer = bot.place(order_type="MARKET", limit_price=..., quantity="0.5")

        assert answer.status_code == 201, answer.told
        assert Order.objects.get().time_in_force == TimeInForce.DAY


class TestRefusals:
    @pytest.mark.parametrize("name", ["symbol", "side", "quantity", "order_type"])
    def test_missing(self, bot, name):
        check_declined(bot.place(**{name: ...}), 400, "INVALID_REQUEST", name, field=name)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"limit_price": ...}, "limit_price"),
            ({"order_type": "STOP", "limit_price": ...}, "stop_price"),
            ({"order_type": "STOP_LIMIT"}, "stop_price"),
            ({"order_type": "TRAILING_STOP", "limit_price": ...}, "trailing_distance"),
            (
                {"order_type": "TRAILING_STOP", "limit_price": ..., "trailing_distance": "1"},
                "trailing_type",
            ),
        ],
    )
    def test_needed_by_its_type(self, bot, changes, field):
        check_declined(bot.place(**changes), 400, "INVALID_REQUEST", field, field=field)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"order_type": "MARKET"}, "limit_price"),
            ({"stop_price": "90"}, "stop_price"),
            ({"trailing_distance": "1"}, "trailing_distance"),
            ({"limit_price": "0"}, "limit_price"),
            ({"limit_price": "-1"}, "limit_price"),
            ({"stop_loss": "0"}, "stop_loss"),
            ({"limit_price": "1e300"}, "limit_price"),
            ({"limit_price": "1.0000000001"}, "limit_price"),
        ],
    )
    def test_value_that_does_not_go(self, bot, changes, field):
        check_declined(bot.place(**changes), 400, "INVALID_VALUE", field, field=field)

    @pytest.mark.parametrize(
        "name", ["side", "order_type", "time_in_force", "trailing_type", "margin_mode"]
    )
    @pytest.mark.parametrize("word", ["Buy", "bUY", "BOGUS", "", "MARKET ", 1, True, [], {}, "ß"])
    def test_words_that_are_none(self, bot, name, word):
        check_declined(bot.place(**{name: word}), 400, "INVALID_REQUEST", field=name)

    @pytest.mark.parametrize(
        "number", ["NaN", "Infinity", "", " 1", "1_0", "0x1", "٣", True, [], {"a": 1}, "9" * 400]
    )
    @pytest.mark.parametrize("name", ["quantity", "limit_price", "take_profit"])
    def test_numbers_that_are_none(self, bot, name, number):
        check_declined(bot.place(**{name: number}), 400, "INVALID_REQUEST", field=name)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999", "1e-999999"])
    def test_numbers_that_no_json_has(self, bot, number):
        body = json.dumps(an_order(quantity="Q")).replace('"Q"', number)

        answer = bot.ask("POST", "orders", body)

        assert (answer.status_code, answer.told["details"]["field"]) == (400, "quantity")

    @pytest.mark.parametrize("quantity", ["0", "-1", 0])
    def test_quantity_of_nothing(self, bot, quantity):
        answer = bot.place(quantity=quantity)

        check_declined(answer, 400, "VALIDATION_ERROR")
        (rule,) = answer.told["details"]["quantity"]
        assert rule["code"] == "range"

    def test_ids_longer_than_64_characters(self, bot):
        assert bot.place(client_order_id="x" * 64).status_code == 201

        answer = bot.place(client_order_id="x" * 65)

        check_declined(answer, 400, "VALIDATION_ERROR")
        (rule,) = answer.told["details"]["client_order_id"]
        assert (rule["code"], rule["params"]["max"]) == ("length", 64)

    @pytest.mark.parametrize("name", ["ü", "a b", "😀", "\0", "a\nb", "\ud800"])
    def test_ids_that_no_broker_could_carry(self, bot, name):
        check_declined(bot.place(client_order_id=name), 400, "VALIDATION_ERROR")

    def test_symbols_that_are_none(self, bot):
        for symbol in ("", "x" * 33, "A B", "ÄÖ"):
            check_declined(bot.place(symbol=symbol), 400, "VALIDATION_ERROR")
        check_declined(bot.place(symbol=1), 400, "INVALID_REQUEST", field="symbol")

    def test_a_field_that_nobody_knows(self, bot):
        answer = bot.place(stoploss="90")

        check_declined(answer, 400, "INVALID_REQUEST", "stoploss", field="stoploss")
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        "extra",
        [
            {"post_only": True},
            {"hidden": True},
            {"display_quantity": "1"},
            {"leverage": "2"},
            {"margin_mode": "CROSS"},
            {"oco_group_id": "pair-1"},
            {"order_type": "STOP", "limit_price": ..., "stop_price": "101", "stop_loss": "90"},
        ],
    )
    def test_what_no_broker_here_is_told(self, bot, extra):
        answer = bot.place(**extra)

        check_declined(answer, 501, "UNSUPPORTED_OPERATION", provider="scripted")
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        ("broker_name", "changes", "operation"),
        [
            ("paper-tapp", {"order_type": "STOP", "limit_price": ..., "stop_price": "101"},
             "order_type"),
            ("paper-tapp", {"reduce_only": True}, "reduce_only"),
            ("paper-gateway", {"reduce_only": True}, "reduce_only"),
        ],
    )  # fmt: skip
    def test_what_this_broker_can_not(self, bot, broker_name, changes, operation):
        other = a_strategy(AccountFactory(broker=broker_name, base_url="http://127.0.0.1:9"))

        answer = other.place(**changes)

        check_declined(
            answer, 501, "UNSUPPORTED_OPERATION", operation=operation, provider=broker_name
        )

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"limit_price": "99.505"}, "INVALID_PRICE"),
            ({"stop_loss": "120"}, "INVALID_PRICE"),
            ({"stop_loss": "90", "take_profit": "80"}, "INVALID_PRICE"),
            ({"quantity": "0.5"}, "INVALID_QUANTITY"),
        ],
    )
    def test_rejected_by_the_desk(self, bot, changes, code):
        answer = bot.place(**changes)

        check_declined(answer, 422, code, "Order rejected", reject_code=code, reject_reason=code)
        assert not Order.objects.exists()

    def test_of_a_halted_account(self, bot):
        account = bot.account
        Account.objects.filter(id=account.id).update(halted_at=account.created_at)

        check_declined(bot.place(), 422, "ACCOUNT_HALTED", reject_reason="UNKNOWN")

    @pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "[" * 5000, '{"symbol": "A"'])
    def test_bodies_that_are_no_object(self, bot, body):
        assert bot.ask("POST", "orders", body).status_code == 400

    def test_a_field_said_twice(self, bot):
        body = json.dumps(an_order())[:-1] + ', "quantity": "11"}'

        check_declined(bot.ask("POST", "orders", body), 400, "INVALID_REQUEST", field="quantity")

    def test_too_large(self, bot):
        answer = bot.place(symbol="x" * 70_000)

        check_declined(answer, 413, "INVALID_REQUEST")


class TestDuplicate:
    def test_is_the_first_one_told_again(self, bot):
        first = bot.place(client_order_id="mine")

        again = bot.place(client_order_id="mine")

        assert again.status_code == 201
        assert again.told == first.told
        assert Order.objects.count() == 1

    def test_of_another_order_is_refused(self, bot):
        bot.place(client_order_id="mine")

        answer = bot.place(client_order_id="mine", quantity="11")

        code = "DUPLICATE_CLIENT_ORDER_ID"
        check_declined(answer, 422, code, reject_code=code)
        assert Order.objects.count() == 1

    def test_is_one_of_each_account(self, bot):
        bot.place(client_order_id="mine")

        assert a_strategy().place(client_order_id="mine").status_code == 201

    def test_records_lost_meanwhile_are_no_reason_to_send_it_again(self, bot, monkeypatch):
        def gone(*args, **kwargs):
            raise OperationalError("gone")

        monkeypatch.setattr(placing, "place", gone)

        answer = bot.place(client_order_id="mine")

        check_declined(answer, 500, "INTERNAL_ERROR", outcome="unknown")

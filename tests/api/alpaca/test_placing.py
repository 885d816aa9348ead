"""POST /v2/orders: what the SDKs send, and what they are answered."""

import json
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from brokers.errors import OutcomeUnknown
from brokers.vocabulary import OrderClass, PositionEffect
from orders import placing, sending
from orders.api.alpaca import showing
from orders.models import Account, Order
from tests.api.alpaca.conftest import a_bot, an_order, check_declined

PARAMETER, RULE, FORBIDDEN = 40010001, 42210000, 40310000


class TestOrder:
    def test_golden(self, bot):
        answer = bot.place(client_order_id="mine-1")

        order = Order.objects.get()
        placed = showing.moment(order.placed_at)
        assert answer.status_code == 200
        assert answer.told == {
            "id": str(order.id),
            "client_order_id": "mine-1",
            "created_at": placed,
            "updated_at": placed,
            "submitted_at": placed,
            "filled_at": None,
            "expired_at": None,
            "expires_at": None,
            "canceled_at": None,
            "failed_at": None,
            "replaced_at": None,
            "replaced_by": None,
            "replaces": None,
            "asset_id": "1681ca6b-4862-59f7-8c21-c4440dbdb191",
            "symbol": "ACME",
            "asset_class": "us_equity",
            "notional": None,
            "qty": "10",
            "filled_qty": "0",
            "filled_avg_price": None,
            "order_class": "",
            "order_type": "limit",
            "type": "limit",
            "side": "buy",
            "position_intent": None,
            "time_in_force": "day",
            "limit_price": "99.5",
            "stop_price": None,
            "status": "accepted",
            "extended_hours": False,
            "legs": None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "ratio_qty": None,
            "subtag": None,
            "source": None,
            "blotter": {
                "submission": "ready",
                "in_doubt": False,
                "reason": "",
                "warnings": [],
                "leg": None,
                "parent": None,
                "carried_filled_qty": None,
            },
        }

    def test_says_where_people_see_it(self, bot, settings):
        answer = bot.place()

        page = f"{settings.DESK_URL}/orders/{answer.told['id']}/"
        assert answer.headers["X-Blotter-Order"] == page

    def test_has_an_id_of_ours_if_it_brings_none(self, bot):
        for absent in (..., None, ""):
            answer = bot.place(client_order_id=absent)

            assert UUID(answer.told["client_order_id"])
        assert Order.objects.count() == 3

    def test_is_answered_though_nothing_can_be_read_any_more(self, bot, monkeypatch):
        monkeypatch.setattr(showing, "orders_of", lambda account: 1 / 0)

        assert bot.place().status_code == 200
        assert Order.objects.count() == 1

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("1.0", "1"),
            ("0.023", "0.023"),
            ("1e-09", "0.000000001"),
            ("1E2", "100"),
            ('"10.50"', "10.5"),
            ('"1e2"', "100"),
            ("123456789.123456789", "123456789.123456789"),
        ],
    )
    def test_quantity_is_taken_as_it_is_written(self, bot, sent, kept):
        body = json.dumps(an_order(qty="QTY")).replace('"QTY"', sent)

        answer = bot.ask("POST", "orders", body)

        assert answer.told["qty"] == kept
        assert Order.objects.get().quantity == Decimal(kept)

    def test_as_the_go_sdk_sends_it(self, bot):
        answer = bot.place(
            qty="10",
            notional=None,
            limit_price="99.5",
            stop_price=None,
            trail_price=None,
            trail_percent=None,
            client_order_id="",
            order_class="",
            position_intent="",
            extended_hours=False,
            take_profit=None,
            stop_loss={"limit_price": None, "stop_price": None},
            legs=None,
        )

        assert answer.status_code == 200
        assert Order.objects.get().order_class == OrderClass.SIMPLE

    def test_for_an_amount_of_money(self, bot):
        answer = bot.place(qty=..., notional=500, type="market", limit_price=...)

        assert (answer.told["qty"], answer.told["notional"]) == (None, "500")

    def test_with_an_intent(self, bot):
        answer = bot.place(side="sell", position_intent="sell_to_open")

        assert answer.told["position_intent"] == "sell_to_open"
        assert Order.objects.get().position_effect == PositionEffect.OPEN

    def test_bracket(self, bot):
        answer = bot.place(
            order_class="bracket",
            take_profit={"limit_price": 120.0},
            stop_loss={"stop_price": 90.0, "limit_price": 89.5},
        )

        order = Order.objects.get()
        assert answer.told["order_class"] == "bracket"
        assert order.take_profit_price == 120
        assert (order.stop_loss_price, order.stop_loss_limit_price) == (90, Decimal("89.5"))

    @pytest.mark.parametrize("limit_price", [..., 110.0, 120.0])
    def test_oco_is_its_own_target(self, bot, limit_price):
        answer = bot.place(
            side="sell",
            order_class="oco",
            limit_price=limit_price,
            take_profit={"limit_price": 120.0},
            stop_loss={"stop_price": 90.0},
        )

        assert answer.status_code == 200, answer.told
        assert (answer.told["type"], answer.told["limit_price"]) == ("limit", "120")
        (stop,) = answer.told["legs"]
        assert (stop["type"], stop["side"], stop["stop_price"]) == ("stop", "sell", "90")

    def test_trailing_stop(self, bot):
        answer = bot.place(type="trailing_stop", limit_price=..., trail_percent=1.0)

        told = answer.told
        assert (told["trail_percent"], told["trail_price"], told["hwm"]) == ("1", None, None)


class TestDuplicate:
    def test_is_refused(self, bot):
        assert bot.place(client_order_id="mine").status_code == 200

        for changes in ({}, {"qty": 11}):
            answer = bot.place(client_order_id="mine", **changes)

            check_declined(answer, 422, PARAMETER, "client_order_id must be unique")
        assert Order.objects.count() == 1

    def test_is_replayed_where_the_account_says_so(self, bot):
        Account.objects.update(replays_duplicates=True)
        first = bot.place(client_order_id="mine")

        again = bot.place(client_order_id="mine")

        assert again.status_code == 200
        assert again.told["id"] == first.told["id"]
        assert again.headers["X-Blotter-Order"] == first.headers["X-Blotter-Order"]
        answer = bot.place(client_order_id="mine", qty=11)
        check_declined(answer, 422, PARAMETER, "client_order_id must be unique")

    def test_is_not_replayed_to_another_key(self, bot):
        Account.objects.update(replays_duplicates=True)
        bot.place(client_order_id="mine")

        answer = a_bot(bot.account).place(client_order_id="mine")

        check_declined(answer, 422, PARAMETER, "client_order_id must be unique")

    def test_is_not_replayed_after_a_minute(self, bot, monkeypatch):
        Account.objects.update(replays_duplicates=True)
        bot.place(client_order_id="mine")
        later = Order.objects.get().placed_at + timedelta(seconds=61)
        monkeypatch.setattr("orders.timing.database_now", lambda: later)

        answer = bot.place(client_order_id="mine")

        check_declined(answer, 422, PARAMETER, "client_order_id must be unique")


BRACKET = {
    "order_class": "bracket",
    "take_profit": {"limit_price": 120},
    "stop_loss": {"stop_price": 90},
}
MARKET = {"type": "market", "limit_price": ...}


class TestRefusal:
    @pytest.mark.parametrize(
        ("changes", "status", "code", "message"),
        [
            ({"symbol": ...}, 422, PARAMETER, "symbol is required"),
            ({"qty": ...}, 422, PARAMETER, "qty or notional is required"),
            ({"notional": 5}, 422, PARAMETER, "only one of qty or notional is accepted"),
            ({"qty": 0}, 422, PARAMETER, "qty must be > 0"),
            ({"qty": -1}, 422, PARAMETER, "qty must be > 0"),
            ({"qty": "NaN"}, 422, PARAMETER, "invalid qty"),
            ({"qty": True}, 422, PARAMETER, "invalid qty"),
            ({"qty": "1e500"}, 422, PARAMETER, "qty is out of range"),
            ({"qty": 1e300}, 422, PARAMETER, "qty is out of range"),
            ({"qty": 0.30000000000000004}, 422, PARAMETER, "qty must have at most 9 decimals"),
            ({"notional": 0, "qty": ...}, 422, PARAMETER, "notional must be > 0"),
            ({"side": ...}, 422, PARAMETER, "side is required"),
            ({"side": "long"}, 422, PARAMETER, "invalid side"),
            ({"side": ["buy"]}, 422, PARAMETER, "invalid side"),
            ({"type": ...}, 422, PARAMETER, "type is required"),
            ({"type": "iceberg"}, 422, PARAMETER, "invalid order type"),
            ({"time_in_force": ...}, 422, PARAMETER, "time_in_force is required"),
            ({"time_in_force": "gtd"}, 422, PARAMETER, "invalid time_in_force"),
            ({"limit_price": ...}, 422, PARAMETER, "limit orders require a limit price"),
            ({"type": "stop_limit"}, 422, PARAMETER,
             "stop limit orders require both stop and limit price"),
            ({"type": "stop", "limit_price": ...}, 422, PARAMETER,
             "stop orders require a stop price"),
            ({"type": "market"}, 422, PARAMETER,
             "market orders require no stop or limit price"),
            ({"stop_price": 90}, 422, PARAMETER, "limit orders require no stop price"),
            ({"type": "trailing_stop", "limit_price": ...}, 422, PARAMETER,
             "trailing stop orders must specify one of trail_price or trail_percent"),
            ({"type": "trailing_stop", "limit_price": ..., "trail_price": 1, "trail_percent": 1},
             422, PARAMETER, "only one of trail_price or trail_percent is accepted"),
            ({"trail_price": 1}, 422, PARAMETER, "trail_price is not accepted"),
            ({"limit_price": 290.123}, 422, RULE,
             "invalid limit_price 290.123. sub-penny increment does not fulfill minimum"),
            ({"limit_price": 0.30000000000000004}, 422, RULE,
             "invalid limit_price 0.30000000000000004. sub-penny increment"),
            ({**BRACKET, "stop_loss": {"stop_price": 90.001}}, 422, RULE,
             "invalid stop_loss.stop_price 90.001. sub-penny increment"),
            ({"client_order_id": "x" * 129}, 422, PARAMETER,
             "client_order_id must be no more than 128 characters"),
            ({"client_order_id": "a b"}, 422, PARAMETER, "invalid client_order_id"),
            ({"client_order_id": 7}, 422, PARAMETER, "invalid client_order_id"),
            ({"stop_loss": {"stop_price": 90}}, 422, PARAMETER,
             "stop_loss is not accepted without order_class bracket, oco or oto"),
            ({"order_class": "mleg"}, 422, PARAMETER, "invalid order_class"),
            ({"legs": [{"symbol": "ACME"}]}, 422, PARAMETER, "invalid order_class"),
            ({**BRACKET, "take_profit": ...}, 422, PARAMETER,
             "bracket orders require take_profit.limit_price"),
            ({**BRACKET, "stop_loss": None}, 422, PARAMETER,
             "bracket orders require stop_loss.stop_price"),
            ({**BRACKET, "stop_loss": {"limit_price": 89}}, 422, PARAMETER,
             "stop_loss.stop_price is required"),
            ({**BRACKET, "stop_loss": {"stop_pirce": 89}}, 422, PARAMETER,
             "stop_loss.stop_pirce is not accepted"),
            ({**BRACKET, "stop_loss": 90}, 422, PARAMETER, "invalid stop_loss"),
            ({**BRACKET, "order_class": "oto"}, 422, PARAMETER,
             "only one of take_profit or stop_loss is accepted"),
            ({"order_class": "oto"}, 422, PARAMETER,
             "oto orders require one of take_profit or stop_loss"),
            ({"order_class": "oco", "side": "sell", **MARKET, "stop_loss": {"stop_price": 90}}, 422,
             PARAMETER, "oco orders must be limit orders"),
            ({**BRACKET, "type": "stop", "limit_price": ..., "stop_price": 100}, 422, PARAMETER,
             "bracket orders must be market or limit orders"),
            ({**BRACKET, "position_intent": "buy_to_close"}, 422, RULE,
             "bracket orders must be entry orders"),
            ({**BRACKET, "take_profit": {"limit_price": 99.5}}, 422, RULE,
             "take_profit.limit_price must be >= base_price + 0.01"),
            ({**BRACKET, "stop_loss": {"stop_price": 99.5}}, 422, RULE,
             "stop_loss.stop_price must be <= base_price - 0.01"),
            ({**BRACKET, **MARKET, "take_profit": {"limit_price": 90}}, 422, RULE,
             "take_profit.limit_price must be beyond stop_loss.stop_price"),
            ({"extended_hours": True, "time_in_force": "ioc"}, 422, RULE,
             "extended hours order must be DAY or GTC limit orders"),
            ({"extended_hours": True, "type": "stop", "limit_price": ..., "stop_price": 9}, 422,
             RULE, "stop orders are not eligible for extended hours trading"),
            ({"extended_hours": "yes"}, 422, PARAMETER, "invalid extended_hours"),
            ({"qty": 1.5, "time_in_force": "gtc"}, 422, RULE,
             "fractional orders must be DAY orders"),
            ({**BRACKET, "qty": 1.5}, 422, RULE, "fractional orders must be simple orders"),
            ({"qty": 1.5, "side": "sell", "position_intent": "sell_to_open"}, 422, RULE,
             "fractional orders cannot be sold short"),
            ({"position_intent": "sell_to_open"}, 422, RULE,
             "position intent mismatch, inferred: buy_to_open, specified: sell_to_open"),
            ({"position_intent": "hold"}, 422, PARAMETER, "invalid position_intent"),
            ({"limit_pirce": 5}, 422, PARAMETER, "limit_pirce is not accepted"),
            ({"symbol": "X" * 40}, 422, RULE, 'asset "' + "X" * 40 + '" not found'),
        ],
    )  # fmt: skip
    def test_names_the_rule(self, bot, changes, status, code, message):
        answer = bot.place(**changes)

        check_declined(answer, status, code, message)
        assert not Order.objects.exists()

    def test_tells_the_base_price(self, bot):
        answer = bot.place(**BRACKET | {"take_profit": {"limit_price": 99}})

        assert answer.told["base_price"] == "99.5"

    def test_of_a_short_bracket_is_mirrored(self, bot):
        answer = bot.place(
            **BRACKET
            | {
                "side": "sell",
                "stop_loss": {"stop_price": 95},
                "take_profit": {"limit_price": 90},
            }
        )

        check_declined(answer, 422, RULE, "stop_loss.stop_price must be >= base_price + 0.01")

    def test_of_a_halted_account(self, bot):
        Account.objects.update(halted_at=bot.account.created_at, halt_reason="Enough.")

        check_declined(bot.place(), 403, FORBIDDEN, "new orders are rejected by user request")

    def test_of_a_closed_account(self, bot):
        Account.objects.update(is_open=False)

        check_declined(bot.place(), 403, FORBIDDEN, "account is closed")

    @pytest.mark.parametrize(
        "body",
        [
            "", "{", "[]", "null", '"x"', "1", "[" * 5000, '{"qty": 1, "qty": 2}', "{\"a\": nope}",
            b"\xff\xfe", '{"symbol": NaN}',
        ],
        ids=repr,
    )  # fmt: skip
    def test_of_what_is_no_order(self, bot, body):
        answer = bot.ask("POST", "orders", body)

        assert answer.status_code in {400, 422}
        check_declined(answer, answer.status_code, answer.told["code"])
        assert str(answer.told["code"]).startswith("400100") or answer.told["code"] == 40000000

    @pytest.mark.parametrize(
        "value", [[], {}, True, 1, "x" * 5000, "n\0l", "ü", "\ud800", {"a": [1]}], ids=repr
    )
    @pytest.mark.parametrize("name", sorted(an_order() | BRACKET | {"position_intent": ""}))
    def test_of_whatever_else_is_sent(self, bot, name, value):
        answer = bot.ask("POST", "orders", json.dumps(an_order(**BRACKET | {name: value})))

        assert answer.status_code in {200, 422}, answer.told
        if answer.status_code == 422:
            check_declined(answer, 422, answer.told["code"])


def test_an_order_in_doubt_is_answered_200_and_stays_open(bot, broker):
    broker.script = [OutcomeUnknown("504 Gateway Timeout")]
    placed = bot.place(client_order_id="doubtful")
    sending.send(UUID(placed.told["id"]))

    told = bot.get("orders:by_client_order_id?client_order_id=doubtful").told

    assert (told["status"], told["blotter"]["in_doubt"]) == ("pending_new", True)
    assert [order["id"] for order in bot.get("orders").told] == [told["id"]]


def test_a_fault_of_ours_is_no_gateway_timeout(bot, monkeypatch):
    monkeypatch.setattr(placing, "place", lambda *args, **kwargs: 1 / 0)

    check_declined(bot.place(), 500, 50010000)

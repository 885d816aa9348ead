"""/v2/positions: what is held, and closing it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from brokers.errors import OutcomeUnknown
from brokers.vocabulary import OrderType, PositionEffect, Side
from orders import asking, closing, sending
from orders.api.alpaca import holding, naming
from orders.asking import NoAnswer
from orders.models import Execution, Order
from tests.api.alpaca.conftest import a_bot, check_declined
from tests.factories import OrderFactory

FORBIDDEN = 40310000


def traded(account, quantity="10", price="90", *, symbol="ACME", side=Side.BUY, **changes):
    """Have an account trade so much, and return the execution."""
    order = OrderFactory(account=account, filled=True, symbol=symbol, side=side)
    now = timezone.now()
    fact = {
        "account": account,
        "order": order,
        "broker_order_id": order.broker_order_id,
        "execution_id": f"E{Execution.objects.count()}",
        "trade_date": now.date(),
        "kind": "fill",
        "symbol": symbol,
        "side": side,
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "executed_at": now,
        "heard": "poll",
        "heard_at": now,
    }
    return Execution.objects.create(**fact | changes)


class TestPositions:
    def test_golden(self, bot):
        traded(bot.account)
        traded(bot.account, symbol="BTC/USD", quantity="0.5", price="17000.1", side=Side.SELL)
        traded(bot.account, symbol="FLAT")
        traded(bot.account, symbol="FLAT", side=Side.SELL)

        answer = bot.get("positions")

        assert answer.status_code == 200
        assert answer.told == [
            {
                "asset_id": naming.asset_id("ACME"),
                "symbol": "ACME",
                "exchange": "",
                "asset_class": "us_equity",
                "asset_marginable": False,
                "qty": "10",
                "qty_available": "10",
                "avg_entry_price": "90",
                "side": "long",
                "market_value": "1000",
                "cost_basis": "900",
                "unrealized_pl": "100",
                "unrealized_plpc": "0.111111111",
                "unrealized_intraday_pl": None,
                "unrealized_intraday_plpc": None,
                "current_price": "100",
                "lastday_price": None,
                "change_today": None,
            },
            {
                "asset_id": naming.asset_id("BTC/USD"),
                "symbol": "BTCUSD",
                "exchange": "CRYPTO",
                "asset_class": "crypto",
                "asset_marginable": False,
                "qty": "-0.5",
                "qty_available": "-0.5",
                "avg_entry_price": "17000.1",
                "side": "short",
                "market_value": None,  # the scripted broker tells no price of it
                "cost_basis": "-8500.05",
                "unrealized_pl": None,
                "unrealized_plpc": None,
                "unrealized_intraday_pl": None,
                "unrealized_intraday_plpc": None,
                "current_price": None,
                "lastday_price": None,
                "change_today": None,
            },
        ]

    def test_are_the_accounts_own(self, bot):
        traded(a_bot().account)

        assert bot.get("positions").told == []

    def test_without_a_price_while_the_broker_is_silent(self, bot, monkeypatch):
        traded(bot.account)

        def silent(*args):
            raise NoAnswer("Silence.")

        monkeypatch.setattr(asking, "quote", silent)

        (told,) = bot.get("positions").told

        assert (told["current_price"], told["market_value"], told["qty"]) == (None, None, "10")

    def test_say_what_no_order_is_there_to_close(self, bot):
        traded(bot.account)
        entry = OrderFactory(
            account=bot.account,
            filled=True,
            order_class="bracket",
            take_profit_price=120,
            stop_loss_price=80,
            strategy="native",
        )
        for leg in ("take_profit", "stop_loss"):
            OrderFactory(
                account=bot.account,
                working=True,
                side=Side.SELL,
                quantity=3,
                parent=entry,
                leg=leg,
                source="leg",
            )
        OrderFactory(account=bot.account, working=True, side=Side.SELL, quantity=4)
        OrderFactory(account=bot.account, working=True, side=Side.BUY, quantity=4)

        assert bot.get("positions").told[0]["qty_available"] == "3"


class TestPosition:
    @pytest.mark.parametrize("name", ["BTC/USD", "BTC%2FUSD", "BTCUSD", naming.asset_id("BTC/USD")])
    def test_by_whatever_name(self, bot, name):
        traded(bot.account, symbol="BTC/USD")

        answer = bot.get(f"positions/{name}")

        assert (answer.status_code, answer.told["symbol"]) == (200, "BTCUSD")

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    @pytest.mark.parametrize("name", ["NONE", "ACME", "x/y/z", "%00", "x" * 300])
    def test_that_is_none(self, bot, method, name):
        traded(a_bot().account)

        answer = bot.ask(method, f"positions/{name}")

        check_declined(answer, 404, 40410000, "position does not exist")


class TestClose:
    def test_all_of_it(self, bot):
        traded(bot.account)

        answer = bot.ask("DELETE", "positions/ACME")

        order = Order.objects.get(source="api")
        assert answer.status_code == 200
        assert answer.headers["X-Blotter-Order"].endswith(f"/orders/{order.id}/")
        told = answer.told
        assert (told["id"], told["symbol"], told["side"]) == (str(order.id), "ACME", "sell")
        assert (told["qty"], told["type"], told["time_in_force"]) == ("10", "market", "day")
        assert (told["position_intent"], told["legs"]) == ("sell_to_close", None)
        assert order.position_effect == PositionEffect.CLOSE

    @pytest.mark.parametrize(
        ("query", "quantity"),
        [
            ("qty=4", "4"),
            ("qty=4.5", "4.5"),
            ("percentage=50", "5"),
            ("percentage=0.5", "0.05"),
            ("percentage=100", "10"),
            ("qty=&percentage=", "10"),
        ],
    )
    def test_a_part_of_it(self, bot, query, quantity):
        traded(bot.account)

        assert bot.ask("DELETE", f"positions/ACME?{query}").told["qty"] == quantity

    @pytest.mark.parametrize(
        ("query", "status", "message"),
        [
            ("qty=11", 403, "insufficient qty available for order (requested: 11, available: 10)"),
            ("qty=0", 422, "qty must be > 0"),
            ("qty=all", 422, "invalid qty"),
            ("percentage=101", 422, "percentage must be <= 100"),
            ("percentage=-1", 422, "percentage must be > 0"),
            ("qty=1&percentage=1", 422, "only one of qty or percentage is accepted"),
        ],
    )
    def test_of_what_can_not_be(self, bot, query, status, message):
        traded(bot.account)

        answer = bot.ask("DELETE", f"positions/ACME?{query}")

        check_declined(answer, status, answer.told["code"], message)
        assert not Order.objects.filter(source="api").exists()

    def test_while_another_order_may_close_it_unseen(self, bot, broker):
        traded(bot.account)
        first = bot.ask("DELETE", "positions/ACME").told
        broker.script = [OutcomeUnknown("silence")]
        sending.send(Order.objects.get(id=first["id"]).id)

        answer = bot.ask("DELETE", "positions/ACME")

        check_declined(answer, 403, FORBIDDEN, "insufficient qty available for order")
        assert answer.told["related_orders"] == [first["id"]]

    def test_by_a_reader(self, bot):
        traded(bot.account)
        reader = a_bot(bot.account, may_trade=False)

        check_declined(reader.ask("DELETE", "positions/ACME"), 403, FORBIDDEN)
        check_declined(reader.ask("DELETE", "positions"), 403, FORBIDDEN)


class TestCloseAll:
    @pytest.fixture(autouse=True)
    def _waits_for_nobody(self, monkeypatch):
        monkeypatch.setattr(holding, "CANCELED_WITHIN", 0.0)

    def test_says_of_each_what_became_of_it(self, bot, monkeypatch):
        traded(bot.account)
        traded(bot.account, symbol="BTC/USD", quantity="0.5", side=Side.SELL)

        answer = bot.ask("DELETE", "positions")

        assert answer.status_code == 207
        assert [(one["symbol"], one["status"]) for one in answer.told] == [
            ("ACME", 200),
            ("BTCUSD", 200),
        ]
        assert [one["body"]["side"] for one in answer.told] == ["sell", "buy"]

    def test_has_a_body_for_what_fails(self, bot):
        traded(bot.account)
        OrderFactory(
            account=bot.account,
            sending=True,
            side=Side.SELL,
            order_type=OrderType.MARKET,
            limit_price=None,
        )

        (told,) = bot.ask("DELETE", "positions").told

        assert (told["symbol"], told["status"], told["body"]["code"]) == ("ACME", 403, FORBIDDEN)

    def test_of_nothing(self, bot):
        answer = bot.ask("DELETE", "positions")

        assert (answer.status_code, answer.told) == (207, [])

    @pytest.mark.parametrize(
        ("query", "asked"),
        [("", False), ("?cancel_orders=", False), ("?cancel_orders=False", False),
         ("?cancel_orders=True", True), ("?cancel_orders=true", True)],
    )  # fmt: skip
    def test_cancels_orders_if_told_to(self, bot, query, asked):
        order = OrderFactory(account=bot.account, working=True)

        bot.ask("DELETE", f"positions{query}")

        order.refresh_from_db()
        assert (order.cancel_requested_at is not None) is asked

    def test_waits_for_what_is_being_cancelled(self, bot, monkeypatch):
        traded(bot.account)
        order = OrderFactory(account=bot.account, working=True, side=Side.SELL)
        monkeypatch.setattr(holding, "CANCELED_WITHIN", 5.0)
        looks = []

        def gone(seconds):
            looks.append(seconds)
            Order.objects.filter(id=order.id).update(status="canceled")

        monkeypatch.setattr(holding.time, "sleep", gone)
        closed = closing.close_all

        def close_all(*args, **asked):
            assert looks
            return closed(*args, **asked)

        monkeypatch.setattr(closing, "close_all", close_all)

        (told,) = bot.ask("DELETE", "positions?cancel_orders=true").told

        assert told["status"] == 200

    def test_wants_a_word_it_knows(self, bot):
        check_declined(bot.ask("DELETE", "positions?cancel_orders=maybe"), 422, 40010001)


class TestActivities:
    def test_golden(self, bot):
        trade = traded(bot.account, quantity="4")

        (told,) = bot.get("account/activities").told

        at = trade.executed_at
        assert told == {
            "id": f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03}"
            f"::00000000-0000-8000-8000-{trade.pk:012x}",
            "activity_type": "FILL",
            "transaction_time": told["transaction_time"],
            "type": "partial_fill",
            "price": "90",
            "qty": "4",
            "side": "buy",
            "symbol": "ACME",
            "leaves_qty": "6",
            "order_id": str(trade.order_id),
            "cum_qty": "4",
            "order_status": "partially_filled",
        }
        assert told["transaction_time"].startswith(f"{at:%Y-%m-%dT%H:%M:%S}")

    def test_say_how_far_their_order_had_come(self, bot):
        first = traded(bot.account, quantity="4")
        now = timezone.now()
        rest = {"order": first.order, "broker_order_id": first.broker_order_id}
        traded(bot.account, quantity="6", **rest, executed_at=now)

        told = bot.get("account/activities/FILL").told

        assert [(one["type"], one["cum_qty"], one["leaves_qty"]) for one in told] == [
            ("fill", "10", "0"),
            ("partial_fill", "4", "6"),
        ]

    def test_are_only_those_that_stand(self, bot):
        busted = traded(bot.account, quantity="4")
        kept = traded(bot.account, quantity="3")
        for trade, kind, quantity in (
            (busted, "bust", "0"),
            (kept, "correct", "5"),
            (kept, "correct", "2"),
        ):
            traded(
                bot.account,
                quantity,
                kind=kind,
                revision=7 - int(quantity),
                order=trade.order,
                broker_order_id=trade.broker_order_id,
                execution_id=trade.execution_id,
            )

        (told,) = bot.get("account/activities").told

        assert told["qty"] == "2"
        # Amended, it is the same trade: whoever adds up trades must not count it twice.
        assert told["id"].endswith(f"{kept.pk:012x}")
        assert bot.get(f"account/activities?page_token={told['id']}").told == []

    def test_are_walked_by_token(self, bot):
        trades = [traded(bot.account, executed_at=timezone.now()) for _ in range(5)]
        wanted = [f"{trade.pk:012x}" for trade in trades]
        for direction, order in (("asc", wanted), ("desc", wanted[::-1])):
            met, token = [], ""
            while page := bot.get(
                f"account/activities?page_size=2&direction={direction}{token}"
            ).told:
                met += [one["id"][-12:] for one in page]
                token = f"&page_token={page[-1]['id']}"

            assert met == order

    def test_of_a_time_and_of_an_order(self, bot):
        old = traded(bot.account, executed_at=timezone.now() - timedelta(days=3))
        new = traded(bot.account)
        day = old.executed_at.date().isoformat()

        for query, wanted in (
            (f"date={day}", [old]),
            (f"after={day}", [new, old]),
            (f"until={day}", []),
            (f"order_id={new.order_id}", [new]),
        ):
            told = bot.get(f"account/activities?{query}").told
            assert [one["order_id"] for one in told] == [str(one.order_id) for one in wanted], query

    @pytest.mark.parametrize(
        "path", ["/DIV", "?activity_types=DIV,INT", "?category=non_trade_activity"]
    )
    def test_that_the_desk_does_not_keep(self, bot, path):
        check_declined(bot.get(f"account/activities{path}"), 404, 40410000, "FILL only")

    @pytest.mark.parametrize(
        "query",
        [
            "page_size=101",
            "page_size=0",
            "page_token=x",
            "page_token=x::1",
            "page_token=20200101000000000::00000000-0000-8000-bfff-ffffffffffff",
            "date=x",
            "date=2020-01-01&until=2020-01-01",
            "direction=up",
            "category=x",
            "category=trade_activity&activity_types=FILL",
        ],
    )
    def test_that_make_no_sense(self, bot, query):
        check_declined(bot.get(f"account/activities?{query}"), 422, 40010001)

    def test_of_others_are_not_there(self, bot):
        other = a_bot()
        theirs = traded(other.account)
        token = other.get("account/activities").told[0]["id"]

        assert bot.get("account/activities").told == []
        check_declined(bot.get(f"account/activities?page_token={token}"), 422, 40010001)
        answer = bot.get(f"account/activities?order_id={theirs.order_id}")
        check_declined(answer, 404, 40410000)

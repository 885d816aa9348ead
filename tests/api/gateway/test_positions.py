"""/v1/positions: what is held, closing it once, and moving what protects it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from brokers.vocabulary import Leg, OrderClass, OrderType, Side, Status
from orders import asking, closing
from orders.api.gateway import awaiting, holding, showing
from orders.asking import NoAnswer
from orders.models import Execution, Order
from orders.states import Submission
from tests.api.alpaca.test_holding import traded
from tests.api.gateway.conftest import Strategy, a_strategy, check_declined
from tests.factories import OrderFactory


def leg_of(account, entry, leg, **changes):
    price = (
        {"stop_price": 80, "limit_price": None} if leg == Leg.STOP_LOSS else {"limit_price": 120}
    )
    kind = OrderType.STOP if leg == Leg.STOP_LOSS else OrderType.LIMIT
    told = {"working": True, "side": Side.SELL, "source": "leg", "order_type": kind}
    return OrderFactory(account=account, parent=entry, leg=leg, **told | price | changes)


def protected(account):
    """Return a filled bracket's entry, its stop and its target."""
    entry = traded(account).order
    legs = [leg_of(account, entry, leg) for leg in (Leg.STOP_LOSS, Leg.TAKE_PROFIT)]
    return entry, *legs


def a_client_of(bot):
    """Return another client with the same key: Django's own serves one thread."""
    return Strategy(bot.account, bot.key, bot.secret)


def closes():
    return Order.objects.filter(source="api").order_by("id")


class TestShown:
    def test_golden(self, bot):
        first = traded(bot.account)
        last = traded(bot.account, quantity="4", price="95", side=Side.SELL)
        traded(bot.account, symbol="BTC/USD", quantity="0.5", price="17000.1", side=Side.SELL)
        traded(bot.account, symbol="FLAT")
        traded(bot.account, symbol="FLAT", side=Side.SELL)

        answer = bot.get("positions")

        assert answer.status_code == 200
        acme, bitcoin = answer.told
        assert acme == {
            "id": "ACME",
            "symbol": "ACME",
            "side": "LONG",
            "quantity": "6",
            "average_entry_price": "90",
            "current_price": "100",
            "unrealized_pnl": "60",
            "realized_pnl": "20",
            "opened_at": showing.moment(first.executed_at),
            "updated_at": showing.moment(last.executed_at),
            "blotter": {"price_from": "quote"},
        }
        assert (bitcoin["side"], bitcoin["quantity"]) == ("SHORT", "0.5")
        # The broker tells no price of it: that of the last trade, and it says so.
        assert bitcoin["current_price"] == "17000.1"
        assert bitcoin["blotter"] == {"price_from": "last_trade"}

    def test_opened_anew(self, bot):
        ago = timezone.now() - timedelta(hours=1)
        traded(bot.account, executed_at=ago)
        traded(bot.account, executed_at=ago + timedelta(minutes=1), side=Side.SELL)
        again = traded(bot.account, executed_at=ago + timedelta(minutes=2), side=Side.SELL)

        told = bot.get("positions/ACME").told

        assert (told["side"], told["opened_at"]) == ("SHORT", showing.moment(again.executed_at))

    def test_by_symbol_and_by_id(self, bot):
        traded(bot.account)
        traded(bot.account, symbol="BTC/USD")

        assert [one["id"] for one in bot.get("positions?symbol=BTC/USD").told] == ["BTC/USD"]
        assert bot.get("positions?symbol=NONE").told == []
        for path in ("positions/BTC/USD", "positions/BTC%2FUSD"):
            assert bot.get(path).told["symbol"] == "BTC/USD"
        check_declined(bot.get("positions/NONE"), 404, "POSITION_NOT_FOUND", id="NONE")

    def test_are_the_accounts_own(self, bot):
        traded(a_strategy().account)

        assert bot.get("positions").told == []
        check_declined(bot.ask("DELETE", "positions/ACME"), 404, "POSITION_NOT_FOUND")
        assert bot.ask("DELETE", "positions").told == []

    def test_while_the_broker_is_silent(self, bot, monkeypatch):
        traded(bot.account)

        def silent(*args):
            raise NoAnswer("Silence.")

        monkeypatch.setattr(asking, "quote", silent)

        assert bot.get("positions").told[0]["blotter"]["price_from"] == "last_trade"


class TestClose:
    @pytest.mark.parametrize("body", [None, {}, {"cancel_associated_orders": True}])
    def test_whole(self, bot, body):
        traded(bot.account)

        answer = bot.ask("DELETE", "positions/ACME", body)

        assert answer.status_code == 200, answer.told
        (order,) = closes()
        assert answer.told["id"] == str(order.id)
        assert answer.told["status"] == "PENDING"
        assert (order.side, order.quantity, order.order_type) == ("sell", 10, "market")

    def test_part(self, bot):
        traded(bot.account)

        bot.ask("DELETE", "positions/ACME", {"quantity": "2.5"})

        assert closes().get().quantity == Decimal("2.5")

    def test_at_a_price(self, bot):
        traded(bot.account)

        answer = bot.ask(
            "DELETE", "positions/ACME", {"order_type": "limit", "limit_price": "101", "quantity": 3}
        )

        assert answer.status_code == 200, answer.told
        order = closes().get()
        assert (order.order_type, order.limit_price) == ("limit", 101)
        assert (order.time_in_force, order.position_effect) == ("gtc", "close")

    def test_the_same_again_is_the_same_order(self, bot):
        """The SDK sends a DELETE again by itself when an answer is lost."""
        traded(bot.account)
        for body in (None, {"quantity": "3"}):
            Order.objects.filter(source="api").update(submission=Submission.WITHDRAWN)
            handles = [bot.ask("DELETE", "positions/ACME", body).told for _ in range(3)]

            assert len({handle["id"] for handle in handles}) == 1, body
        assert closes().count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_the_same_at_the_same_moment_is_the_same_order(self, broker, monkeypatch):
        monkeypatch.setattr(awaiting, "ANSWERED_WITHIN", 0)
        bot = a_strategy()
        traded(bot.account)

        def close(_):
            try:
                return a_client_of(bot).ask("DELETE", "positions/ACME", {"quantity": "3"}).told
            finally:
                connections.close_all()

        with ThreadPoolExecutor(6) as threads:
            handles = list(threads.map(close, range(6)))

        assert len({handle["id"] for handle in handles}) == 1
        assert closes().get().quantity == 3

    def test_a_part_that_has_been_closed_is_not_closed_again(self, bot):
        traded(bot.account)
        first = bot.ask("DELETE", "positions/ACME", {"quantity": "3"}).told
        _fill(bot.account, first["id"], "3")

        again = bot.ask("DELETE", "positions/ACME", {"quantity": "3"}).told

        assert (again["id"], again["status"]) == (first["id"], "FILLED")
        assert bot.get("positions/ACME").told["quantity"] == "7"

    def test_the_whole_that_has_been_closed_is_told_again(self, bot):
        traded(bot.account)
        first = bot.ask("DELETE", "positions/ACME").told
        _fill(bot.account, first["id"], "10")

        again = bot.ask("DELETE", "positions/ACME")

        assert (again.status_code, again.told["id"]) == (200, first["id"])

    def test_what_was_opened_since_is_closed(self, bot):
        traded(bot.account)
        first = bot.ask("DELETE", "positions/ACME").told
        _fill(bot.account, first["id"], "10")
        traded(bot.account, quantity="2")

        again = bot.ask("DELETE", "positions/ACME").told

        assert again["id"] != first["id"]
        assert closes().last().quantity == 2

    def test_what_came_to_nothing_is_asked_for_anew(self, bot):
        traded(bot.account)
        first = bot.ask("DELETE", "positions/ACME", {"quantity": "3"}).told
        Order.objects.filter(id=first["id"]).update(submission=Submission.WITHDRAWN)

        assert bot.ask("DELETE", "positions/ACME", {"quantity": "3"}).told["id"] != first["id"]

    def test_another_wish_is_another_order(self, bot):
        traded(bot.account)
        ids = {
            bot.ask("DELETE", "positions/ACME", body, **headers).told["id"]
            for body, headers in (
                ({"quantity": "1"}, {}),
                ({"quantity": "2"}, {}),
                ({"quantity": "1"}, {"Idempotency-Key": "a"}),
                ({"quantity": "1"}, {"Idempotency-Key": "b"}),
                ({"quantity": "1"}, {"Idempotency-Key": "b"}),
            )
        }

        assert len(ids) == 4
        other = a_strategy(bot.account)
        assert other.ask("DELETE", "positions/ACME", {"quantity": "1"}).told["id"] not in ids

    def test_long_after_it_is_another_wish(self, bot, monkeypatch):
        traded(bot.account)
        first = bot.ask("DELETE", "positions/ACME", {"quantity": "1"}).told
        monkeypatch.setattr(holding, "SAME_WITHIN", timedelta(0))

        assert bot.ask("DELETE", "positions/ACME", {"quantity": "1"}).told["id"] != first["id"]

    def test_cancels_its_legs_first(self, bot, monkeypatch):
        monkeypatch.setattr(holding, "CANCELED_WITHIN", 0)
        _, stop, target = protected(bot.account)

        assert bot.ask("DELETE", "positions/ACME", {"quantity": "1"}).status_code == 200
        stop.refresh_from_db()
        assert stop.cancel_requested_at is None
        bot.ask("DELETE", "positions/ACME", {"cancel_associated_orders": False})
        stop.refresh_from_db()
        assert stop.cancel_requested_at is None
        Order.objects.filter(source="api").update(submission=Submission.WITHDRAWN)
        assert bot.ask("DELETE", "positions/ACME").status_code == 200
        for leg in (stop, target):
            leg.refresh_from_db()
            assert leg.cancel_requested_at is not None

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"quantity": "11"}, 400, "INVALID_VALUE"),
            ({"quantity": "0"}, 400, "VALIDATION_ERROR"),
            ({"quantity": "x"}, 400, "INVALID_REQUEST"),
            ({"order_type": "LIMIT"}, 400, "INVALID_REQUEST"),
            ({"limit_price": "1"}, 400, "INVALID_VALUE"),
            ({"order_type": "STOP"}, 501, "UNSUPPORTED_OPERATION"),
            ({"order_type": "x"}, 400, "INVALID_REQUEST"),
            ({"cancel_associated_orders": "yes"}, 400, "INVALID_REQUEST"),
            ({"qty": "1"}, 400, "INVALID_REQUEST"),
        ],
    )
    def test_bodies_that_make_no_sense(self, bot, body, status, code):
        traded(bot.account)

        check_declined(bot.ask("DELETE", "positions/ACME", body), status, code)
        assert not closes().exists()

    def test_not_while_another_order_may_close_it_unseen(self, bot):
        traded(bot.account)
        OrderFactory(account=bot.account, unknown=True, side=Side.SELL)

        check_declined(bot.ask("DELETE", "positions/ACME"), 409, "POSITION_IN_DOUBT")

    def test_records_lost_meanwhile_are_no_reason_to_ask_again_by_itself(self, bot, monkeypatch):
        traded(bot.account)

        def gone(*args, **kwargs):
            raise OperationalError("gone")

        monkeypatch.setattr(closing, "close", gone)

        for path in ("positions/ACME", "positions"):
            check_declined(bot.ask("DELETE", path), 500, "INTERNAL_ERROR", outcome="unknown")


class TestCloseAll:
    def test_each_by_itself(self, bot):
        traded(bot.account)
        traded(bot.account, symbol="OTHER", side=Side.SELL)

        answer = bot.ask("DELETE", "positions")

        assert answer.status_code == 200
        assert [one["id"] for one in answer.told] == [str(order.id) for order in closes()]
        assert bot.ask("DELETE", "positions").told == answer.told
        assert closes().count() == 2

    def test_of_one_symbol(self, bot):
        traded(bot.account)
        traded(bot.account, symbol="OTHER")

        assert len(bot.ask("DELETE", "positions?symbol=OTHER").told) == 1
        assert closes().get().symbol == "OTHER"

    def test_when_flat(self, bot):
        assert bot.ask("DELETE", "positions").told == []

    def test_says_what_stays_open(self, bot):
        traded(bot.account)
        traded(bot.account, symbol="OTHER")
        OrderFactory(account=bot.account, unknown=True, side=Side.SELL)

        answer = bot.ask("DELETE", "positions")

        check_declined(answer, 409, "POSITION_IN_DOUBT", "ACME")
        details = answer.told["details"]
        assert [one["id"] for one in details["closed"]] == [str(closes().get().id)]
        assert [one["position_id"] for one in details["failed"]] == ["ACME"]


class TestProtection:
    def test_is_moved(self, bot):
        _, stop, target = protected(bot.account)

        answer = bot.ask("PATCH", "positions/ACME", {"stop_loss": "85", "take_profit": 130})

        assert answer.status_code == 200, answer.told
        new_stop, new_target = (Order.objects.get(replaces=leg) for leg in (stop, target))
        assert (new_stop.stop_price, new_target.limit_price) == (85, 130)
        assert answer.told == {
            "position_id": "ACME",
            "stop_loss": {"order_ids": [str(new_stop.id)], "trigger_price": "85"},
            "take_profit": {"order_ids": [str(new_target.id)], "trigger_price": "130"},
        }

    def test_where_it_already_is(self, bot):
        _, stop, _ = protected(bot.account)

        answer = bot.ask("PATCH", "positions/ACME", {"stop_loss": "80"})

        assert answer.told["stop_loss"]["order_ids"] == [str(stop.id)]
        assert not Order.objects.filter(replaces=stop).exists()

    def test_of_an_order_that_is_its_own_target(self, bot):
        traded(bot.account)
        target = OrderFactory(
            account=bot.account, working=True, side=Side.SELL, limit_price=120,
            order_class=OrderClass.OCO, stop_loss_price=80, strategy="native",
        )  # fmt: skip

        answer = bot.ask("PATCH", "positions/ACME", {"take_profit": "125"})

        assert answer.status_code == 200, answer.told
        assert Order.objects.get(replaces=target).limit_price == 125

    def test_where_there_is_none(self, bot):
        traded(bot.account)

        answer = bot.ask("PATCH", "positions/ACME", {"stop_loss": "85"})

        check_declined(answer, 409, "ORDER_NOT_MODIFIABLE", leg_type="stop_loss")

    def test_that_can_not_be_moved_says_what_has_moved(self, bot):
        _, stop, target = protected(bot.account)
        Order.objects.filter(id=target.id).update(cancel_requested_at=target.placed_at)

        answer = bot.ask("PATCH", "positions/ACME", {"stop_loss": "85", "take_profit": "130"})

        check_declined(answer, 409, "ORDER_NOT_MODIFIABLE", leg_type="take_profit")
        moved = answer.told["details"]["moved"]["stop_loss"]["order_ids"]
        assert moved == [str(Order.objects.get(replaces=stop).id)]

    @pytest.mark.parametrize("body", [{}, {"stop": "1"}, {"stop_loss": "x"}])
    def test_bodies_that_make_no_sense(self, bot, body):
        protected(bot.account)

        check_declined(bot.ask("PATCH", "positions/ACME", body), 400, "INVALID_REQUEST")

    def test_of_nothing(self, bot):
        answer = bot.ask("PATCH", "positions/ACME", {"stop_loss": "85"})

        check_declined(answer, 404, "POSITION_NOT_FOUND")


def _fill(account, order_id, quantity):
    """Have an order of the account filled, at 100."""
    order = Order.objects.get(id=order_id)
    amount = Decimal(quantity)
    Order.objects.filter(id=order_id).update(
        submission=Submission.ACCEPTED,
        status=Status.FILLED,
        raw_status="filled",
        broker_order_id=f"B-{order.wire_id}",
        filled_quantity=amount,
        filled_value=amount * 100,
        average_price=100,
        claimed_quantity=amount,
    )
    now = timezone.now()
    Execution.objects.create(
        account=account,
        order=order,
        broker_order_id=f"B-{order.wire_id}",
        execution_id="F",
        trade_date=now.date(),
        kind="fill",
        symbol=order.symbol,
        side=order.side,
        quantity=amount,
        price=100,
        executed_at=now,
        heard="poll",
        heard_at=now,
    )

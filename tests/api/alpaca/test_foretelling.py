"""Legs in the answer to a POST: what they are to be, under the ids that they will have."""

from __future__ import annotations

from uuid import UUID

import pytest

from brokers.vocabulary import Leg, OrderClass
from orders.ids import foretold_id, uuid7
from orders.models import Order
from tests.api.alpaca.conftest import a_bot, check_declined
from tests.api.alpaca.test_examples import Desk, buys, desk, sells  # noqa: F401
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db
LEGS = {"take_profit": {"limit_price": 400.0}, "stop_loss": {"stop_price": 300.0}}


def ids(order):
    return {leg["type"]: leg["id"] for leg in order["legs"]}


def test_have_the_ids_that_they_will_have(desk):  # noqa: F811
    desk.prices(SPY="350")

    made = desk.bot.ask("POST", "orders", buys("SPY", 5, order_class="bracket", **LEGS)).told
    early = desk.order(made["id"])
    desk.work()
    now = desk.order(made["id"])

    assert len(set(ids(made).values())) == 2
    assert ids(made) == ids(early) == ids(now)
    for one in made["legs"]:
        then = desk.order(one["id"])
        assert {"new", "held"} >= {one["status"], then["status"]}
        kept = ("side", "type", "qty", "limit_price", "stop_price", "time_in_force", "order_class")
        assert {name: one[name] for name in kept} == {name: then[name] for name in kept}
        assert one["blotter"]["reason"] == "The broker has not told of it yet."
        assert then["blotter"]["reason"] == ""


def test_of_an_oco_it_is_the_stop(desk):  # noqa: F811
    desk.prices(AAPL="318")
    desk.submit(**buys("AAPL"))
    terms = sells("AAPL", type="limit", time_in_force="gtc", order_class="oco")
    legs = {"take_profit": {"limit_price": 320}, "stop_loss": {"stop_price": 317}}

    made = desk.bot.ask("POST", "orders", terms | legs).told
    desk.work()

    ((kind, leg_id),) = ids(made).items()
    assert kind == "stop"
    assert ids(desk.order(made["id"])) == {"stop": leg_id}
    assert made["legs"][0]["side"] == "sell"


def test_a_replacement_shows_the_legs_of_what_it_replaces(desk):  # noqa: F811
    desk.prices(SPY="351")
    entry = buys("SPY", 5, type="limit", limit_price=350, order_class="bracket", **LEGS)
    old = desk.submit(**entry)

    new = desk.bot.ask("PATCH", f"orders/{old['id']}", {"limit_price": 349}).told

    assert ids(new) == ids(old)
    assert len(ids(new)) == 2


class TestUntold:
    @pytest.fixture
    def entry(self, bot):
        return OrderFactory(
            account=bot.account,
            order_class=OrderClass.BRACKET,
            take_profit_price=400,
            stop_loss_price=300,
            strategy="native",
        )

    def leg(self, entry):
        return foretold_id(entry.id, Leg.TAKE_PROFIT)

    def test_can_be_read(self, bot, entry):
        answer = bot.get(f"orders/{self.leg(entry)}")

        assert (answer.status_code, answer.told["status"]) == (200, "held")
        assert answer.told["id"] == str(self.leg(entry))
        assert answer.told["blotter"]["parent"] == str(entry.id)
        assert str(entry.id) in answer.headers["X-Blotter-Order"]

    def test_is_not_to_be_changed_yet(self, bot, entry):
        for method in ("PATCH", "DELETE"):
            answer = bot.ask(method, f"orders/{self.leg(entry)}", {})

            check_declined(answer, 422, 42210000, "order is in held status")

    def test_is_its_accounts_own(self, bot, entry):
        check_declined(a_bot().get(f"orders/{self.leg(entry)}"), 404, 40410000)

    @pytest.mark.parametrize("word", ["canceled", "rejected", "expired"])
    def test_goes_with_its_entry(self, bot, entry, word):
        Order.objects.update(submission="accepted", status=word, broker_order_id="B")

        told = bot.get(f"orders/{entry.id}?nested=true").told

        assert [leg["status"] for leg in told["legs"]] == [word] * 2
        assert bot.get(f"orders/{self.leg(entry)}").told["status"] == word

    def test_waits_while_a_part_has_filled(self, bot, entry):
        filled = {
            "filled_quantity": 1,
            "filled_value": 350,
            "average_price": 350,
            "claimed_quantity": 1,
        }
        Order.objects.update(
            submission="accepted", status="canceled", broker_order_id="B", **filled
        )

        told = bot.get(f"orders/{entry.id}?nested=true").told

        assert [leg["status"] for leg in told["legs"]] == ["held"] * 2

    def test_is_none_of_an_order_without(self, bot):
        order = OrderFactory(account=bot.account)

        assert bot.get(f"orders/{order.id}?nested=true").told["legs"] is None
        check_declined(bot.get(f"orders/{self.leg(order)}"), 404, 40410000)

    def test_only_the_first_of_its_kind_was_foretold(self, bot, entry):
        first = Order.objects.id_for(entry, Leg.TAKE_PROFIT)
        OrderFactory(account=bot.account, id=first, parent=entry, leg=Leg.TAKE_PROFIT, source="leg")

        assert first == self.leg(entry)
        assert Order.objects.id_for(entry, Leg.TAKE_PROFIT) != first
        assert Order.objects.id_for(entry, Leg.STOP_LOSS) == foretold_id(entry.id, Leg.STOP_LOSS)
        (told, foretold) = bot.get(f"orders/{entry.id}?nested=true").told["legs"]
        assert (told["id"], foretold["id"]) == (
            str(first),
            str(foretold_id(entry.id, Leg.STOP_LOSS)),
        )


def test_ids_sort_with_their_parents():
    parents = [UUID(int=uuid7().int + (number << 80)) for number in range(3)]

    made = [foretold_id(parent, leg) for parent in parents for leg in Leg]

    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {7}
    assert [one.int >> 80 for one in made] == [p.int >> 80 for p in parents for _ in Leg]

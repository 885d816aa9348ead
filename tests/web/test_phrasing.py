"""Orders of every kind in words: their rows, their own pages, their stories, their replaces."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers import registry
from brokers.messages import StopLoss, TakeProfit
from brokers.vocabulary import OrderType, Side, TimeInForce
from orders.models import Order
from orders.web import saying
from tests.factories import OrderFactory, place
from tests.fakes import PASSPORT
from tests.web.conftest import HTMX

D = Decimal
TRAILING = {"order_type": OrderType.TRAILING_STOP, "limit_price": None, "side": Side.SELL}
UNTIL = datetime(2031, 5, 6, 20, tzinfo=UTC)

KINDS = [
    ({"quantity": None, "notional": D(1250)}, "$1,250", "$1,250 of ACME"),
    ({"side": "sell", "position_effect": "open"}, "Sell short", "Sell short</span> 10 ACME"),
    ({"side": "buy", "position_effect": "close"}, "Buy to cover", "Buy to cover</span> 10 ACME"),
    ({**TRAILING, "trail_percent": D(1)}, "1 %", "trailing 1 %"),
    ({**TRAILING, "trail_price": D("2.5")}, "2.50", "trailing 2.50"),
    (
        {
            **TRAILING,
            "trail_percent": D(1),
            "trailing_stop_price": D(99),
            "high_water_mark": D(100),
        },
        "trails 1 %, stop now 99.00, best 100.00",
        "trails 1 %, stop now 99.00, best 100.00",
    ),
    (
        {"time_in_force": TimeInForce.GTD, "expires_at": UNTIL},
        "GTD",
        "good till 2031-05-06 20:00 UTC",
    ),
    ({"extended_hours": True}, "LMT", "also outside regular hours"),
    (
        {"order_class": "oto", "strategy": "native", "stop_loss_price": D(95)},
        "one leg",
        "To come: stop 95.00.",
    ),
]


@pytest.mark.parametrize(("terms", "in_row", "on_page"), KINDS, ids=lambda one: str(one)[:40])
def test_says_what_it_is(page, account, terms, in_row, on_page):
    order = OrderFactory(account=account, working=True, **terms)

    assert in_row in page.get(f"/orders/{order.id}/row", headers=HTMX).text
    assert on_page in page.get(f"/orders/{order.id}/").text


def test_how_much_of_an_order_for_money_is_filled(page, account):
    order = OrderFactory(
        account=account,
        part_filled=True,
        quantity=None,
        notional=D(1000),
        filled_value=D(398),
    )

    text = page.get(f"/orders/{order.id}/").text

    assert "<b>$398</b> of $1,000 filled: 4 ACME" in text
    assert "to go" not in text


@pytest.mark.django_db(transaction=True)
class TestStory:
    def story(self, page, account, **terms):
        order = place(account, **terms)
        return page.get(f"/orders/{order.id}/").context["steps"][-1].says

    def test_of_a_bracket(self, page, account):
        said = self.story(
            page,
            account,
            order_class="bracket",
            take_profit=TakeProfit(limit_price=D(110)),
            stop_loss=StopLoss(stop_price=D(95), limit_price=D("94.5")),
        )

        assert said == (
            "Recorded here: buy 10 ACME limit 99.5 DAY, target 110, stop 95,"
            " that stop's limit 94.5."
        )

    def test_of_money(self, page, account):
        said = self.story(page, account, quantity=None, notional=D(250))

        assert said == "Recorded here: buy $250 of ACME limit 99.5 DAY."

    def test_of_a_trailing_stop(self, page, account):
        said = self.story(page, account, **TRAILING, trail_percent=D("1.5"))

        assert said == "Recorded here: sell 10 ACME trailing 1.5 % DAY."

    def test_of_what_no_sentence_was_written_for(self):
        event = type("Event", (), {"action": "order.leg_resized", "after": {"leg": "stop_loss"}})
        tone, icon, sentence = saying.telling(event.action)

        assert sentence(event, None) == "Its stop loss: resized."
        assert (tone, icon) == ("working", "swap")
        assert saying.telling("order.somersault")[2](event, None) == event.action


class TestReplace:
    def test_of_a_trailing_stop_asks_for_its_trail(self, page, account):
        order = OrderFactory(account=account, working=True, **TRAILING, trail_percent=D(2))

        fields = page.get(f"/orders/{order.id}/replace", headers=HTMX).context["form"].fields

        assert set(fields) == {"quantity", "trail_percent", "intent"}

    @pytest.mark.django_db(transaction=True)
    def test_carries_the_new_trail_to_the_new_order(self, page, account):
        order = OrderFactory(account=account, working=True, **TRAILING, trail_percent=D(2))
        told = {"quantity": "10", "trail_percent": "1.5"}

        shown = page.post(f"/orders/{order.id}/replace", told, headers=HTMX)
        assert "<b>1.50</b>" in shown.text
        told["intent"] = str(shown.context["intent"])
        page.post(f"/orders/{order.id}/replace/confirm", told, headers=HTMX)

        assert Order.objects.latest("id").trail_percent == D("1.5")

    def test_what_the_broker_can_not_change_is_not_offered(self, page, account, monkeypatch):
        terms = replace(PASSPORT, replaceable=frozenset({"quantity"}))
        monkeypatch.setattr(registry, "passport", lambda _name: terms)
        order = OrderFactory(account=account, working=True)

        fields = page.get(f"/orders/{order.id}/replace", headers=HTMX).context["form"].fields

        assert set(fields) == {"quantity", "intent"}

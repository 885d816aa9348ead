"""A bracket on its pages: entry and legs together, and what protects what is held."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from brokers.vocabulary import Leg, OrderType, Status
from orders import alarming
from orders.models import Incident, Order, Severity
from tests.factories import AccountFactory, OrderFactory
from tests.web.conftest import HTMX

D = Decimal
LEGS = {
    "order_class": "bracket",
    "strategy": "native",
    "take_profit_price": D(110),
    "stop_loss_price": D(95),
}


def an_entry(account, *, filled=40, **changes):
    terms = {
        "quantity": D(40),
        "filled_quantity": D(filled),
        "filled_value": D(filled * 100),
        "average_price": D(100) if filled else None,
        "claimed_quantity": D(filled),
        "status": Status.FILLED if filled == 40 else Status.PARTIALLY_FILLED,
    }
    return OrderFactory(account=account, working=True, **LEGS, **(terms | changes))


def a_leg(entry, leg, *, status=Status.NEW, **changes):
    terms = {"quantity": D(40), "limit_price": D(110)}
    if leg is Leg.STOP_LOSS:
        terms |= {"order_type": OrderType.STOP, "limit_price": None, "stop_price": D(95)}
    return OrderFactory(
        account=entry.account,
        side="sell",
        parent=entry,
        leg=leg,
        working=True,
        status=status,
        raw_status=str(status),
        source="leg",
        **(terms | changes),
    )


@pytest.fixture
def entry(account):
    return an_entry(account)


@pytest.fixture
def legs(entry):
    return a_leg(entry, Leg.TAKE_PROFIT), a_leg(entry, Leg.STOP_LOSS)


def text(page, order):
    return page.get(f"/orders/{order.id}/").text


def protection(page, order):
    return page.get(f"/orders/{order.id}/").context["family"].protection


class TestFamily:
    def test_is_shown_on_the_page_of_each_of_its_orders(self, page, entry, legs):
        for order in (entry, *legs):
            shown = text(page, order)
            for one in (entry, *legs):
                assert f'href="/orders/{one.id}/"' in shown
            assert shown.count('aria-current="true"') == 1

    def test_a_leg_names_its_parent(self, page, entry, legs):
        assert f'Stop of <a href="/orders/{entry.id}/">buy 40 ACME</a>' in text(page, legs[1])

    def test_an_order_without_legs_has_none(self, page, account):
        assert "family-title" not in text(page, OrderFactory(account=account, working=True))

    def test_replaced_legs_stay_in_it(self, page, entry, legs):
        old = a_leg(entry, Leg.STOP_LOSS, status=Status.REPLACED, stop_price=D(90))

        shown = text(page, entry)

        assert f'href="/orders/{old.id}/"' in shown
        assert "stop 90.00" in shown

    def test_the_stop_of_a_pair_is_in_it_too(self, page, entry):
        target = a_leg(
            entry, Leg.TAKE_PROFIT, order_class="oco", strategy="native", stop_loss_price=D(95)
        )
        stop = a_leg(target, Leg.STOP_LOSS, status=Status.HELD)

        assert f'href="/orders/{stop.id}/"' in text(page, entry)
        assert f'href="/orders/{entry.id}/"' in text(page, stop)


class TestProtection:
    def test_is_said_with_prices(self, page, entry, legs):
        said = protection(page, entry)

        assert said == "40 of 40 held are protected by the stop at 95.00 and the target at 110.00."

    def test_before_anything_fills_there_is_nothing_to_protect(self, page, account):
        entry = an_entry(account, filled=0, status=Status.NEW)

        assert "nothing to protect yet" in protection(page, entry)
        assert "To come: target 110.00 and stop 95.00." in text(page, entry)

    def test_nothing_is_claimed_that_the_broker_has_not_shown(self, page, entry):
        OrderFactory(
            account=entry.account, side="sell", parent=entry, leg=Leg.STOP_LOSS, unknown=True
        )

        said = protection(page, entry)

        assert said.startswith("0 of 40 held are protected.")
        assert "The stop is not proven over 40." in said

    def test_a_stop_protects_without_its_target(self, page, entry):
        a_leg(entry, Leg.STOP_LOSS)

        said = protection(page, entry)

        assert said == (
            "40 of 40 held are protected by the stop at 95.00. The target is not proven over 40."
        )

    def test_a_target_alone_is_no_protection(self, page, entry):
        a_leg(entry, Leg.TAKE_PROFIT)

        assert protection(page, entry).startswith("0 of 40 held are protected. The stop is not")

    def test_a_leg_covers_what_the_broker_has_shown(self, page, entry, legs):
        Order.objects.filter(id=legs[0].id).update(cancel_requested_at=timezone.now())

        members = page.get(f"/orders/{entry.id}/").context["family"].members

        assert [member.covers for member in members] == [None, None, D(40)]

    def test_legs_held_back_before_the_entry_is_whole_protect_nothing(self, page, account):
        entry = an_entry(account, filled=10)
        for leg in (Leg.TAKE_PROFIT, Leg.STOP_LOSS):
            a_leg(entry, leg, status=Status.HELD)

        said = protection(page, entry)

        assert said.startswith("0 of 10 held are protected.")
        assert "holds the legs back until the entry has filled whole" in said

    def test_what_is_closed_again_is_said(self, page, entry):
        part = {
            "filled_quantity": D(10),
            "filled_value": D(1100),
            "average_price": D(110),
            "status": Status.PARTIALLY_FILLED,
        }
        a_leg(entry, Leg.TAKE_PROFIT, **part)
        a_leg(entry, Leg.STOP_LOSS, quantity=D(30))

        said = protection(page, entry)

        assert said.startswith("30 of 30 held are protected (10 of 40 filled are closed again)")

    def test_its_lack_is_said_since_when(self, page, entry):
        Order.objects.filter(id=entry.id).update(unprotected_since=timezone.now())

        shown = text(page, entry)

        assert "<strong>NOT PROTECTED</strong> since" in shown
        assert "</svg>Not protected</span>" in page.get(f"/orders/{entry.id}/row").text

    def test_an_exit_in_two_says_what_it_does(self, page, account):
        target = OrderFactory(
            account=account,
            side="sell",
            working=True,
            order_class="oco",
            strategy="native",
            stop_loss_price=D(95),
        )
        a_leg(target, Leg.STOP_LOSS, quantity=D(10), status=Status.HELD)

        assert protection(page, target) == "Whichever of the two fills first cancels the other."


@pytest.fixture
def bare(account, entry):
    return alarming.alarm(
        Incident.Kind.UNPROTECTED,
        account=account,
        order=entry,
        severity=Severity.CRITICAL,
        says="40 ACME are without their stop <b>.",
        now=timezone.now(),
    )


PAGES = ["/", "/orders/", "/doubt/", "/executions/", "/positions/", "/incidents/", "/lab/"]
OTHERS = ["/orders/new/", "/reconciliation/", "/brokers/scripted/"]


class TestBanner:
    @pytest.mark.parametrize("path", PAGES + OTHERS)
    def test_is_on_every_page(self, page, bare, entry, path):
        shown = page.get(path).text.split('id="banner"')[1].split("<main")[0]

        assert "NOT PROTECTED" in shown
        assert f"/orders/{entry.id}/" in shown
        assert "Scripted 1" in shown
        assert "40 ACME are without their stop &lt;b&gt;." in shown
        assert f"/incidents/{bare.id}/acknowledge" in shown
        assert f"/orders/{entry.id}/flatten" in shown

    def test_oversold_is_said_too(self, page, account, entry):
        alarming.alarm(
            Incident.Kind.OVERSOLD,
            account=account,
            order=entry,
            severity=Severity.CRITICAL,
            says="The legs closed 5 more.",
            now=timezone.now(),
        )

        shown = page.get("/incidents/banner").text

        assert "OVERSOLD" in shown
        assert "flatten" not in shown

    def test_stays_once_it_is_acknowledged(self, page, bare, trader):
        response = page.post(
            f"/incidents/{bare.id}/acknowledge?then=banner", headers=HTMX, follow=True
        )

        assert "Seen by ana" in response.text
        assert "NOT PROTECTED" in response.text
        assert "acknowledge" not in response.text

    def test_goes_when_it_is_over(self, page, bare):
        alarming.settle(bare.kind, subject=bare.subject, outcome="Over.", now=timezone.now())

        assert "NOT PROTECTED" not in page.get("/").text

    def test_other_incidents_are_not_in_it(self, page, account):
        alarming.alarm(
            Incident.Kind.REVIVED,
            account=account,
            severity=Severity.CRITICAL,
            says="It turned up.",
            now=timezone.now(),
        )

        assert "It turned up" not in page.get("/incidents/banner").text

    def test_other_peoples_are_not_in_it(self, page, account):
        foreign = an_entry(AccountFactory())
        alarming.alarm(
            Incident.Kind.UNPROTECTED, account=foreign.account, order=foreign, says="Bare.",
            now=timezone.now(),
        )  # fmt: skip

        assert "Bare." not in page.get("/").text

    def test_a_viewer_sees_it_and_has_no_buttons(self, page, trader):
        entry = an_entry(AccountFactory(viewer=trader))
        alarming.alarm(
            Incident.Kind.UNPROTECTED, account=entry.account, order=entry, says="Bare.",
            now=timezone.now(),
        )  # fmt: skip

        shown = page.get("/incidents/banner").text

        assert "Bare." in shown
        assert "<button" not in shown
        assert "flatten" not in shown


@pytest.mark.django_db(transaction=True)
class TestFlatten:
    def test_asks_first(self, page, entry, legs):
        response = page.get(f"/orders/{entry.id}/flatten", headers=HTMX)

        assert "Close what buy 40 ACME opened?" in response.text
        entry.refresh_from_db()
        assert entry.flatten_at is None

    def test_is_recorded_with_who_asked(self, page, entry, legs):
        response = page.post(f"/orders/{entry.id}/flatten", headers=HTMX)

        entry.refresh_from_db()
        assert response.status_code == 201
        assert entry.flatten_at is not None
        assert entry.events.get(action="order.flatten_asked").actor_name == "ana"
        assert "being closed at the market" in protection(page, entry)
        assert "is to be closed at the market" in text(page, entry)

    def test_says_so_where_nothing_is_left(self, page, account):
        response = page.post(f"/orders/{an_entry(account, filled=0).id}/flatten", headers=HTMX)

        assert response.status_code == 409
        assert "Nothing is left" in response.text

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_viewer_may_not(self, page, trader, method):
        entry = an_entry(AccountFactory(viewer=trader))

        response = getattr(page, method)(f"/orders/{entry.id}/flatten", headers=HTMX)

        assert response.status_code == 403
        entry.refresh_from_db()
        assert entry.flatten_at is None

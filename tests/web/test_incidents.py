"""Incidents on their page: the worst first, seen by who may see them, and acted on by traders."""

from __future__ import annotations

import pytest
from django.utils import timezone

from orders import alarming
from orders.models import Incident, Severity
from tests.factories import AccountFactory, OrderFactory
from tests.web.conftest import HTMX

Kind = Incident.Kind


def raised(account, kind=Kind.REVIVED, **told):
    said = {"severity": Severity.CRITICAL, "says": "It turned up after all."} | told
    return alarming.alarm(kind, account=account, now=timezone.now(), **said)


@pytest.fixture
def incident(account):
    order = OrderFactory(working=True, account=account)
    return raised(account, order=order)


class TestPage:
    def test_says_so_when_there_is_none(self, page):
        assert "No open incidents." in page.get("/incidents/").text

    def test_shows_what_whose_and_for_how_long(self, page, incident):
        text = page.get("/incidents/").text

        assert "Turned up after all" in text
        assert "It turned up after all." in text
        assert f"/orders/{incident.order_id}/" in text
        assert "owner ana" in text
        assert "not acknowledged" in text

    def test_puts_the_worst_first(self, page, account):
        raised(account, Kind.REVIVED, says="a critical one")
        raised(account, Kind.EXTERNAL, severity=Severity.NOTICE, says="a notice")
        raised(account, Kind.DISPUTED, severity=Severity.WARNING, says="a warning")

        text = page.get("/incidents/").text

        places = [text.index(word) for word in ("a critical one", "a warning", "a notice")]
        assert places == sorted(places)

    def test_shows_the_ended_ones_apart(self, page, incident):
        page.post(f"/incidents/{incident.id}/close", {"outcome": "Closed the position."})

        assert "It turned up" not in page.get("/incidents/").text
        assert "Closed the position." in page.get("/incidents/?show=ended").text

    def test_escapes_what_a_broker_said(self, page, account):
        raised(account, says="<script>alert(1)</script>")

        assert "<script>alert" not in page.get("/incidents/").text

    def test_counts_what_nobody_has_acknowledged(self, page, account, incident):
        assert 'class="count-incidents critical"' in page.get("/incidents/count").text

        page.post(f"/incidents/{incident.id}/acknowledge")

        assert page.get("/incidents/count").text.strip() == ""

    def test_is_said_on_the_orders_own_page(self, page, incident):
        assert "It turned up after all." in page.get(f"/orders/{incident.order_id}/").text


class TestActing:
    def test_acknowledging_makes_it_theirs(self, page, incident, trader):
        response = page.post(f"/incidents/{incident.id}/acknowledge", headers=HTMX, follow=True)

        incident.refresh_from_db()
        assert (incident.acknowledged_by, incident.owner) == (trader, trader)
        assert "acknowledged by ana" in response.text

    def test_taking_over_changes_the_owner(self, page, account, trader, incident):
        Incident.objects.filter(id=incident.id).update(owner=None)

        page.post(f"/incidents/{incident.id}/take")

        incident.refresh_from_db()
        assert incident.owner == trader

    def test_closing_takes_a_word(self, page, incident):
        response = page.post(f"/incidents/{incident.id}/close", {"outcome": ""}, headers=HTMX)

        assert response.status_code == 409
        assert "Say how it ended." in response.text
        incident.refresh_from_db()
        assert incident.closed_at is None

    def test_what_is_still_so_can_not_be_closed(self, page, account):
        doubt = raised(account, Kind.DOUBT)

        response = page.post(f"/incidents/{doubt.id}/close", {"outcome": "Never mind."})

        assert response.status_code == 409
        assert f"/incidents/{doubt.id}/close" not in page.get("/incidents/").text

    @pytest.mark.parametrize("word", ["acknowledge", "take", "close"])
    def test_a_viewer_may_look_and_not_act(self, page, trader, word):
        foreign = raised(AccountFactory(viewer=trader))

        response = page.post(f"/incidents/{foreign.id}/{word}", {"outcome": "Mine."})

        assert response.status_code == 403
        assert f"/incidents/{foreign.id}/" not in page.get("/incidents/").text
        foreign.refresh_from_db()
        assert (foreign.acknowledged_at, foreign.closed_at) == (None, None)

    @pytest.mark.parametrize("word", ["acknowledge", "take", "close"])
    def test_other_peoples_do_not_exist(self, page, account, word):
        foreign = raised(AccountFactory())

        assert page.post(f"/incidents/{foreign.id}/{word}", {"outcome": "x"}).status_code == 404
        assert "It turned up" not in page.get("/incidents/").text

    @pytest.mark.parametrize("number", ["0", "99999999999999999999", "-1"])
    def test_made_up_ones_do_not_exist_either(self, page, account, number):
        assert page.post(f"/incidents/{number}/take").status_code == 404

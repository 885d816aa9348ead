"""The lab, at a real paper exchange: for paper accounts alone, and for who may trade in them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.paper.admin import Admin, NotDone
from orders.models import Feed
from tests.factories import AccountFactory
from tests.paper_exchange import TOKEN, paper, paper_process  # noqa: F401
from tests.web.conftest import HTMX


@pytest.fixture
def theirs(paper):  # noqa: F811
    return paper.account()


@pytest.fixture
def lab(page, trader, paper, theirs, settings):  # noqa: F811
    """The address of the lab of ana's paper account."""
    settings.DESK_PAPER_URL, settings.DESK_PAPER_TOKEN = paper.url, TOKEN
    account = AccountFactory.build(name="Paper 1", broker="paper", base_url=paper.url)
    account.seal_credentials(theirs.credentials)
    account.save(force_insert=True)
    Feed.objects.create(account=account)
    account.grants.create(user=trader, role="trader")
    return f"/lab/{account.id}"


class TestLab:
    def test_leads_to_the_first_account(self, page, lab):
        assert page.get("/lab/").url == f"{lab}/"

    def test_shows_every_dial_and_the_tape(self, page, lab):
        assert "accept then hang" in page.get(f"{lab}/").text
        assert "AAPL" in page.get(f"{lab}/tape", headers=HTMX).text

    def test_a_scenario_strikes_once_more_and_leaves_the_others(self, page, lab, paper):  # noqa: F811
        page.post(f"{lab}/scenario/webhook-twice", headers=HTMX)
        response = page.post(f"{lab}/scenario/blind", headers=HTMX)

        on = {dial.name for dial in response.context["dials"] if dial.is_on}
        assert on == {"webhook_duplicate", "accept_then_504", "webhook_drop"}

    def test_a_dial_is_set(self, page, lab):
        told = {"fault": "webhook_delay", "probability": "0.25", "next": "2", "seconds": "1.5"}

        response = page.post(f"{lab}/dial", told, headers=HTMX)

        dial = next(d for d in response.context["dials"] if d.name == "webhook_delay")
        assert (dial.probability, dial.next, dial.seconds) == (
            Decimal("0.25"),
            2,
            Decimal("1.5"),
        )

    @pytest.mark.parametrize(
        "change",
        [
            {"probability": "2"},
            {"probability": "NaN"},
            {"probability": "1e999999"},
            {"next": "-1"},
            {"next": "x"},
            {"seconds": "9" * 40},
            {"surprise": "1"},
        ],
    )
    def test_nonsense_is_named(self, page, lab, change):
        told = {"fault": "webhook_delay", "probability": "0", "next": "0", **change}

        response = page.post(f"{lab}/dial", told, headers=HTMX)

        assert response.status_code == 422
        assert 'role="alert"' in response.text

    def test_what_the_exchange_declines_is_said(self, page, lab):
        told = {"fault": "no_such_fault", "probability": "0", "next": "1"}

        response = page.post(f"{lab}/dial", told, headers=HTMX)

        assert response.status_code == 502
        assert "There is no such fault." in response.text

    def test_all_calm(self, page, lab):
        page.post(f"{lab}/scenario/taken-504", headers=HTMX)

        response = page.post(f"{lab}/calm", headers=HTMX)

        assert not any(dial.is_on for dial in response.context["dials"])

    def test_holds_a_price(self, page, lab, theirs):
        page.post(f"{lab}/move", {"symbol": "AAPL", "price": "123.45", "do": "hold"}, headers=HTMX)

        assert theirs.adapter.quote("AAPL").last == Decimal("123.45")
        page.post(f"{lab}/move", {"symbol": "AAPL", "do": "release"})

    def test_an_exchange_that_is_away_is_said_to_be(self, page, lab, settings):
        account_id = lab.split("/")[-1]
        settings.DESK_PAPER_URL = "http://127.0.0.1:9"
        AccountFactory._meta.model.objects.filter(id=account_id).update(
            base_url="http://127.0.0.1:9"
        )

        assert "does not answer" in page.get(f"{lab}/").text

    def test_is_not_for_viewers(self, page, lab, trader):
        trader.grants.update(role="viewer")

        assert page.get(f"{lab}/").status_code == 404
        assert page.post(f"{lab}/calm").status_code == 404

    def test_is_not_for_an_exchange_that_is_not_ours(self, page, lab, settings):
        settings.DESK_PAPER_URL = "http://elsewhere"

        assert page.get(f"{lab}/").status_code == 404


def test_the_admin_says_what_went_wrong(paper):  # noqa: F811
    with pytest.raises(NotDone, match="takes the admin token"):
        Admin(base_url=paper.url, token="wrong").listings()

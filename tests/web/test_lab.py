"""The lab, at a real paper exchange: for paper accounts alone, and for who may trade in them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.errors import BrokerError
from brokers.paper.admin import Admin, NotDone
from brokers.paper.mishaps import FAULTS
from brokers.paper.personalities import PERSONALITIES
from orders import connecting
from orders.models import Feed
from orders.web.scenarios import POINTS, SCENARIOS
from tests.brokers.paper.test_adapter import RESTING
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
    return f"/lab/{enter(trader, theirs).id}"


def enter(trader, theirs):
    """Enter an account of the exchange's at the desk."""
    account = AccountFactory.build(
        name="Paper 1", broker=theirs.broker, base_url=theirs.exchange.url
    )
    account.seal_credentials(theirs.credentials)
    account.save(force_insert=True)
    Feed.objects.create(account=account)
    account.grants.create(user=trader, role="trader")
    return account


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

    @pytest.mark.parametrize("fault", list(FAULTS))
    def test_every_fault_can_be_set_as_it_is_shown(self, page, lab, fault):
        was = next(d for d in page.get(f"{lab}/").context["dials"] if d.name == fault)
        told = {"fault": fault, "probability": "0.5", "next": "1"}
        told |= {} if was.seconds is None else {"seconds": str(was.seconds)}
        told |= {} if was.times is None else {"times": str(was.times)}

        response = page.post(f"{lab}/dial", told, headers=HTMX)

        assert response.status_code == 200
        assert [d.name for d in response.context["dials"] if d.is_on] == [fault]

    @pytest.mark.parametrize("name", list(SCENARIOS))
    def test_every_scenario_is_of_faults_there_are(self, name):
        assert set(SCENARIOS[name].faults) <= set(FAULTS)

    def test_every_fault_stands_under_when_it_strikes(self, page, lab):
        groups = page.get(f"{lab}/").context["groups"]

        assert [dial.name for _, dials in groups for dial in dials] == list(FAULTS)
        assert {words for words, _ in groups} == set(POINTS.values())
        assert len(groups) == len(set(POINTS.values()))

    @pytest.mark.parametrize("personality", list(PERSONALITIES))
    def test_is_for_the_exchange_in_whatever_person(
        self,
        page,
        trader,
        paper,  # noqa: F811
        settings,
        personality,
    ):
        settings.DESK_PAPER_URL, settings.DESK_PAPER_TOKEN = paper.url, TOKEN
        theirs = paper.account(personality=personality)
        account = enter(trader, theirs)
        lab = f"/lab/{account.id}"

        assert page.get("/lab/").url == f"{lab}/"
        assert connecting.passport(account).title in page.get(f"{lab}/").text
        assert "AAPL" in page.get(f"{lab}/tape", headers=HTMX).text
        told = {"fault": "webhook_stale", "probability": "0", "next": "3", "seconds": "900"}
        assert page.post(f"{lab}/dial", told, headers=HTMX).status_code == 200
        page.post(f"{lab}/scenario/refused", headers=HTMX)
        with pytest.raises(BrokerError):
            theirs.adapter.submit(RESTING)
        assert theirs.fired("reject") == 1

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

    @pytest.mark.parametrize(("do", "phase"), [("close", "closed"), ("late", "extended")])
    def test_closes_a_market_and_opens_it_again(self, page, lab, paper, do, phase):  # noqa: F811
        def stands() -> str:
            told = paper.admin("POST", "/admin/market", ticking=False)["instruments"]
            return next(one["phase"] for one in told if one["symbol"] == "KO")

        page.post(f"{lab}/move", {"symbol": "KO", "do": do}, headers=HTMX)
        assert stands() == phase

        page.post(f"{lab}/move", {"symbol": "KO", "do": "open"}, headers=HTMX)
        assert stands() == "open"

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

"""What pages show: states in words, broker text as text, filters that live in the address."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from brokers.errors import OutcomeUnknown
from brokers.messages import Holding, Report
from brokers.vocabulary import Side, Status
from orders import placing, recording, sending
from orders.actors import component
from orders.models.facts import Heard
from orders.states import Submission
from tests.factories import OrderFactory, a_ticket
from tests.fakes import call, fill, snapshot
from tests.web.conftest import HTMX

MARKUP = "<script>alert(1)</script><b onclick=x>'\"&"

STATES = [
    ({}, "Ready"),
    ({"sending": True}, "Sending"),
    ({"unknown": True}, "In doubt"),
    ({"refused": True}, "Rejected"),
    ({"submission": Submission.WITHDRAWN}, "Withdrawn"),
    ({"submission": Submission.EXPIRED_UNSENT}, "Not sent"),
    ({"submission": Submission.BLOCKED}, "Blocked"),
    ({"submission": Submission.ABSENT}, "Never arrived"),
    ({"submission": Submission.AWAITING_APPROVAL}, "Awaiting approval"),
    ({"working": True}, "Working"),
    ({"part_filled": True}, "Part-filled"),
    ({"filled": True}, "Filled"),
    ({"canceled": True}, "Cancelled"),
    ({"rejected": True}, "Rejected"),
    ({"working": True, "status": Status.HELD}, "Held"),
    ({"working": True, "status": Status.EXPIRED}, "Expired"),
    ({"working": True, "status": Status.REPLACED}, "Replaced"),
    ({"working": True, "status": Status.INDETERMINATE, "raw_status": "zombie"}, "“zombie”"),
]


class TestRow:
    @pytest.mark.parametrize(("traits", "word"), STATES)
    def test_says_what_the_order_is(self, page, account, traits, word):
        order = OrderFactory(account=account, **traits)

        text = page.get(f"/orders/{order.id}/row", headers=HTMX).text

        assert f"</svg>{word}</span>" in text

    @pytest.mark.parametrize("status", Status)
    def test_has_a_word_for_every_status(self, page, account, status):
        filled = {"filled": True} if status is Status.FILLED else {"working": True}
        order = OrderFactory(account=account, **filled, status=status)

        assert page.get(f"/orders/{order.id}/").status_code == 200

    def test_what_never_left_is_never_called_rejected(self, page, account):
        order = OrderFactory(account=account, submission=Submission.BLOCKED)

        assert "Rejected" not in page.get(f"/orders/{order.id}/row", headers=HTMX).text

    def test_a_cancelled_part_fill_says_how_much(self, page, account):
        order = OrderFactory(account=account, part_filled=True, status=Status.CANCELED)

        assert "4 of 10 filled" in page.get(f"/orders/{order.id}/row", headers=HTMX).text

    def test_flags_are_said(self, page, account):
        order = OrderFactory(account=account, working=True, flags=["fills_missing", "has_bust"])

        text = page.get(f"/orders/{order.id}/row", headers=HTMX).text

        assert "Fills missing" in text
        assert "Bust" in text
        assert ": Working, fills missing, bust" in text  # read out too, see `data-say`

    def test_is_the_same_for_everybody_with_the_role(self, page, account):
        order = OrderFactory(account=account, working=True)

        text = page.get(f"/orders/{order.id}/row", headers=HTMX).text

        assert "csrf" not in text
        assert "ana" not in text

    @pytest.mark.parametrize("path", ["/", "/orders/", "/doubt/", "/orders/{id}/"])
    def test_broker_text_is_text(self, page, account, path):
        order = OrderFactory(
            account=account,
            unknown=True,
            submission_reason=MARKUP,
            reason=MARKUP,
            cancel_refused=MARKUP,
            raw_status=MARKUP[:60],
            symbol="<b>ACME",
        )

        text = page.get(path.format(id=order.id)).text

        assert "<script>alert" not in text
        assert "<b onclick" not in text
        assert "<b>ACME" not in text
        assert "&lt;script&gt;" in text


class TestBlotter:
    @pytest.fixture
    def orders(self, account):
        return {
            "open": OrderFactory(account=account, working=True),
            "doubt": OrderFactory(account=account, unknown=True),
            "filled": OrderFactory(account=account, filled=True),
            "cancelled": OrderFactory(account=account, canceled=True),
            "rejected": OrderFactory(account=account, refused=True, symbol="OTHER"),
            "unsent": OrderFactory(account=account, submission=Submission.WITHDRAWN),
        }

    @pytest.mark.parametrize(
        ("show", "expected"),
        [
            ("open", {"open", "doubt"}),
            ("doubt", {"doubt"}),
            ("filled", {"filled"}),
            ("cancelled", {"cancelled"}),
            ("rejected", {"rejected"}),
            ("unsent", {"unsent"}),
            ("", {"open", "doubt", "filled", "cancelled", "rejected", "unsent"}),
            ("nonsense", set()),
        ],
    )
    def test_a_word_shows_its_orders_and_counts_them(self, page, orders, show, expected):
        response = page.get(f"/orders/?show={show}")
        chips = page.get(f"/orders/chips?show={show}", headers=HTMX).context["chips"]

        shown = {row[0].id for row in response.context["rows"]}
        assert shown == {orders[name].id for name in expected}
        if show != "nonsense":
            assert next(chip for chip in chips if chip.word == show).count == len(expected)

    def test_filters_by_symbol_and_text(self, page, orders):
        other = orders["rejected"]

        for query in ("symbol=other", "text=THER", f"text={other.client_order_id}"):
            rows = page.get(f"/orders/?{query}").context["rows"]
            assert [row[0].id for row in rows] == [other.id]

    @pytest.mark.parametrize(
        "query",
        ["before=x", "account=%00", "text=%00", "show=%FF", "before=999", "text=%"],
    )
    def test_survives_any_address(self, page, orders, query):
        for path in ("/", "/orders/", "/orders/chips", "/executions/"):
            assert page.get(f"{path}?{query}").status_code == 200

    def test_pages_by_where_the_last_one_ended(self, page, account, monkeypatch):
        orders = [OrderFactory(account=account) for _ in range(5)]
        monkeypatch.setattr("orders.web.filtering.Filter.page.__kwdefaults__", {"rows": 2})
        seen, query = [], ""
        for _ in range(4):
            context = page.get(f"/orders/{query}").context
            seen += [row[0].id for row in context["rows"]]
            if not (query := context["next"]):
                break

        assert seen == [order.id for order in reversed(orders)]

    def test_only_the_newest_of_everything_takes_new_rows(self, page, orders):
        assert "data-live-new" in page.get("/orders/").text
        assert "data-live-new" not in page.get("/orders/?show=open").text

    def test_rows_alone_for_a_refetch(self, page, orders):
        text = page.get("/orders/?part=rows", headers=HTMX).text

        assert "<html" not in text
        assert f"order-{orders['open'].id}" in text


@pytest.mark.django_db(transaction=True)
class TestStory:
    def place(self, account):
        now = timezone.now()
        order, _ = placing.place(
            account, a_ticket(), source="page", actor=component("test"), now=now
        )
        return order

    def test_tells_doubt_and_what_ended_it(self, page, account, broker):
        order = self.place(account)
        broker.script = [OutcomeUnknown("Silence.", call=call(504, MARKUP))]
        sending.send(order.id)

        text = page.get(f"/orders/{order.id}/").text
        assert "We don't know whether the broker has this order" in text.replace("&#x27;", "'")
        assert "Cancel if found" in text
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text

        report = broker.has(order.ticket(), fill(order.ticket(), "e-1", "4", "99.25"))
        recording.heed(
            account, report, heard=Heard.WEBHOOK, evidence="delivery:7", now=timezone.now()
        )

        text = page.get(f"/orders/{order.id}/", headers=HTMX).text
        assert "filled 4 at 99.25" in text
        assert "by webhook" in text
        assert "So it has the order." in text
        assert "<html" not in text

    def test_a_word_we_do_not_know_is_shown_as_it_came(self, page, account, broker):
        order = self.place(account)
        unheard_of = {"status": Status.INDETERMINATE, "raw_status": "zombie"}
        broker.script = [Report(snapshots=(snapshot(order.ticket(), **unheard_of),), call=call())]
        sending.send(order.id)

        assert "“zombie”" in page.get(f"/orders/{order.id}/").text


class TestMarket:
    def test_bars_and_quote_as_json(self, page, account):
        told = page.get(f"/market/ACME/bars?account={account.id}&seconds=5").json()

        assert told["quote"]["last"] == "100"
        assert told["seconds"] == 5

    def test_unknown_symbol(self, page, account):
        assert page.get(f"/market/NOPE/1/bars?account={account.id}").status_code == 404

    @pytest.mark.parametrize("query", ["", "account=", "account=x", "account=%00"])
    def test_no_account(self, page, account, query):
        assert page.get(f"/market/ACME/bars?{query}").status_code == 404

    def test_a_silent_broker_is_said_to_be(self, page, account, broker):
        def silence(*_: object, **__: object) -> None:
            raise OutcomeUnknown("Silence.")

        broker.bars = silence

        response = page.get(f"/market/ACME/bars?account={account.id}")

        assert (response.status_code, response.json()) == (503, {"error": "Silence."})
        account.feed.refresh_from_db()
        assert account.feed.silent_since is not None


class TestPositions:
    def test_ours_beside_theirs(self, page, account, broker):
        broker.holdings = lambda: (Holding(symbol="ACME", quantity=Decimal(3), average_price=None),)

        text = page.get("/positions/", headers=HTMX).text

        assert "Drift 3" in text

    def test_orders_in_doubt_make_it_a_range(self, page, account):
        OrderFactory(account=account, unknown=True)
        OrderFactory(account=account, unknown=True, side=Side.SELL, quantity=Decimal(3))

        assert "−3 … 10" in page.get("/positions/", headers=HTMX).text

    def test_a_silent_broker_is_unknown_and_not_the_same(self, page, account, broker):
        order = OrderFactory(account=account, working=True)
        report = broker.has(order.ticket(), fill(order.ticket(), "e-1", "4"))
        recording.heed(account, report, heard=Heard.POLL, evidence="poll", now=timezone.now())
        broker.silent = OutcomeUnknown("Silence.")

        text = page.get("/positions/", headers=HTMX).text

        assert "did not say" in text
        assert "Same" not in text


def test_every_page_forbids_what_is_not_ours(page, account):
    policy = page.get("/")["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_page_that_is_not_there(page, account):
    response = page.get("/nowhere/")

    assert response.status_code == 404
    assert "Nothing here" in response.text

"""What a program hears of its account's incidents."""

from __future__ import annotations

import pytest
from django.utils import timezone

from orders import alarming
from orders.models import Incident
from tests.factories import AccountFactory, OrderFactory, UserFactory


@pytest.fixture
def incident(program):
    order = OrderFactory(account=program.account, unknown=True)
    return alarming.alarm(
        "doubt",
        account=program.account,
        order=order,
        severity="critical",
        says="In doubt for 120 s.",
        now=timezone.now(),
    )


def test_lists_what_kind_how_bad_and_about_what(program, incident):
    [told] = program.get("incidents").told["incidents"]

    assert (told["kind"], told["severity"], told["says"]) == (
        "doubt",
        "critical",
        "In doubt for 120 s.",
    )
    assert told["order_id"] == str(incident.order_id)
    assert (told["owner"], told["acknowledged_by"], told["closed_at"]) == (None, None, None)


def test_names_who_acknowledged_it(program, incident):
    ana = UserFactory(username="ana")
    alarming.acknowledge(
        incident.id, user=ana, actor=alarming.component("tests"), now=timezone.now()
    )

    [told] = program.get("incidents").told["incidents"]

    assert (told["owner"], told["acknowledged_by"]) == ("ana", "ana")


def test_can_be_asked_for_open_ones_alone(program, incident):
    alarming.settle("doubt", subject=incident.subject, outcome="Found.", now=timezone.now())

    assert program.get("incidents?open=true").told["incidents"] == []
    [ended] = program.get("incidents?open=false").told["incidents"]
    assert ended["outcome"] == "Found."


def test_leaves_out_other_accounts_and_the_desks_own(program):
    alarming.alarm("external", account=AccountFactory(), says="Theirs.", now=timezone.now())
    alarming.alarm("restored", account=None, says="The desk's.", now=timezone.now())

    assert Incident.objects.count() == 2
    assert program.get("incidents").told["incidents"] == []


@pytest.mark.parametrize("query", ["open=perhaps", "cursor=x", "limit=0", "limit=1e9", "color=red"])
def test_refuses_what_it_does_not_know(program, query):
    assert program.get(f"incidents?{query}").status_code == 400

"""Incidents: one row for one trouble, an owner, and every step of it on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import ProgrammingError, transaction
from django.utils import timezone

from orders import actors, alarming, auditing
from orders.errors import NotClosable
from orders.models import AuditEvent, Incident, Severity
from tests.factories import AccountFactory, OrderFactory, UserFactory

pytestmark = pytest.mark.django_db
Kind = Incident.Kind
NOW = timezone.now()
LATER = NOW + timedelta(seconds=5)


@pytest.fixture
def ana():
    return UserFactory(username="ana")


@pytest.fixture
def order(ana):
    return OrderFactory(account=AccountFactory(trader=ana), unknown=True)


def raised(order, *, kind=Kind.REVIVED, now=NOW, **told):
    said = {"severity": Severity.CRITICAL, "says": "It turned up."} | told
    return alarming.alarm(kind, account=order.account, order=order, now=now, **said)


class TestAlarm:
    def test_is_one_row_with_its_words_and_its_audit_row(self, order):
        incident = raised(order, evidence="inquiry:7")

        assert Incident.objects.get() == incident
        assert (incident.kind, incident.severity, incident.says) == (
            "revived",
            "critical",
            "It turned up.",
        )
        event = AuditEvent.objects.get(chain=str(order.account_id))
        assert (event.action, event.order_id) == ("incident.raised", order.id)
        assert event.after["subject"] == f"order:{order.id}"

    def test_again_while_open_is_counted_and_not_repeated(self, order):
        first = raised(order)
        again = raised(order, says="It turned up twice.", now=LATER)

        assert again.id == first.id
        assert (again.seen, again.last_seen_at, again.says) == (2, LATER, "It turned up twice.")
        assert again.opened_at == NOW
        assert AuditEvent.objects.filter(action="incident.raised").count() == 1

    def test_another_subject_is_another_trouble(self, order):
        raised(order)
        raised(order, subject="execution:9")

        assert Incident.objects.count() == 2

    def test_after_it_was_closed_is_a_new_one(self, order, ana):
        first = raised(order)
        alarming.close(first.id, outcome="Dealt with.", actor=actors.person(ana), now=LATER)

        assert raised(order, now=LATER).id != first.id

    def test_of_the_whole_desk_has_its_own_chain(self):
        alarming.alarm(Kind.RESTORED, account=None, says="Another database.", now=NOW)

        assert AuditEvent.objects.get().chain == "security"
        assert auditing.first_broken("security") is None


class TestOwner:
    def test_is_whoever_placed_the_order(self, order):
        bob = UserFactory(username="bob")
        order.placed_by = bob

        assert raised(order).owner == bob

    def test_else_the_accounts_first_trader(self, order, ana):
        assert raised(order).owner == ana

    def test_is_nobody_where_there_is_no_trader(self):
        account = AccountFactory(viewer=UserFactory())

        incident = alarming.alarm(Kind.EXTERNAL, account=account, says="Found.", now=NOW)

        assert incident.owner is None


class TestPeople:
    def test_who_acknowledges_owns_it_and_is_on_record(self, order):
        bob = UserFactory(username="bob")
        incident = raised(order)

        alarming.acknowledge(incident.id, user=bob, actor=actors.person(bob), now=LATER)
        alarming.acknowledge(incident.id, user=bob, actor=actors.person(bob), now=LATER)

        incident.refresh_from_db()
        assert (incident.acknowledged_by, incident.owner, incident.acknowledged_at) == (
            bob,
            bob,
            LATER,
        )
        assert AuditEvent.objects.filter(action="incident.acknowledged").count() == 1

    def test_a_second_acknowledgement_does_not_take_the_first_ones_place(self, order, ana):
        bob = UserFactory(username="bob")
        incident = raised(order)
        alarming.acknowledge(incident.id, user=ana, actor=actors.person(ana), now=NOW)

        alarming.acknowledge(incident.id, user=bob, actor=actors.person(bob), now=LATER)

        incident.refresh_from_db()
        assert incident.acknowledged_by == ana

    def test_it_can_be_taken_over(self, order):
        bob = UserFactory(username="bob")
        incident = raised(order)

        alarming.take(incident.id, user=bob, actor=actors.person(bob), now=LATER)

        incident.refresh_from_db()
        assert (incident.owner, incident.acknowledged_at) == (bob, None)

    def test_closing_takes_a_word_on_how_it_ended(self, order, ana):
        incident = raised(order)

        with pytest.raises(NotClosable):
            alarming.close(incident.id, outcome=" ", actor=actors.person(ana), now=LATER)

        incident.refresh_from_db()
        assert incident.closed_at is None

    @pytest.mark.parametrize("kind", sorted(alarming.ENDS_BY_ITSELF))
    def test_nobody_closes_what_is_still_so(self, order, ana, kind):
        incident = raised(order, kind=kind)

        with pytest.raises(NotClosable):
            alarming.close(incident.id, outcome="Fine.", actor=actors.person(ana), now=LATER)

    def test_the_desk_closes_what_is_over(self, order):
        incident = raised(order, kind=Kind.DOUBT)

        alarming.settle(Kind.DOUBT, subject=f"order:{order.id}", outcome="Found.", now=LATER)

        incident.refresh_from_db()
        assert (incident.closed_at, incident.outcome) == (LATER, "Found.")
        assert AuditEvent.objects.filter(action="incident.closed").count() == 1

    def test_what_somebody_closed_first_stays_as_it_was_closed(self, order, monkeypatch):
        incident = raised(order, kind=Kind.UNREADABLE)
        hold = auditing.hold

        def after_somebody_else(chain):
            Incident.objects.filter(id=incident.id).update(closed_at=NOW, outcome="Seen to.")
            return hold(chain)

        monkeypatch.setattr(auditing, "hold", after_somebody_else)
        alarming.settle(Kind.UNREADABLE, subject=f"order:{order.id}", outcome="Over.", now=LATER)

        incident.refresh_from_db()
        assert (incident.closed_at, incident.outcome) == (NOW, "Seen to.")

    def test_settling_what_never_was_is_harmless(self, order):
        alarming.settle(Kind.DOUBT, subject=f"order:{order.id}", outcome="Found.", now=LATER)

        assert not AuditEvent.objects.exists()


class TestVisible:
    def test_to_members_of_its_account_and_nobody_else(self, order, ana):
        incident = raised(order)

        assert list(Incident.objects.visible_to(ana)) == [incident]
        assert not Incident.objects.visible_to(UserFactory()).exists()

    def test_the_desks_own_to_everybody_signed_in(self):
        alarming.alarm(Kind.RESTORED, account=None, says="Another database.", now=NOW)

        assert Incident.objects.visible_to(UserFactory()).exists()


class TestDatabase:
    def test_refuses_to_open_it_again(self, order):
        incident = raised(order, kind=Kind.DOUBT)
        alarming.settle(Kind.DOUBT, subject=f"order:{order.id}", outcome="Found.", now=LATER)

        with pytest.raises(ProgrammingError, match="stays_closed"), transaction.atomic():
            Incident.objects.filter(id=incident.id).update(closed_at=None)

    def test_refuses_to_take_an_acknowledgement_back(self, order, ana):
        incident = raised(order)
        alarming.acknowledge(incident.id, user=ana, actor=actors.person(ana), now=NOW)

        with pytest.raises(ProgrammingError, match="stays_closed"), transaction.atomic():
            Incident.objects.filter(id=incident.id).update(
                acknowledged_at=None, acknowledged_by=None
            )

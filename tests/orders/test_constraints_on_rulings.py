"""What the database refuses of incidents, rulings and reports, whatever the code above it does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils import timezone

from orders.models import Break, Incident, Order, Reconciliation, Ruling, Timeline
from tests.factories import AccountFactory, OrderFactory, UserFactory
from tests.orders.test_constraints import refuses, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return UserFactory()


@pytest.fixture
def ben() -> User:
    return UserFactory()


class TestIncident:
    @pytest.fixture
    def incident(self) -> Incident:
        return self.raised(OrderFactory(unknown=True))

    def raised(self, order: Order, **changes: Any) -> Incident:
        now = timezone.now()
        fields = {
            "account": order.account,
            "order": order,
            "kind": "doubt",
            "severity": "critical",
            "subject": f"order:{order.id}",
            "says": "In doubt.",
            "opened_at": now,
            "last_seen_at": now,
        }
        return Incident.objects.create(**(fields | changes))

    def close(self, incident: Incident) -> None:
        run("UPDATE orders_incident SET closed_at = now(), outcome = 'found'")
        incident.refresh_from_db()

    @pytest.mark.parametrize(
        ("changes", "by"),
        [
            ({"kind": "odd"}, "incident_kind_known"),
            ({"severity": "mild"}, "incident_severity_known"),
            ({"closed_at": timezone.now()}, "incident_closed_with_outcome"),
            ({"acknowledged_at": timezone.now()}, "incident_acknowledged_by_somebody"),
        ],
    )
    def test_can_not_begin_as(self, changes: dict[str, Any], by: str) -> None:
        with pytest.raises(DatabaseError, match=by), transaction.atomic():
            self.raised(OrderFactory(), **changes)

    def test_of_one_trouble_is_open_once(self, incident: Incident) -> None:
        order = Order.objects.get()
        with pytest.raises(DatabaseError, match="incident_open_once"), transaction.atomic():
            self.raised(order)

        self.close(incident)
        self.raised(order)

    @pytest.mark.parametrize(
        "change",
        [
            "kind = 'denied'",
            "subject = 'another'",
            "opened_at = now() - interval '1 day'",
            "order_id = NULL",
            "account_id = NULL",
        ],
    )
    def test_is_the_trouble_it_was_raised_for(self, incident: Incident, change: str) -> None:
        refuses(f"UPDATE orders_incident SET {change}", by="frozen_columns")

    @pytest.mark.parametrize("change", ["closed_at = NULL, outcome = ''", "closed_at = now()"])
    def test_is_closed_once(self, incident: Incident, change: str) -> None:
        earlier = timezone.now() - timedelta(hours=1)
        run("UPDATE orders_incident SET closed_at = %s, outcome = 'found'", earlier)

        refuses(f"UPDATE orders_incident SET {change}", by="stays_closed")

    def test_is_acknowledged_by_one_person(self, incident: Incident, ana: User, ben: User) -> None:
        run("UPDATE orders_incident SET acknowledged_at = now(), acknowledged_by_id = %s", ana.pk)

        refuses("UPDATE orders_incident SET acknowledged_by_id = %s", ben.pk, by="stays_closed")
        refuses(
            "UPDATE orders_incident SET acknowledged_at = NULL, acknowledged_by_id = NULL",
            by="stays_closed",
        )

    def test_is_never_deleted(self, incident: Incident) -> None:
        refuses("DELETE FROM orders_incident", by="delete")
        refuses("TRUNCATE orders_incident", by="no_truncate")


class TestRuling:
    def proposed(self, order: Order, user: User, **changes: Any) -> Ruling:
        fields = {
            "order": order,
            "verdict": "absent",
            "reason": "They looked.",
            "broker_ticket": "T-7",
            "proposed_by": user,
            "proposed_at": timezone.now(),
            "needs_second": True,
        }
        return Ruling.objects.create(**(fields | changes))

    @pytest.fixture
    def ruling(self, ana: User) -> Ruling:
        return self.proposed(OrderFactory(unknown=True), ana)

    @pytest.mark.parametrize(
        ("changes", "by"),
        [
            ({"reason": ""}, "ruling_has_grounds"),
            ({"broker_ticket": ""}, "ruling_has_grounds"),
            ({"verdict": "perhaps"}, "ruling_"),
            ({"state": "guessed"}, "ruling_state_known"),
            ({"verdict": "found"}, "ruling_found_names_the_order"),
            ({"broker_order_id": "B-1"}, "ruling_found_names_the_order"),
            ({"state": "carried_out"}, "ruling_second_before_carried_out"),
        ],
    )
    def test_can_not_begin_as(self, ana: User, changes: dict[str, Any], by: str) -> None:
        with pytest.raises(DatabaseError, match=by), transaction.atomic():
            self.proposed(OrderFactory(unknown=True), ana, **changes)

    def test_waits_alone(self, ruling: Ruling, ben: User) -> None:
        with pytest.raises(DatabaseError, match="ruling_one_proposed"), transaction.atomic():
            self.proposed(ruling.order, ben)

    def test_is_not_carried_out_without_a_second_person(self, ruling: Ruling, ben: User) -> None:
        refuses(
            "UPDATE orders_ruling SET state = 'carried_out', ended_at = now()",
            by="ruling_second_before_carried_out",
        )
        refuses(
            "UPDATE orders_ruling SET state = 'carried_out', confirmed_by_id = %s",
            ben.pk,
            by="ruling_second_before_carried_out",
        )

    def test_is_not_confirmed_by_whoever_proposed_it(self, ruling: Ruling, ana: User) -> None:
        refuses(
            "UPDATE orders_ruling SET state = 'carried_out', confirmed_by_id = %s,"
            " confirmed_at = now()",
            ana.pk,
            by="ruling_second_is_another",
        )

    @pytest.mark.parametrize(
        "change",
        [
            "verdict = 'found', broker_order_id = 'B-1'",
            "reason = 'better'",
            "broker_ticket = 'T-8'",
            "needs_second = false",
            "proposed_at = now() - interval '1 day'",
        ],
    )
    def test_says_what_it_said_when_it_was_proposed(self, ruling: Ruling, change: str) -> None:
        refuses(f"UPDATE orders_ruling SET {change}", by="frozen_columns")

    def test_has_no_other_proposer(self, ruling: Ruling, ben: User) -> None:
        refuses("UPDATE orders_ruling SET proposed_by_id = %s", ben.pk, by="frozen_columns")

    @pytest.mark.parametrize("state", ["carried_out", "dropped"])
    def test_ends_once(self, ruling: Ruling, ben: User, state: str) -> None:
        run(
            "UPDATE orders_ruling SET state = %s, confirmed_by_id = %s, confirmed_at = now()",
            state,
            ben.pk,
        )

        for after in ("proposed", "carried_out", "dropped"):
            refuses("UPDATE orders_ruling SET state = %s", after, by="ruled_once")

    def test_is_never_deleted(self, ruling: Ruling) -> None:
        refuses("DELETE FROM orders_ruling", by="delete")
        refuses("TRUNCATE orders_ruling", by="no_truncate")


class TestBreak:
    @pytest.fixture
    def difference(self) -> Break:
        now = timezone.now()
        return Break.objects.create(
            account=AccountFactory(),
            what="position",
            name="ACME",
            ours="10",
            theirs="11",
            first_seen_at=now,
            last_seen_at=now,
        )

    @pytest.mark.parametrize(
        "change", ["what = 'order'", "name = 'OTHER'", "first_seen_at = now() + interval '1 h'"]
    )
    def test_is_the_difference_it_was(self, difference: Break, change: str) -> None:
        refuses(f"UPDATE orders_break SET {change}", by="frozen_columns")

    def test_is_open_once(self, difference: Break) -> None:
        copy = (
            "INSERT INTO orders_break (account_id, what, name, broker_order_id, ours, theirs,"
            " first_seen_at, last_seen_at)"
            " SELECT account_id, what, name, '', '', '', now(), now() FROM orders_break"
        )

        refuses(copy, by="break_open_once")

        run("UPDATE orders_break SET closed_at = now()")
        run(copy)

    def test_is_of_a_known_kind(self, difference: Break) -> None:
        with pytest.raises(DatabaseError, match="break_what_known"), transaction.atomic():
            now = timezone.now()
            Break.objects.create(
                account=difference.account,
                what="mood",
                name="x",
                first_seen_at=now,
                last_seen_at=now,
            )


def test_a_reconciliation_is_kept_as_it_was_found() -> None:
    now = timezone.now()
    fields = {"account": AccountFactory(), "since": now, "began_at": now, "ended_at": now}
    Reconciliation.objects.create(occasion="on_demand", **fields)

    refuses("UPDATE orders_reconciliation SET breaks = '[]'", by="update")
    refuses("DELETE FROM orders_reconciliation", by="delete")
    refuses("TRUNCATE orders_reconciliation", by="no_truncate")
    with pytest.raises(DatabaseError, match="reconciliation_occasion_known"), transaction.atomic():
        Reconciliation.objects.create(occasion="whim", **fields)


def test_there_is_one_timeline() -> None:
    Timeline.objects.all().delete()
    Timeline.objects.create(system="7", number=1, noted_at=timezone.now())

    refuses(
        "INSERT INTO orders_timeline (id, system, number, noted_at) VALUES (2, '7', 1, now())",
        by="timeline_one_row",
    )
    refuses(
        "INSERT INTO orders_timeline (id, system, number, noted_at) VALUES (1, '7', 1, now())",
        by="orders_timeline_pkey",
    )

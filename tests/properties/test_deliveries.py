"""The same facts make the same rows, by whichever doors, in whatever order and messages they come.

What `test_views` says of a function, said of the recording itself, on PostgreSQL.
"""

from __future__ import annotations

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.messages import Snapshot
from orders import rebuilding, recording
from orders.deriving import derive, digest
from orders.models import Order, ParkedFact
from orders.models.facts import Heard
from orders.recording import disputing, parking
from orders.states import Submission
from tests.factories import AccountFactory, place
from tests.properties import facts as made_up
from tests.properties.effort import STORED, undone
from tests.properties.facts import Fact

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]

some = settings(
    max_examples=STORED,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@some
@given(data=st.data())
def test_any_delivery_of_the_same_facts_makes_the_same_rows(data: st.DataObject) -> None:
    with undone():
        deliver(data)


def deliver(data: st.DataObject) -> None:
    order = place(AccountFactory())
    assert recording.claim_submission(order.id) is not None
    facts = made_up.consistent(data.draw(told_of(order)))

    for batch in data.draw(made_up.batched(data.draw(made_up.retold(facts)))):
        heard = data.draw(st.sampled_from([Heard.WEBHOOK, Heard.POLL, Heard.ANSWER]))
        report = made_up.report(batch)
        if data.draw(st.booleans()):
            report = recording.sift(order.account_id, report)
        recording.heed(order.account, report, heard=heard, evidence="told", now=timezone.now())

    order.refresh_from_db()
    if any(isinstance(fact, Snapshot) and fact.wire_id for fact in facts):
        assert_shows(order, facts)
    else:  # nobody has said that it is ours: all of it waits
        assert (order.submission, order.version) == (Submission.SENDING, 2)
        waiting = parking.waiting(order.account_id, f"B-{order.wire_id}")
        assert {*map(parking.read, waiting)} == {*facts}
    assert not list(rebuilding.differences())


def told_of(order: Order) -> st.SearchStrategy[list[Fact]]:
    """Make up what the broker says of one order, by its own id for it and sometimes by ours."""
    name = st.just(f"B-{order.wire_id}")
    snapshots = made_up.snapshots(broker_order_ids=name, wire_id=order.wire_id)
    return st.lists(snapshots | made_up.fills(broker_order_ids=name), max_size=8)


def assert_shows(order: Order, facts: list[Fact]) -> None:
    told = made_up.report(facts)
    shown = derive(order.quantity, told.snapshots, told.fills).columns()
    assert {column: getattr(order, column) for column in shown} == shown
    assert order.submission == Submission.ACCEPTED
    assert {*order.snapshots.values_list("digest", flat=True)} == {*map(digest, told.snapshots)}
    kept = {disputing.identity(row): row.message() for row in order.executions.all()}
    assert kept.keys() == {*map(disputing.identity, told.fills)}
    assert not ParkedFact.objects.filter(account=order.account, taken_by=None).exists()

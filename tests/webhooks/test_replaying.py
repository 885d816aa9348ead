"""Reading deliveries again changes nothing, unless one tells what the desk does not have."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.utils import timezone

from brokers.errors import Refused, Unreadable
from brokers.messages import Fill, Report
from brokers.vocabulary import ExecutionKind, Status
from orders import recording
from orders.models import (
    Account,
    Attempt,
    AuditChain,
    AuditEvent,
    Execution,
    Feed,
    Incident,
    Inquiry,
    Order,
    ParkedFact,
    SnapshotFact,
)
from orders.recording import LearnedMeanwhile
from tests.factories import ANA, AccountFactory, place
from tests.fakes import call, fill, snapshot
from tests.webhooks.conftest import Deliver, delivering
from webhooks.models import Delivery
from webhooks.replaying import Replayed, replay
from webhooks.understanding import understand_waiting

pytestmark = pytest.mark.django_db

EVERYTHING: list[type[Model]] = [
    *(Account, Order, Attempt, SnapshotFact, Execution, ParkedFact, Feed, Incident),
    *(AuditChain, AuditEvent, Delivery),
]


def everything() -> dict[str, list[Any]]:
    """Return every column of every row that a delivery could touch."""
    return {
        model.__name__: [_comparable(row) for row in model.objects.order_by("pk").values()]  # type: ignore[attr-defined]
        for model in EVERYTHING
    }


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: bytes(value) if isinstance(value, memoryview) else value
        for name, value in row.items()
    }


def again(*, newest_first: bool = False) -> Replayed:
    deliveries = Delivery.objects.order_by("-id" if newest_first else "id")
    return replay(deliveries, now=timezone.now() + timedelta(minutes=5))


@pytest.fixture
def account(says: dict[bytes, Any]) -> Account:
    return AccountFactory(broker="paper")


@pytest.fixture
def deliver(account: Account, says: dict[bytes, Any]) -> Deliver:
    return delivering(account, says)


@pytest.fixture
def lives(account: Account, deliver: Deliver) -> list[Order]:
    """Several orders' whole lives, with everything that goes wrong in them."""

    def tell(*facts: Any) -> None:
        deliver(
            Report(
                snapshots=tuple(fact for fact in facts if not isinstance(fact, Fill)),
                fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
            )
        )
        understand_waiting(now=timezone.now())

    eventful, lost, denied, working = (place(account) for _ in range(4))
    now = timezone.now()

    # Filled before its own answer; corrected, busted, cancelled; a last fill after the cancel.
    ticket = eventful.ticket()
    claim = recording.claim_submission(eventful.id)
    assert claim is not None
    tell(fill(ticket, "a", "3"))
    tell(snapshot(ticket, status=Status.PARTIALLY_FILLED, cumulative=Decimal(3), version=2))
    recording.settle(claim, Report(snapshots=(snapshot(ticket),), call=call()), now=now)
    tell(fill(ticket, "b", "2"), snapshot(ticket, cumulative=Decimal(5), version=3))
    tell(fill(ticket, "b", "2", "101", kind=ExecutionKind.CORRECT, revision=1))
    tell(fill(ticket, "a", "0", "0", kind=ExecutionKind.BUST, revision=1))
    recording.ask_cancel(eventful.id, actor=ANA, now=now)
    tell(snapshot(ticket, status=Status.CANCELED, cumulative=Decimal(2), version=4))
    tell(fill(ticket, "c", "1"))
    tell(fill(ticket, "c", "1", "99.98"))  # told in another way: disputed

    # Refused, and there after all; then another order under its id.
    claim = recording.claim_submission(lost.id)
    assert claim is not None
    recording.settle(claim, Refused("No.", code="no_funds", call=call(422)), now=now)
    tell(snapshot(lost.ticket()))
    tell(snapshot(lost.ticket(), broker_order_id="B-other"))

    # The broker says that it does not have it any more.
    recording.claim_submission(denied.id)
    tell(snapshot(denied.ticket()))
    denied.refresh_from_db()
    inquiry = Inquiry(order=denied, path="by the broker's id", result="absent", asked_at=now)
    assert recording.deny(denied, inquiry, now=now)

    recording.claim_submission(working.id)
    tell(snapshot(working.ticket(), status=Status.PARTIALLY_FILLED, cumulative=Decimal(4)))
    tell(fill(working.ticket(), "d", "1"))

    # And what is not ours, or makes no sense.
    tell(fill(ticket, "e", "9", broker_order_id="B-elsewhere"))
    deliver(Unreadable("nonsense"))
    understand_waiting(now=timezone.now())
    return [eventful, lost, denied, working]


class TestReplay:
    @pytest.mark.parametrize("newest_first", [False, True], ids=["in order", "in reverse"])
    def test_changes_nothing_however_often(self, lives: list[Order], newest_first: bool) -> None:
        again(newest_first=newest_first)  # what had been parked is understood by now
        before = everything()

        for _ in range(2):
            result = again(newest_first=newest_first)

            assert (result.read, result.news, result.revived) == (Delivery.objects.count(), 0, 0)
            assert list(result.failed.values()) == ["Unreadable: nonsense"]
            assert everything() == before

    def test_the_first_one_changes_no_more_than_what_is_said_of_parked_deliveries(
        self, lives: list[Order]
    ) -> None:
        before = everything()

        again(newest_first=True)

        after = everything()
        changed = {
            (row["id"], row["state"])
            for row, old in zip(after.pop("Delivery"), before.pop("Delivery"), strict=True)
            if row != old
        }
        assert after == before
        assert changed == {(Delivery.objects.earliest("id").id, "understood")}

    def test_is_no_word_of_a_broker_that_has_gone_silent(
        self, account: Account, lives: list[Order]
    ) -> None:
        _, _, denied, _ = lives

        again()

        denied.refresh_from_db()
        assert denied.submission_code == "denied"
        pushed_at = Feed.objects.get(account=account).pushed_at
        assert pushed_at is not None
        assert pushed_at < timezone.now() + timedelta(minutes=1)

    def test_leaves_alone_what_still_waits(self, account: Account, deliver: Deliver) -> None:
        waiting = deliver(Report())

        assert again().read == 0

        waiting.refresh_from_db()
        assert waiting.state == "kept"

    def test_begins_again_when_an_order_is_learned_meanwhile(
        self, lives: list[Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heed, times = recording.heed_within, iter([1, 2])

        def learning(*args: Any, **kwargs: Any) -> Any:
            if next(times, None):
                raise LearnedMeanwhile
            return heed(*args, **kwargs)

        monkeypatch.setattr(recording, "heed_within", learning)

        assert len(again().failed) == 1  # the one that is nonsense

    def test_what_can_not_be_read_any_more_stays_understood(
        self, account: Account, deliver: Deliver, says: dict[bytes, Any]
    ) -> None:
        delivery = deliver(Report())
        understand_waiting(now=timezone.now())
        says[bytes(delivery.body)] = Unreadable("a parser broken since")

        assert again().failed == {delivery.id: "Unreadable: a parser broken since"}

        delivery.refresh_from_db()
        assert delivery.state == "understood"
        assert not Incident.objects.exists()


class TestDeadLetter:
    def test_is_booked_once_it_can_be_read(
        self, account: Account, deliver: Deliver, says: dict[bytes, Any]
    ) -> None:
        order = place(account)
        recording.claim_submission(order.id)
        ticket = order.ticket()
        dead, other = deliver(Unreadable("?")), deliver(Unreadable("!"))
        understand_waiting(now=timezone.now())
        pushed_at = Feed.objects.get(account=account).pushed_at
        said = Report(snapshots=(snapshot(ticket),), fills=(fill(ticket, "a", "4"),))
        says[bytes(dead.body)] = said

        result = again()

        dead.refresh_from_db()
        order.refresh_from_db()
        assert (result.news, result.revived, list(result.failed)) == (1, 1, [other.id])
        assert (dead.state, dead.failures, order.filled_quantity) == ("understood", 0, Decimal(4))
        execution = order.executions.get()
        assert (execution.heard, execution.heard_at) == ("webhook", dead.received_at)
        assert order.events.last().evidence[-1] == f"delivery:{dead.id}"
        assert Feed.objects.get(account=account).pushed_at == pushed_at
        assert Incident.objects.open().count() == 1

        says[bytes(other.body)] = said
        assert again().news == 0
        incident = Incident.objects.get()
        assert incident.closed_at is not None
        assert again().read == 2

    def test_that_still_fails_is_no_new_trouble(self, account: Account, deliver: Deliver) -> None:
        dead = deliver(ZeroDivisionError("ours"))
        Delivery.objects.update(state="dead", failures=5, note="ZeroDivisionError('ours')")
        before = everything()

        assert again().failed == {dead.id: "ZeroDivisionError('ours')"}

        assert everything() == before

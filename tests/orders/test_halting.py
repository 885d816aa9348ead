"""A halted account sends nothing new, from the halt's commit on."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from orders import canceling, halting, recording, sending, timing
from orders.models import Account, AuditEvent
from orders.recording import claiming
from orders.states import Submission
from tests.factories import ANA, AccountFactory, place
from tests.fakes import ScriptedBroker


def halt(account: Account, reason: str = "Fat fingers.") -> bool:
    return halting.halt(account.id, reason=reason, actor=ANA, now=timing.database_now())


def release(account: Account) -> bool:
    return halting.release(account.id, reason="Seen to.", actor=ANA, now=timing.database_now())


@pytest.mark.django_db
class TestHalt:
    def test_keeps_back_what_has_not_left_and_says_why(self, broker: ScriptedBroker) -> None:
        order = place()

        assert halt(order.account)
        sending.send(order.id)

        order.refresh_from_db()
        assert (order.submission, order.submission_reason) == (
            Submission.BLOCKED,
            "The account is halted. Fat fingers.",
        )
        assert broker.submitted == []

    def test_lets_cancels_out(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)

        halt(order.account)
        canceling.cancel(order.id, actor=ANA, now=timing.database_now())
        sending.send_cancel(order.id)

        assert len(broker.canceled) == 1

    def test_the_first_reason_stands(self) -> None:
        account = AccountFactory()

        assert halt(account, "One.")
        assert not halt(account, "Two.")

        account.refresh_from_db()
        assert account.halt_reason == "One."
        assert AuditEvent.objects.filter(action="account.halted").count() == 1

    def test_is_taken_back_by_a_release(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        halt(account)

        assert release(account)
        assert not release(account)

        account.refresh_from_db()
        sending.send(place(account).id)
        assert len(broker.submitted) == 1
        told = AuditEvent.objects.filter(chain=str(account.id)).order_by("sequence")
        assert [event.action for event in told][:2] == ["account.halted", "account.released"]


@pytest.mark.django_db(transaction=True)
def test_waits_for_a_claim_under_way_and_lets_none_pass(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = AccountFactory()
    under_way, late = place(account), place(account)
    claimed, go_on, halted = threading.Event(), threading.Event(), threading.Event()
    arm = claiming._arm

    def slowly(*args: object, **kwargs: object) -> object:
        made = arm(*args, **kwargs)  # type: ignore[arg-type]
        claimed.set()
        assert go_on.wait(10)
        return made

    def claims() -> None:
        recording.claim_submission(under_way.id)
        connection.close()

    def halts() -> None:
        halt(account)
        halted.set()
        connection.close()

    with monkeypatch.context() as patch:
        patch.setattr(claiming, "_arm", slowly)
        threads = [threading.Thread(target=claims)]
        threads[0].start()
        assert claimed.wait(10)
    threads.append(threading.Thread(target=halts))
    threads[1].start()
    assert not halted.wait(0.3)
    go_on.set()
    assert halted.wait(10)
    for thread in threads:
        thread.join()

    assert recording.claim_submission(late.id) is None
    late.refresh_from_db()
    under_way.refresh_from_db()
    assert (under_way.submission, late.submission) == (Submission.SENDING, Submission.BLOCKED)


@pytest.mark.django_db
class TestCommands:
    def test_halt_and_release_by_name_or_id(self) -> None:
        account = AccountFactory(name="Desk one")
        out = StringIO()

        call_command("halt", "Desk one", reason="Fat fingers.", stdout=out)
        account.refresh_from_db()
        assert account.halt_reason == "Fat fingers."
        call_command("release", str(account.id), reason="Seen to.", stdout=out)
        account.refresh_from_db()
        assert account.halted_at is None
        call_command("release", str(account.id), reason="Again.", stdout=out)

        assert out.getvalue().splitlines() == [
            "Desk one is halted.",
            "Desk one may send again.",
            "Desk one is not halted.",
        ]

    def test_name_an_account_that_is_there_and_a_reason(self) -> None:
        with pytest.raises(CommandError, match="no account"):
            call_command("halt", "nobody", reason="Why not.")
        with pytest.raises(CommandError, match="must say why"), transaction.atomic():
            call_command("halt", AccountFactory().name, reason=" ")

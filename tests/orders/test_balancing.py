"""Ours beside theirs: what differs is found, by its age, and nothing is called a break too soon."""

from __future__ import annotations

import json
import threading
from dataclasses import replace as with_changes
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from brokers.errors import OutcomeUnknown
from brokers.messages import Absent, Fill, Holding, Report
from brokers.vocabulary import OrderType, Side, Status
from orders import (
    actors,
    balancing,
    connecting,
    recording,
    sending,
    sweeping,
    tasks,
    timing,
    weighing,
)
from orders.models import (
    Account,
    AuditEvent,
    Break,
    Execution,
    Feed,
    Incident,
    Order,
    Reconciliation,
)
from orders.models.facts import Heard
from orders.secrets import SecretUnreadable
from orders.states import Submission
from tests.factories import ANA, AccountFactory, UserFactory, a_ticket, place
from tests.fakes import ScriptedBroker, call, fill, snapshot
from tests.paper_exchange import PaperExchange, paper, paper_process  # noqa: F401

SILENCE = OutcomeUnknown("silence", call=call(None))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "PAUSES", (0.0, 0.0, 0.0))


def traded(broker: ScriptedBroker, account: Account | None = None, **changes: Any) -> Order:
    """Place and send an order that fills by 4 of 10 at 100; ours and theirs know it all."""
    order = place(account)
    sending.send(order.id)
    today = timezone.now()
    told = broker.has(
        order.ticket(),
        fill(order.ticket(), "a", "4", executed_at=today, trade_date=today.date()),
        version=2,
        status=Status.PARTIALLY_FILLED,
        cumulative=Decimal(4),
        average_price=Decimal(100),
    )
    hear(order, told)
    holds(broker, *broker.held, ("ACME", "4"))
    order.refresh_from_db()
    return order


def hear(order: Order, report: Report) -> None:
    recording.heed(order.account, report, heard=Heard.WEBHOOK, evidence="d:1", now=timezone.now())


def holds(broker: ScriptedBroker, *held: Holding | tuple[str, str]) -> None:
    """Let the broker hold these together."""
    counted: dict[str, Decimal] = {}
    for one in held:
        symbol, quantity = (one.symbol, one.quantity) if isinstance(one, Holding) else one
        counted[symbol] = counted.get(symbol, Decimal(0)) + Decimal(quantity)
    broker.held = tuple(
        Holding(symbol=symbol, quantity=quantity, average_price=None)
        for symbol, quantity in counted.items()
    )


def says(broker: ScriptedBroker, order: Order, *fills: Fill, **changes: Any) -> None:
    """Let the broker say something else of an order than it did."""
    told = broker.books[order.wire_id]
    said = with_changes(told.snapshots[0], **changes)
    broker.books[order.wire_id] = with_changes(told, snapshots=(said,), fills=fills or told.fills)


def reconcile(account: Account, **how: Any) -> Reconciliation:
    return balancing.reconcile_account(
        account, **({"actor": ANA, "now": timing.database_now()} | how)
    )


def broken(report: Reconciliation) -> list[tuple[str, str]]:
    return [(found["what"], found["name"]) for found in report.breaks]


@pytest.mark.django_db
class TestBreaks:
    def test_there_are_none_where_both_agree(self, broker: ScriptedBroker) -> None:
        order = traded(broker)
        user = UserFactory()

        report = reconcile(order.account, actor=actors.person(user))

        assert (report.breaks, report.doubts, report.failure) == ([], [], "")
        assert (report.orders_ours, report.orders_theirs) == (1, 1)
        assert (report.executions_ours, report.executions_theirs) == (1, 1)
        assert (report.positions_ours, report.positions_theirs) == (1, 1)
        assert [(line["what"], line["ours"], line["theirs"]) for line in report.lines] == [
            ("order", *2 * ["buy 10 ACME limit 99.5 day: partially filled, 4 filled at 100"]),
            ("execution", *2 * ["buy 4 at 100"]),
            ("position", "4", "4"),
        ]
        assert (report.asked_by, report.occasion) == (user, "on_demand")
        event = AuditEvent.objects.get(action="account.reconciled")
        assert (event.subject, event.actor_id) == (f"reconciliation:{report.id}", str(user.pk))
        assert not Incident.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": Status.NEW, "version": 1},
            {"cumulative": Decimal(6)},
            {"average_price": Decimal("100.01")},
            {"limit_price": Decimal("99.51")},
            {"quantity": Decimal(11)},
            {"side": Side.SELL},
            {"symbol": "OTHER"},
            {"time_in_force": "gtc"},
        ],
        ids=str,
    )
    def test_an_order_of_which_they_say_something_else(
        self, broker: ScriptedBroker, changes: dict[str, Any]
    ) -> None:
        order = traded(broker)
        # Our books are right, and theirs have gone back: what they say now does not undo ours.
        hear(
            order,
            Report(snapshots=(snapshot(order.ticket(), status=Status.CANCELED, version=9),)),
        )
        says(broker, order, **{"status": Status.CANCELED, "version": 9} | changes)

        report = reconcile(order.account)

        assert ("order", order.wire_id) in broken(report)
        found = Break.objects.get(what="order")
        assert found.ours.startswith("buy 10 ACME limit 99.5 day: ")
        assert found.theirs not in {"", found.ours}

    def test_an_average_that_they_round_is_none(self, broker: ScriptedBroker) -> None:
        order = traded(broker)
        today = timezone.now()
        more = fill(order.ticket(), "b", "3", "99.13", executed_at=today, trade_date=today.date())
        fills = (*broker.books[order.wire_id].fills, more)
        holds(broker, ("ACME", "7"))

        for rounded in ("99.62", "99.63", "99.627", "99.6272", "99.627142857"):
            says(broker, order, *fills, cumulative=Decimal(7), average_price=Decimal(rounded))
            assert broken(reconcile(order.account)) == [], rounded

    def test_an_order_they_do_not_have(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        broker.books.clear()

        report = reconcile(order.account)

        assert broken(report) == [("order", order.wire_id)]
        assert (report.orders_ours, report.orders_theirs) == (1, 0)
        assert Break.objects.get().theirs == ""

    def test_a_second_order_they_have_under_our_id(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        second = with_changes(broker.books[order.wire_id].snapshots[0], broker_order_id="B-2")
        broker.books["second"] = Report(snapshots=(second,), call=call(200))

        report = reconcile(order.account)

        assert broken(report) == [("order", "B-2")]
        assert Break.objects.get().ours == ""

    def test_an_order_they_have_that_never_left(self, broker: ScriptedBroker) -> None:
        order = place()
        recording.expire(order.id, now=timezone.now() + timedelta(days=1))
        broker.has(order.ticket())

        report = reconcile(order.account)

        assert broken(report) == [("order", order.wire_id)]
        assert Break.objects.get().ours.endswith(": expired unsent")

    def test_an_order_they_list_and_then_deny(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = traded(broker)
        monkeypatch.setattr(broker, "read", lambda name: Absent(call=call(404)))
        says(broker, order, version=3, limit_price=Decimal(98))

        # What the two agree on is not read again, so something must differ at first.
        report = reconcile(order.account)

        assert broken(report) == [("order", order.wire_id)]
        assert Break.objects.get().theirs == ""

    def test_an_execution_they_do_not_have(self, broker: ScriptedBroker) -> None:
        order = traded(broker)
        told = broker.books[order.wire_id]
        broker.books[order.wire_id] = with_changes(told, fills=())

        report = reconcile(order.account)

        assert [what for what, _ in broken(report)] == ["execution"]
        found = Break.objects.get()
        assert found.name == f"a of {order.broker_order_id}, {timezone.now():%Y-%m-%d}"
        assert (found.ours, found.theirs) == ("buy 4 at 100", "")

    @pytest.mark.parametrize(
        "changes", [{"quantity": Decimal(3)}, {"price": Decimal("100.5")}, {"side": Side.SELL}]
    )
    def test_an_execution_they_tell_otherwise(
        self, broker: ScriptedBroker, changes: dict[str, Any]
    ) -> None:
        order = traded(broker)
        [told] = broker.books[order.wire_id].fills
        says(broker, order, with_changes(told, **changes))

        assert [what for what, _ in broken(reconcile(order.account))] == ["execution"]

    @pytest.mark.parametrize(
        ("theirs", "broke"),
        [
            ([("ACME", "4")], []),
            ([("ACME", "4"), ("FLAT", "0")], []),
            ([("ACME", "3.999999999")], ["ACME"]),
            ([("ACME", "-4")], ["ACME"]),
            ([], ["ACME"]),
            ([("ACME", "4"), ("OTHER", "1")], ["OTHER"]),
        ],
    )
    def test_a_position_that_differs(
        self, broker: ScriptedBroker, theirs: list[tuple[str, str]], broke: list[str]
    ) -> None:
        order = traded(broker)
        broker.held = ()
        holds(broker, *theirs)

        assert broken(reconcile(order.account)) == [("position", symbol) for symbol in broke]


@pytest.mark.django_db
class TestNoBreak:
    def test_an_order_entered_elsewhere_is_taken_over(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = AccountFactory()
        broker.has(a_ticket(), order_type=OrderType.MARKET)
        monkeypatch.setattr(sweeping, "ADOPT_AFTER", timedelta(0))

        report = reconcile(account)

        assert (report.breaks, report.orders_ours, report.orders_theirs) == ([], 1, 1)
        assert Order.objects.get().source == "broker"

    def test_what_we_had_not_heard_is_taken_in(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        today = timezone.now()
        broker.has(
            order.ticket(),
            fill(order.ticket(), "a", "10", executed_at=today, trade_date=today.date()),
            version=2,
            status=Status.FILLED,
            cumulative=Decimal(10),
            average_price=Decimal(100),
        )
        holds(broker, ("ACME", "10"))

        report = reconcile(order.account)

        assert report.breaks == []
        order.refresh_from_db()
        assert order.status == Status.FILLED
        assert (report.executions_ours, report.executions_theirs) == (1, 1)
        assert all(line["agrees"] for line in report.lines)

    def test_an_order_in_doubt_that_they_list_is_found(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.script = [SILENCE]
        sending.send(order.id)
        broker.has(order.ticket())

        report = reconcile(order.account)

        assert (report.breaks, report.doubts) == ([], [])
        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED

    def test_an_order_in_doubt_is_listed_as_such(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.script = [SILENCE]
        sending.send(order.id)

        report = reconcile(order.account)

        assert report.breaks == []
        [doubt] = report.doubts
        assert (doubt["name"], doubt["says"]) == (order.wire_id, "silence")

    def test_an_old_order_that_still_works_is_read_by_itself(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = traded(broker)
        monkeypatch.setattr(broker, "orders_since", lambda since: iter(()))

        report = reconcile(order.account)

        assert (broken(report), report.orders_theirs) == ([], 1)

    def test_a_copy_that_lags_is_waited_for(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = traded(broker)
        late = broker.books.pop(order.wire_id)
        looks = iter((None, None, None, late))

        def read(broker_order_id: str) -> Report | Absent:
            return next(looks) or Absent(call=call(404))

        monkeypatch.setattr(broker, "read", read)

        assert broken(reconcile(order.account)) == []

    def test_a_broker_that_moves_while_it_is_read_is_given_no_verdict(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = traded(broker)
        before = reconcile(order.account, now=timing.database_now())
        moving = iter(range(5, 50))

        def holdings() -> tuple[Holding, ...]:
            return (Holding(symbol="ACME", quantity=Decimal(next(moving)), average_price=None),)

        monkeypatch.setattr(broker, "holdings", holdings)
        report = reconcile(order.account)

        assert (before.failure, report.breaks) == ("", [])
        assert "moved while they were read" in report.failure
        assert "position ACME" in report.failure
        assert not Break.objects.exists()

    def test_a_break_that_moves_stays_as_it_was(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = traded(broker)
        broker.held = ()
        reconcile(order.account)
        moving = iter(range(5, 50))

        def holdings() -> tuple[Holding, ...]:
            return (Holding(symbol="ACME", quantity=Decimal(next(moving)), average_price=None),)

        monkeypatch.setattr(broker, "holdings", holdings)
        reconcile(order.account)

        found = Break.objects.get()
        assert (found.closed_at, found.theirs) == (None, "")
        assert Incident.objects.get().closed_at is None


@pytest.mark.django_db
class TestAge:
    def test_a_break_keeps_its_first_sight_until_it_is_gone(self, broker: ScriptedBroker) -> None:
        order = traded(broker)
        broker.held = ()
        first = reconcile(order.account)
        opened = Break.objects.get()
        assert opened.first_seen_at.isoformat() == first.breaks[0]["first_seen_at"]
        incident = Incident.objects.get(kind="break")
        assert incident.account == order.account
        assert incident.says == "Our books and the broker's differ: position ACME."

        again = reconcile(order.account)
        seen = Break.objects.get()
        assert again.breaks[0]["first_seen_at"] == first.breaks[0]["first_seen_at"]
        assert seen.last_seen_at > opened.last_seen_at

        holds(broker, ("ACME", "4"))
        assert reconcile(order.account).breaks == []
        gone = Break.objects.get()
        assert gone.closed_at is not None
        incident.refresh_from_db()
        assert incident.outcome == "Ours and theirs agree again."

        broker.held = ()
        reconcile(order.account)
        assert Break.objects.filter(closed_at=None).get().first_seen_at > gone.closed_at

    def test_a_break_of_another_day_is_looked_at_again(self, broker: ScriptedBroker) -> None:
        order = traded(broker)
        hear(
            order, Report(snapshots=(snapshot(order.ticket(), status=Status.CANCELED, version=9),))
        )
        broker.books.clear()
        broker.held = ()
        holds(broker, ("ACME", "4"))
        now = timing.database_now()
        assert {what for what, _ in broken(reconcile(order.account))} == {"order", "execution"}

        tomorrow = now + timedelta(days=1)
        report = reconcile(order.account, since=tomorrow)
        assert {what for what, _ in broken(report)} == {"order", "execution"}

        told = broker.has(
            order.ticket(),
            *(one.message() for one in order.executions.all()),
            version=9,
            status=Status.CANCELED,
            cumulative=Decimal(4),
        )
        assert told is not None
        assert broken(reconcile(order.account, since=tomorrow)) == []
        assert not Break.objects.filter(closed_at=None).exists()

    @pytest.mark.parametrize(
        "trouble", [SILENCE, SecretUnreadable("sealed")], ids=["silence", "no credentials"]
    )
    def test_silence_is_no_verdict(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, trouble: Exception
    ) -> None:
        order = traded(broker)
        broker.held = ()
        reconcile(order.account)

        def fails(account: Account) -> None:
            raise trouble

        monkeypatch.setattr(connecting, "connect", fails)
        report = reconcile(order.account)

        assert report.failure
        assert (report.breaks, report.lines, report.orders_ours) == ([], [], 0)
        assert Break.objects.get().closed_at is None
        assert Incident.objects.get(kind="break").seen == 1

    def test_silence_halfway_is_no_verdict_either(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = traded(broker)
        broker.books.clear()

        def silent() -> None:
            raise SILENCE

        monkeypatch.setattr(broker, "holdings", silent)
        report = reconcile(order.account)

        assert (report.failure, report.breaks) == ("silence", [])
        assert not Break.objects.exists()

    def test_touches_no_other_account(self, broker: ScriptedBroker) -> None:
        order, other = traded(broker), AccountFactory()
        broker.held = ()
        reconcile(order.account)
        broker.books.clear()

        assert broken(reconcile(other)) == []
        assert Break.objects.get().closed_at is None


def midnight(days: int) -> datetime:
    """The end of the trading day so many days from now."""
    return timing.day_begins(timing.trading_day(timing.database_now()) + timedelta(days=days))


@pytest.mark.django_db
class TestClosing:
    def test_every_account_is_closed_once_a_day(self, broker: ScriptedBroker) -> None:
        order = traded(broker)
        midday = midnight(1) - timedelta(hours=1)
        assert balancing.due(now=midday) == []  # it was opened today

        now = midnight(1) + timedelta(seconds=1)
        assert balancing.due(now=now) == [order.account_id]
        report = balancing.close_day(order.account_id, now=now)

        assert report is not None
        assert (report.occasion, report.since) == ("end_of_day", midnight(0))
        assert report.orders_ours == 1
        assert Feed.objects.get().closed_day == midnight(0).date()
        assert balancing.due(now=now + timedelta(hours=23)) == []
        assert balancing.close_day(order.account_id, now=now + timedelta(hours=23)) is None
        assert balancing.due(now=now + timedelta(days=1)) == [order.account_id]

    def test_days_that_were_missed_are_made_up_for(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        Feed.objects.update(closed_day=midnight(0).date())

        report = balancing.close_day(account.id, now=midnight(4))

        assert report is not None
        assert report.since == midnight(1)
        assert Feed.objects.get().closed_day == midnight(3).date()

    def test_a_day_stays_open_while_the_broker_is_silent(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        broker.silent = SILENCE
        now = midnight(1)

        report = balancing.close_day(account.id, now=now)
        assert report is not None
        assert report.failure == "silence"
        assert balancing.due(now=now + timedelta(minutes=9)) == []

        broker.silent = None
        later = now + balancing.CLOSE_AGAIN
        assert balancing.due(now=later) == [account.id]
        report = balancing.close_day(account.id, now=later)
        assert report is not None
        assert report.failure == ""
        assert Reconciliation.objects.count() == 2

    def test_two_who_close_it_leave_one_report(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = AccountFactory()
        now = midnight(1)
        weigh = weighing.weigh

        def slowly(*args: Any, **how: Any) -> Any:
            seen = weigh(*args, **how)
            monkeypatch.setattr(weighing, "weigh", weigh)
            assert balancing.close_day(account.id, now=now + balancing.CLOSE_AGAIN) is not None
            return seen

        monkeypatch.setattr(weighing, "weigh", slowly)

        assert balancing.close_day(account.id, now=now) is None
        assert Reconciliation.objects.count() == 1

    def test_the_task_closes_what_is_due(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, rung, now = AccountFactory(), [], midnight(1)
        monkeypatch.setattr(tasks, "ring", lambda task, *args: rung.append((task.name, *args)) or 1)
        monkeypatch.setattr(tasks.timing, "database_now", lambda: now)

        tasks.close_days()
        assert rung == [("orders.tasks.close_day", str(account.id))]
        tasks.close_day(str(account.id))
        assert Feed.objects.get().closed_day == now.date() - timedelta(days=1)
        tasks.close_days()
        assert len(rung) == 1


@pytest.mark.django_db(transaction=True)
def test_only_one_of_many_workers_closes_a_day(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, now = AccountFactory(), midnight(1)
    reports: list[Reconciliation | None] = []

    def work() -> None:
        try:
            reports.append(balancing.close_day(account.id, now=now))
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)

    assert sum(report is not None for report in reports) == 1
    assert Reconciliation.objects.count() == 1


def run(*arguments: str) -> tuple[str, int]:
    """Run the command, and return what it prints and its exit code."""
    said = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=said)
    except CommandError as error:
        return said.getvalue() + str(error), error.returncode
    return said.getvalue(), 0


@pytest.mark.django_db
class TestCommand:
    def test_prints_ours_beside_theirs(self, broker: ScriptedBroker) -> None:
        traded(broker, AccountFactory(name="Main"))

        said, code = run("--all")

        assert code == 0
        assert "Main at Scripted, since " in said
        assert "  orders             1       1\n" in said
        assert "  position ACME: agrees\n    ours    4\n    theirs  4\n" in said
        assert "They agree." in said

    def test_prints_breaks_with_their_age(self, broker: ScriptedBroker) -> None:
        order = traded(broker)
        broker.held = ()
        reconcile(order.account)

        said, code = run()

        assert code == 1
        assert "  position ACME: BREAK, 0 s old\n    ours    4\n    theirs  nothing\n" in said

    def test_names_orders_in_doubt(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.script = [SILENCE]
        sending.send(order.id)

        said, code = run()

        assert (code, f"order {order.wire_id}: IN DOUBT since " in said) == (1, True)

    def test_tells_silence_from_a_break(self, broker: ScriptedBroker) -> None:
        AccountFactory()
        broker.silent = SILENCE

        assert run()[1] == 2

    def test_for_programs(self, broker: ScriptedBroker) -> None:
        traded(broker, AccountFactory(name="One"))
        AccountFactory(name="Two")

        told, code = run("Two", "--json", "--since", "2026-03-02T14:30Z")

        assert code == 1
        told = json.loads(told.splitlines()[0])
        assert (told["account"], told["since"]) == ("Two", "2026-03-02T14:30:00+00:00")
        assert told["orders"] == {"ours": 0, "theirs": 1}

    def test_says_what_is_wrong(self, broker: ScriptedBroker) -> None:
        assert run("Tow") == ("There is no account 'Tow'.", 1)
        assert run("--since", "today")[1] == 1


@pytest.mark.django_db
def test_agrees_with_the_exchange_itself_after_a_day_of_lost_answers(
    paper: PaperExchange,  # noqa: F811
) -> None:
    theirs = paper.account()
    account = AccountFactory(broker="paper", base_url=paper.url)
    account.seal_credentials(theirs.credentials)
    account.save()
    paper.price("AAPL", "150", size="1")
    lost = {"accept_then_504": {"next": 1}}
    for number in range(6):
        theirs.faults(**lost if number % 2 else {})
        sending.send(place(account, symbol="AAPL", limit_price=Decimal(151)).id)
        paper.step(1)

    report = reconcile(account)

    truly = theirs.executions()
    assert (report.failure, report.breaks, report.doubts) == ("", [], [])
    assert len(truly) > 0
    assert Execution.objects.count() == len(truly) == report.executions_theirs
    assert report.orders_ours == report.orders_theirs == 6

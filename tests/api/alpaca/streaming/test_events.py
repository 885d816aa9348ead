"""What the record tells of orders, in Alpaca's words."""

from __future__ import annotations

from dataclasses import replace as with_changes
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils import timezone

from brokers.errors import OutcomeUnknown, Refused
from brokers.messages import Report
from brokers.vocabulary import ExecutionKind, Status
from orders import canceling, placing, recording
from orders.api.alpaca import recounting, showing
from orders.api.alpaca.streaming import numbering, recalling
from orders.models import Account, Execution, Order
from tests.api.alpaca.streaming.telling import (
    DAY,
    ask_cancel,
    events,
    filled,
    hear,
    replace,
    said,
    send,
    traded,
    words,
)
from tests.factories import ANA, AccountFactory, a_ticket, place
from tests.fakes import ScriptedBroker, call

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(broker: ScriptedBroker) -> Account:
    return AccountFactory()


class TestAnOrder:
    def test_is_told_from_its_placing_to_its_last_trade(self, account: Account) -> None:
        order = place(account)
        send(order)
        filled(order, traded(order, "E-1", "4", "99"))
        filled(order, traded(order, "E-2", "6", "98"), version=3)

        told = events(account)

        assert [event.name for event in told] == [
            "accepted",
            "pending_new",
            "new",
            "partial_fill",
            "fill",
        ]
        assert [event.said["order"]["status"] for event in told] == [
            "accepted",
            "pending_new",
            "new",
            "partially_filled",
            "filled",
        ]
        assert [event.said["order"]["filled_qty"] for event in told] == ["0", "0", "0", "4", "10"]
        partial, whole = told[3].said, told[4].said
        assert (partial["qty"], partial["price"], partial["position_qty"]) == ("4", "99", "4")
        assert (whole["qty"], whole["price"], whole["position_qty"]) == ("6", "98", "10")
        assert whole["order"]["filled_avg_price"] == "98.4"
        assert whole["timestamp"] == "2026-03-02T15:00:00.000000Z"
        ids = [recounting.execution_id(one) for one in Execution.objects.order_by("id")]
        assert [UUID(partial["execution_id"]), UUID(whole["execution_id"])] == ids

    def test_shows_nothing_of_what_came_later(self, account: Account) -> None:
        order = place(account)
        then = [event.said for event in events(account)]
        send(order)
        now = [event.said for event in events(account)]
        filled(order, traded(order, "E-1", "10"))

        again = [event.said for event in events(account)]

        assert again[: len(then)] == then
        assert again[: len(now)] == now
        assert again[0]["order"]["filled_at"] is None

    def test_has_the_same_words_as_the_order_itself_when_it_is_told(self, account: Account) -> None:
        order = place(account)
        for step in (
            lambda: send(order),
            lambda: filled(order, traded(order, "E-1", "4", "99")),
            lambda: ask_cancel(order),
            lambda: hear(order, said(order, Status.CANCELED, version=4, cumulative=Decimal(4))),
        ):
            step()
            shown = showing.several(showing.orders_of(account), nested=False)
            # Nothing is told of the cancel's being sent, which changed the order all the same.
            assert {**events(account)[-1].said["order"], "updated_at": ""} == {
                **shown[0],
                "updated_at": "",
            }

    def test_trades_told_at_once_are_told_one_by_one(self, account: Account) -> None:
        order = place(account)
        send(order)
        later = DAY + timedelta(seconds=1)
        filled(
            order,
            traded(order, "E-2", "5", "98", executed_at=later),
            traded(order, "E-1", "5", "99"),
        )

        first, last = events(account)[-2:]

        assert (first.name, first.said["qty"], first.said["position_qty"]) == (
            "partial_fill",
            "5",
            "5",
        )
        assert first.said["order"]["status"] == "partially_filled"
        assert first.said["order"]["filled_avg_price"] == "99"
        assert (last.name, last.said["order"]["filled_qty"]) == ("fill", "10")
        assert last.said["order"]["filled_avg_price"] == "98.5"

    def test_sold_short_makes_the_position_negative(self, account: Account) -> None:
        order = place(account, side="sell")
        send(order)
        filled(order, traded(order, "E-1", "10"))

        assert events(account)[-1].said["position_qty"] == "-10"

    def test_found_late_is_told_whole(self, account: Account) -> None:
        order = place(account)
        send(order, answer=OutcomeUnknown("silence", call=call(None)))
        assert words(account) == ["accepted", "pending_new"]
        filled(order, traded(order, "E-1", "4"), traded(order, "E-2", "6"))

        assert words(account) == ["accepted", "pending_new", "new", "partial_fill", "fill"]
        new, first = (event.said for event in events(account)[2:4])
        assert new["timestamp"] <= first["timestamp"]
        assert (new["order"]["status"], new["order"]["filled_qty"]) == ("new", "0")

    def test_adopted_is_told_whole(self, account: Account) -> None:
        ours = place(account)
        theirs = "theirs"
        told = with_changes(
            said(ours, Status.FILLED, cumulative=Decimal(10)),
            wire_id=theirs,
            broker_order_id="B-9",
        )
        trade = with_changes(traded(ours, "E-1", "10"), wire_id=theirs, broker_order_id="B-9")
        hear(ours, told, trade)
        adopted = recording.adopt(account.id, "B-9", now=timezone.now())

        assert adopted is not None
        assert words(account, adopted) == ["new", "fill"]

    def test_canceled_is_told_as_asked_for_and_as_done(self, account: Account) -> None:
        order = place(account)
        send(order)
        ask_cancel(order)
        hear(order, said(order, Status.CANCELED, version=2))

        assert words(account)[3:] == ["pending_cancel", "canceled"]
        last = events(account)[-1].said
        assert last["timestamp"] == last["order"]["canceled_at"]
        assert last["order"]["status"] == "canceled"

    def test_withdrawn_is_canceled(self, account: Account) -> None:
        order = place(account)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())

        assert words(account) == ["accepted", "canceled"]
        assert events(account)[-1].said["reason"] == "Cancelled before it left this desk."

    def test_whose_cancel_is_refused_lives_on(self, account: Account) -> None:
        order = place(account)
        send(order)
        ask_cancel(order, answer=Refused("TOO_LATE_TO_CANCEL", code="late", call=call(422)))

        assert words(account)[3:] == ["pending_cancel", "order_cancel_rejected"]
        last = events(account)[-1].said
        assert last["reason"] == "TOO_LATE_TO_CANCEL"
        assert last["order"]["status"] == "new"

    def test_refused_is_rejected(self, account: Account) -> None:
        order = place(account)
        send(order, answer=Refused("No buying power.", code="x", call=call(422)))

        assert words(account) == ["accepted", "pending_new", "rejected"]
        last = events(account)[-1].said
        assert last["reason"] == "No buying power."
        assert last["timestamp"] == last["order"]["failed_at"]

    def test_that_turns_up_after_all_is_told_again(self, account: Account) -> None:
        order = place(account)
        send(order, answer=Refused("No buying power.", code="x", call=call(422)))
        filled(order, traded(order, "E-1", "10"))

        assert words(account)[3:] == ["new", "fill"]

    @pytest.mark.parametrize(
        "status",
        ["held", "stopped", "suspended", "done_for_day", "calculated", "expired", "rejected"],
    )
    def test_is_told_in_every_word_of_its_broker(self, account: Account, status: str) -> None:
        order = place(account)
        send(order)
        hear(order, said(order, Status(status), version=2))

        assert words(account)[-1] == status
        assert events(account)[-1].said["timestamp"]

    def test_that_works_again_is_told_as_new_again(self, account: Account) -> None:
        order = place(account)
        send(order)
        hear(order, said(order, Status.SUSPENDED, version=2))
        hear(order, said(order, Status.NEW, version=3))

        assert words(account)[2:] == ["new", "suspended", "new"]

    def test_held_and_canceled_never_was_new(self, account: Account) -> None:
        order = place(account)
        send(order, answer=Report(snapshots=(said(order, Status.HELD),), call=call()))
        hear(order, said(order, Status.CANCELED, version=2))

        assert words(account) == ["accepted", "pending_new", "held", "canceled"]


class TestAnEnd:
    def test_waits_for_the_trades_that_it_counts(self, account: Account) -> None:
        order = place(account)
        send(order)
        hear(order, said(order, Status.CANCELED, cumulative=Decimal(4), version=2))
        assert words(account)[-1] == "new"
        hear(order, traded(order, "E-1", "4"))

        told = events(account)[-2:]

        assert [event.name for event in told] == ["partial_fill", "canceled"]
        assert told[0].said["order"]["status"] == "partially_filled"
        assert told[1].said["order"]["filled_qty"] == "4"

    def test_is_told_without_them_once_they_are_missed(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place(account)
        send(order)
        hear(order, said(order, Status.CANCELED, cumulative=Decimal(4), version=2))
        late = timezone.now() + timedelta(minutes=1)
        assert recording.complain_of_missing(order.id, now=late)

        assert words(account)[-1] == "canceled"
        hear(order, traded(order, "E-1", "4"))
        last = events(account)[-1]
        assert (last.name, last.said["order"]["status"]) == ("partial_fill", "canceled")

    def test_that_a_trade_overtakes_is_a_fill(self, account: Account) -> None:
        order = place(account)
        send(order)
        hear(order, said(order, Status.CANCELED, version=2))
        hear(order, traded(order, "E-1", "10"))

        assert words(account)[3:] == ["canceled", "fill"]

    def test_of_an_order_for_money_is_a_trade_of_nothing(self, account: Account) -> None:
        order = place(account, quantity=None, notional=Decimal(1000))
        send(order)
        hear(order, traded(order, "E-1", "10"))
        hear(order, said(order, Status.FILLED, cumulative=Decimal(10), version=2))

        assert words(account)[3:] == ["partial_fill", "fill"]
        last = events(account)[-1].said
        assert (last["qty"], last["price"], last["position_qty"]) == ("0", "100", "10")
        assert "execution_id" not in last


class TestAReplacement:
    def test_is_told_as_new_once_the_other_is_replaced(self, account: Account) -> None:
        old = place(account)
        send(old)
        new = replace(old, quantity=Decimal(12))
        send(new)
        assert words(account, new) == ["accepted", "pending_new"]
        hear(old, said(old, Status.REPLACED, version=2))

        told = events(account)

        assert [event.name for event in told][3:] == [
            "pending_replace",
            "accepted",
            "pending_new",
            "replaced",
            "new",
        ]
        assert told[3].said["order"]["id"] == str(old.id)
        replaced, begun = told[-2].said["order"], told[-1].said["order"]
        assert (replaced["id"], replaced["replaced_by"]) == (str(old.id), str(new.id))
        assert (begun["id"], begun["replaces"]) == (str(new.id), str(old.id))

    def test_that_trades_waits_for_nothing(self, account: Account) -> None:
        old = place(account)
        send(old)
        new = replace(old, quantity=Decimal(12))
        send(new)
        filled(new, traded(new, "E-1", "2"))
        hear(old, said(old, Status.REPLACED, version=2))

        assert words(account, new) == ["accepted", "pending_new", "new", "partial_fill"]
        assert words(account, old)[-1] == "replaced"

    def test_that_is_refused_leaves_the_other_as_it_was(self, account: Account) -> None:
        old = place(account)
        send(old)
        new = replace(old, quantity=Decimal(12))
        send(new, answer=Refused("Too late.", code="x", call=call(422)))

        assert words(account, old)[3:] == ["pending_replace", "order_replace_rejected"]
        told = [e.said for e in events(account) if e.name == "order_replace_rejected"]
        assert (told[0]["order"]["status"], told[0]["reason"]) == ("new", "Too late.")
        assert words(account, new) == ["accepted", "pending_new", "rejected"]

    def test_that_a_fill_overtakes_is_rejected_for_both(self, account: Account) -> None:
        old = place(account)
        send(old)
        new = replace(old, quantity=Decimal(12))
        filled(old, traded(old, "E-1", "10"))
        assert recording.claim_submission(new.id) is None

        assert words(account, new) == ["accepted", "rejected"]
        assert words(account, old)[3:] == ["pending_replace", "fill", "order_replace_rejected"]

    def test_carries_over_what_the_other_filled(self, account: Account) -> None:
        old = place(account)
        send(old)
        filled(old, traded(old, "E-1", "4", "99"))
        new = replace(old, quantity=Decimal(12))
        send(new)
        hear(old, said(old, Status.REPLACED, version=9, cumulative=Decimal(4)))
        filled(new, traded(new, "E-2", "8", "96"))

        last = events(account)[-1].said

        assert (last["event"], last["qty"], last["position_qty"]) == ("fill", "8", "12")
        assert (last["order"]["qty"], last["order"]["filled_qty"]) == ("12", "12")
        assert last["order"]["filled_avg_price"] == "97"


class TestALaterWord:
    def test_undoes_a_trade(self, account: Account) -> None:
        order = place(account)
        send(order)
        filled(order, traded(order, "E-1", "10"))
        hear(order, traded(order, "E-1", "10", kind=ExecutionKind.BUST, revision=1))

        fill, bust = (event.said for event in events(account)[-2:])

        assert bust["event"] == "trade_bust"
        assert (bust["reason"], bust["position_qty"]) == ("TRADE_BUST", "0")
        assert bust["previous_execution_id"] == fill["execution_id"]
        assert bust["order"]["filled_qty"] == "0"

    def test_amends_a_trade(self, account: Account) -> None:
        order = place(account)
        send(order)
        filled(order, traded(order, "E-1", "10"))
        hear(order, traded(order, "E-1", "9", "99", kind=ExecutionKind.CORRECT, revision=1))

        last = events(account)[-1].said

        assert (last["event"], last["qty"], last["position_qty"]) == ("trade_correct", "9", "9")
        assert last["order"]["filled_avg_price"] == "99"

    def test_that_comes_first_tells_the_trade(self, account: Account) -> None:
        order = place(account)
        send(order)
        hear(order, traded(order, "E-1", "9", "99", kind=ExecutionKind.CORRECT, revision=1))
        hear(order, traded(order, "E-1", "10"))

        assert words(account)[2:] == ["new", "partial_fill"]
        assert events(account)[-1].said["position_qty"] == "9"

    def test_changes_what_an_order_is_for(self, account: Account) -> None:
        order = place(account)
        send(order)
        hear(order, said(order, quantity=Decimal(5), version=2))

        last = events(account)[-1].said

        assert last["event"] == "restated"
        assert last["reason"] == "The broker has it for 5 now, and had it for 10."


class TestTheIds:
    def test_grow_with_the_record(self, account: Account) -> None:
        for _ in range(3):
            order = place(account)
            send(order)
            filled(order, traded(order, "E-1", "4"), traded(order, "E-2", "6"))

        told = [event.said for event in events(account)]

        ids = [one["event_id"] for one in told]
        assert ids == sorted(set(ids))
        assert all(len(one) == 26 for one in ids)
        moments = [one["at"] for one in told]
        assert moments == sorted(set(moments))

    def test_are_the_same_from_wherever_they_are_read(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _a_day(account)
        whole = [event.said for event in events(account)]
        assert len(whole) >= 30

        for rows in (1, 7):
            monkeypatch.setattr("orders.api.alpaca.streaming.recalling.MOST_ROWS", rows)
            assert [event.said for event in events(account)] == whole

        monkeypatch.setattr("orders.api.alpaca.streaming.recalling.MOST_LIVES", 1)
        assert [event.said for event in events(account)] == whole
        for sequence in range(1, len(whole), 4):
            rest = [event.said for event in events(account, since=sequence)]
            assert rest == whole[len(whole) - len(rest) :]

    def test_grow_while_clocks_go_back(self, account: Account) -> None:
        noon = timezone.now()
        for seconds in (0, -3600, 0, -1, 3600, 0):
            placing.place(
                account,
                a_ticket(),
                source="api",
                actor=ANA,
                now=noon + timedelta(seconds=seconds),
            )

        told = events(account)

        ids = [event.said["event_id"] for event in told]
        assert ids == sorted(ids)
        moments = [event.at_ns for event in told]
        assert moments == sorted(set(moments))
        # It took its own clock for what it is as long as that did not go back.
        assert told[4].at_ns == numbering.nanoseconds(noon + timedelta(seconds=3600))
        assert [recalling.place_of(account.id, one) for one in ids] == [e.place for e in told]
        for event in told:
            begin = recalling.sequence_before(account.id, event.at_ns)
            rest = [one for one in events(account, since=begin) if one.at_ns >= event.at_ns]
            assert [one.said for one in rest] == [
                one.said for one in told if one.place >= event.place
            ]

    def test_are_one_accounts_own(self, account: Account) -> None:
        place(account)
        told = events(account)[0].said["event_id"]
        other, earlier = AccountFactory(), timezone.now() - timedelta(hours=1)
        placing.place(other, a_ticket(), source="api", actor=ANA, now=earlier)

        with pytest.raises(recalling.NoSuchEvent):
            recalling.place_of(other.id, told)


def _a_day(account: Account) -> list[Order]:
    """Have several orders live side by side: traded, replaced, cancelled, sold again."""
    one, two, short = place(account), place(account), place(account, side="sell")
    for order in (one, two, short):
        send(order)
    filled(one, traded(one, "E-1", "4", "99"))
    third = replace(one, quantity=Decimal(12))
    filled(two, traded(two, "E-1", "3"), traded(two, "E-2", "3"))
    send(third)
    filled(short, traded(short, "E-1", "5"))
    hear(one, said(one, Status.REPLACED, version=9, cumulative=Decimal(4)))
    ask_cancel(two)
    filled(third, traded(third, "E-1", "1"), traded(third, "E-2", "1"))
    hear(two, said(two, Status.CANCELED, version=9, cumulative=Decimal(6)))
    fourth = replace(third, limit_price=Decimal(90))
    send(fourth, answer=Refused("No.", code="x", call=call(422)))
    filled(short, traded(short, "E-2", "5"), version=3)
    hear(short, traded(short, "E-2", "5", kind=ExecutionKind.BUST, revision=1))
    filled(third, traded(third, "E-3", "6"), version=7)
    return [one, two, short, third, fourth]

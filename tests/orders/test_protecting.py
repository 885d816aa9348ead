"""What a bracket's orders call for, whatever has become of them: decided, and nothing done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.passport import Strategy
from brokers.vocabulary import TERMINAL, Leg, OrderClass, OrderType, Side, Status
from orders.covering import AT_WORK, Group
from orders.measures import Cancel, Look, Place, Plan, Resize
from orders.models import Order
from orders.protecting import plan
from orders.states import Submission

D, S = Decimal, Submission
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STOP, TARGET, EXIT = Leg.STOP_LOSS, Leg.TAKE_PROFIT, Leg.EXIT
PARENT = UUID(int=1)


class Book:
    """A bracket's orders in memory, and what may become of them."""

    def __init__(
        self, strategy: Strategy = Strategy.PENDING, *, stop: bool = True, target: bool = True
    ) -> None:
        self.now = NOON
        self.strategy = strategy
        self.legs: list[Order] = []
        self.by_people: set[UUID] = set()
        self.halted = False
        self.resizes = True
        self.made = 1
        self.entry = Order(
            id=PARENT,
            side=Side.BUY,
            symbol="ACME",
            quantity=D(100),
            filled_quantity=D(0),
            order_type=OrderType.LIMIT,
            order_class=OrderClass.BRACKET if stop and target else OrderClass.OTO,
            strategy=strategy,
            stop_loss_price=D(95) if stop else None,
            take_profit_price=D(110) if target else None,
            submission=S.ACCEPTED,
            status=Status.NEW,
            submission_at=NOON,
            changed_at=NOON,
        )

    @property
    def group(self) -> Group:
        return Group(
            entries=[self.entry],
            legs=list(self.legs),
            cancelled_by_people=frozenset(self.by_people),
            pairs=self.strategy != Strategy.PENDING,
            resizes=self.resizes,
            is_halted=self.halted,
            now=self.now,
        )

    def plan(self) -> Plan:
        return plan(self.group)

    def fills(self, order: Order, quantity: str | Decimal) -> None:
        order.filled_quantity += D(quantity)
        order.changed_at = self.now
        if order.status == Status.FILLED and order.filled_quantity < order.quantity:
            order.status = Status.PARTIALLY_FILLED  # busted
        elif order.status not in TERMINAL and order.filled_quantity >= order.quantity:
            order.status = Status.FILLED

    def leg(self, leg: Leg, quantity: str, status: Any = Status.NEW, **changes: Any) -> Order:
        self.made += 1
        terms: dict[str, Any] = {
            "parent_id": PARENT,
            "covers_from": D(0),
            "order_class": OrderClass.SIMPLE,
            "submission": S.ACCEPTED,
            "broker_order_id": f"B-{self.made}",
            "changed_at": self.now,
            "submission_at": self.now,
        }
        if isinstance(status, Submission):
            terms |= {"submission": status, "broker_order_id": None}
            status = None
        one = Order(
            id=UUID(int=self.made),
            side=Side.SELL,
            symbol="ACME",
            quantity=D(quantity),
            leg=leg,
            status=status,
            **terms | changes,
        )
        self.legs.append(one)
        return one

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def book() -> Book:
    return Book()


def place(leg: Leg, quantity: str, covers_from: str = "0", number: int = 0) -> Place:
    return Place(legs=(leg,), covers_from=D(covers_from), quantity=D(quantity), number=number)


def pair(quantity: str, covers_from: str = "0", number: int = 0) -> Place:
    return Place(
        legs=(STOP, TARGET), covers_from=D(covers_from), quantity=D(quantity), number=number
    )


class TestParts:
    def test_nothing_is_let_out_before_a_fill(self, book: Book) -> None:
        assert book.plan() == Plan(lacking={})

    def test_the_stop_first_and_the_target_once_it_stands(self, book: Book) -> None:
        book.fills(book.entry, "40")
        assert book.plan().actions == (place(STOP, "40"),)
        assert book.plan().lacking == {STOP: 40, TARGET: 40}
        stop = book.leg(STOP, "40", S.SENDING)
        assert book.plan().actions == ()
        stop.submission, stop.status = S.ACCEPTED, Status.NEW
        assert book.plan().actions == (place(TARGET, "40"),)

    def test_more_fills_have_legs_of_their_own(self, book: Book) -> None:
        book.fills(book.entry, "40")
        book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(book.entry, "25")
        assert book.plan().actions == (place(STOP, "25", covers_from="40"),)
        assert book.plan().lacking == {STOP: 25, TARGET: 25}

    def test_any_order_of_the_same_fills_asks_for_the_same(self) -> None:
        plans = []
        for amounts in permutations(["10", "20", "30"]):
            book = Book()
            for amount in amounts:
                book.fills(book.entry, amount)
            plans.append(book.plan())
        assert all(one == plans[0] for one in plans)

    def test_a_bust_makes_the_legs_smaller(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(book.entry, "-15")
        assert book.plan().actions == (
            Resize(order=stop, quantity=D(25), number=0),
            Resize(order=target, quantity=D(25), number=0),
        )

    def test_a_bust_of_all_takes_the_legs_off(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(book.entry, "-40")
        assert book.plan().actions == (Cancel(order=stop), Cancel(order=target))

    def test_what_one_part_closed_too_much_is_off_the_others(self, book: Book) -> None:
        book.fills(book.entry, "100")
        first, second = book.leg(STOP, "40"), book.leg(STOP, "60", covers_from=D(40))
        targets = book.leg(TARGET, "40"), book.leg(TARGET, "60", covers_from=D(40))
        book.fills(first, "40")
        book.fills(targets[0], "40")
        actions = book.plan().actions
        assert Resize(order=second, quantity=D(20), number=0) in actions
        assert Resize(order=targets[1], quantity=D(20), number=0) in actions


class TestSizes:
    def test_what_the_target_fills_is_taken_off_the_stop(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(target, "10")
        assert book.plan().actions == (Resize(order=stop, quantity=D(30), number=0),)

    def test_a_replace_that_never_left_is_asked_for_again_under_another_name(
        self, book: Book
    ) -> None:
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(target, "10")
        book.leg(STOP, "30", S.BLOCKED, replaces_id=stop.id)
        assert book.plan().actions == (Resize(order=stop, quantity=D(30), number=1),)

    def test_a_smaller_size_refused_is_cancelled_and_let_out_anew(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(target, "10")
        book.leg(STOP, "30", S.REFUSED, replaces_id=stop.id)
        assert book.plan().actions == (Cancel(order=stop),)
        stop.cancel_requested_at = book.now
        assert book.plan().actions == ()
        stop.status, stop.changed_at = Status.CANCELED, book.now
        book.passes(1)
        assert book.plan().actions == (place(STOP, "30", number=1),)

    def test_where_the_broker_changes_no_quantity_it_is_cancelled_at_once(self, book: Book) -> None:
        book.resizes = False
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(target, "10")
        assert book.plan().actions == (Cancel(order=stop),)

    def test_one_change_at_a_time(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(target, "10")
        book.leg(STOP, "30", S.UNKNOWN, replaces_id=stop.id)
        found = book.plan()
        assert found.actions == ()
        assert found.lacking == {STOP: 30}  # for all we know, the old one is gone for it

    def test_a_leg_that_turned_up_after_all_is_one_too_many(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, other = book.leg(STOP, "40"), book.leg(STOP, "40")
        book.leg(TARGET, "40")
        [action] = book.plan().actions
        assert action in (Cancel(order=stop), Cancel(order=other))

    def test_a_leg_that_filled_often_is_still_let_out_again_when_lost(self, book: Book) -> None:
        book.fills(book.entry, "40")
        before = None
        for quantity in ("40", "35", "30", "25", "20", "15"):
            one = book.leg(STOP, quantity, replaces_id=before and before.id)
            if before:
                before.status = Status.REPLACED
            before = one
        target = book.leg(TARGET, "40")
        book.fills(target, "25")
        assert book.plan().actions == ()
        assert before
        before.status, before.changed_at = Status.CANCELED, book.now
        book.passes(1)
        assert book.plan().actions == (place(STOP, "15", number=1),)


class TestLost:
    def test_in_doubt_is_neither_there_nor_lost(self, book: Book) -> None:
        book.fills(book.entry, "40")
        book.leg(STOP, "40", S.UNKNOWN)
        book.passes(10_000)
        assert book.plan().actions == ()
        assert book.plan().lacking == {STOP: 40, TARGET: 40}

    def test_refused_it_is_tried_after_1_5_and_30_seconds_and_then_each_five_minutes(
        self, book: Book
    ) -> None:
        book.fills(book.entry, "40")
        for number, wait in enumerate((1, 5, 30, 300, 300), start=1):
            book.leg(STOP, "40", S.REFUSED)
            book.passes(wait - 0.001)
            assert place(STOP, "40", number=number) not in book.plan().actions
            book.passes(0.001)
            assert place(STOP, "40", number=number) in book.plan().actions

    def test_the_target_goes_without_the_stop_once_that_was_given_up(self, book: Book) -> None:
        book.fills(book.entry, "40")
        for _ in range(4):
            book.leg(STOP, "40", S.REFUSED)
        assert book.plan().actions == (place(TARGET, "40"),)

    def test_what_worked_for_a_day_is_let_out_again_at_once(self, book: Book) -> None:
        book.fills(book.entry, "40")
        book.leg(TARGET, "40")
        for number in range(1, 8):
            stop = book.leg(STOP, "40")
            book.passes(86_400)
            stop.status, stop.changed_at = Status.EXPIRED, book.now
            book.passes(1)
            assert book.plan().actions == (place(STOP, "40", number=number),)

    def test_nobody_is_told_twice_of_a_leg_taken_off_on_purpose(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, _ = book.leg(STOP, "40"), book.leg(TARGET, "40")
        stop.cancel_requested_at = book.now
        book.by_people.add(stop.id)
        assert book.plan().lacking == {}
        stop.status = Status.CANCELED
        found = book.plan()
        assert (found.actions, found.lacking, found.waived) == ((), {}, {STOP})

    def test_a_refused_cancel_is_not_repeated_at_once_and_not_forgotten(self, book: Book) -> None:
        book.fills(book.entry, "40")
        stop, target = book.leg(STOP, "40"), book.leg(TARGET, "40")
        book.fills(target, "40")
        assert book.plan().actions == (Cancel(order=stop),)
        stop.cancel_refused = "No."
        found = book.plan()
        assert found.actions == ()
        assert found.is_settling
        book.passes(5)
        assert book.plan().actions == (Cancel(order=stop),)

    def test_in_a_halt_nothing_is_let_out_and_after_it_all(self, book: Book) -> None:
        book.fills(book.entry, "40")
        book.halted = True
        found = book.plan()
        assert found.actions == ()
        assert found.lacking == {STOP: 40, TARGET: 40}
        assert found.is_settling
        book.halted = False
        book.leg(STOP, "40", S.BLOCKED)
        book.passes(1)
        assert book.plan().actions == (place(STOP, "40", number=1),)


class TestPairs:
    @pytest.fixture
    def book(self) -> Book:
        book = Book(Strategy.NATIVE_OCO)
        book.fills(book.entry, "40")
        return book

    def head(self, book: Book, quantity: str = "40", status: Any = Status.NEW) -> Order:
        return book.leg(TARGET, quantity, status, order_class=OrderClass.OCO)

    def stop_of(self, book: Book, head: Order, status: Status = Status.HELD) -> Order:
        return book.leg(STOP, "40", status, parent_id=head.id, covers_from=None)

    def test_both_go_out_as_one(self, book: Book) -> None:
        assert book.plan().actions == (pair("40"),)

    def test_its_stop_has_to_be_told_of(self, book: Book) -> None:
        head = self.head(book)
        assert book.plan().lacking == {STOP: 40}
        self.stop_of(book, head)
        assert book.plan() == Plan(lacking={})

    def test_its_sizes_are_the_brokers_affair(self, book: Book) -> None:
        head = self.head(book)
        stop = self.stop_of(book, head)
        book.fills(head, "10")
        assert book.plan() == Plan(lacking={})
        book.fills(stop, "5")
        assert book.plan() == Plan(lacking={})

    def test_of_two_for_the_same_fills_each_counts_for_what_it_can_yet_close(
        self, book: Book
    ) -> None:
        book.fills(book.entry, "20")
        heads = self.head(book, "50"), self.head(book, "10", Status.CANCELED)
        stop = self.stop_of(book, heads[0], Status.NEW)
        self.stop_of(book, heads[1], Status.CANCELED)
        stop.quantity = D(50)
        book.fills(heads[0], "13")
        book.fills(stop, "12")
        # Of 60, 25 are closed, and the first can close 25 of the 35 that are left.
        assert book.plan().lacking == {STOP: 10, TARGET: 10}

    def test_after_a_bust_it_is_too_large(self, book: Book) -> None:
        head = self.head(book)
        self.stop_of(book, head)
        book.fills(book.entry, "-10")
        assert book.plan().actions == (Cancel(order=head),)

    def test_without_its_stop_it_is_ended_and_let_out_anew(self, book: Book) -> None:
        head = self.head(book)
        stop = self.stop_of(book, head, Status.CANCELED)
        assert book.plan().actions == ()
        book.passes(1)
        assert book.plan().actions == (Cancel(order=head),)
        head.cancel_requested_at, head.status = book.now, Status.CANCELED
        assert stop.status == Status.CANCELED
        assert book.plan().actions == (pair("40", number=1),)

    def test_ended_before_its_stop_was_told_of_it_may_be_that_the_stop_filled(
        self, book: Book
    ) -> None:
        head = self.head(book, status=Status.CANCELED)
        book.passes(60)
        assert book.plan().actions == (Look(order=head),)
        assert book.plan().lacking == {STOP: 40, TARGET: 40}
        book.entry.flatten_at = book.now
        assert Look(order=head) in book.plan().actions
        assert not [one for one in book.plan().actions if isinstance(one, Place)]
        book.entry.flatten_at = None
        stop = self.stop_of(book, head, Status.NEW)
        book.fills(stop, "40")
        assert book.plan() == Plan(lacking={})

    def test_ended_and_heard_of_again_without_a_stop_it_had_none(self, book: Book) -> None:
        head = self.head(book, status=Status.CANCELED)
        book.passes(5)
        head.heard_at = book.now
        assert book.plan().actions == (pair("40", number=1),)

    def test_taken_off_by_somebody_both_stay_off(self, book: Book) -> None:
        head = self.head(book, status=Status.CANCELED)
        self.stop_of(book, head, Status.CANCELED)
        book.by_people.add(head.id)
        book.passes(10)
        assert (book.plan().actions, book.plan().lacking) == ((), {})

    def test_one_half_filled_the_other_is_cancelled_if_the_broker_forgets(self, book: Book) -> None:
        head = self.head(book)
        stop = self.stop_of(book, head)
        book.fills(head, "40")
        found = book.plan()
        assert (found.actions, found.is_settling) == ((), True)
        book.passes(5)
        assert book.plan().actions == (Cancel(order=stop),)


class TestNative:
    @pytest.fixture
    def book(self) -> Book:
        return Book(Strategy.NATIVE)

    def told(self, book: Book, leg: Leg, status: Status = Status.HELD, **changes: Any) -> Order:
        return book.leg(leg, "100", status, covers_from=None, **changes)

    def test_held_legs_wait_for_the_entry_however_long(self, book: Book) -> None:
        self.told(book, STOP), self.told(book, TARGET)
        book.passes(10_000)
        assert book.plan() == Plan(lacking={})

    def test_held_they_protect_nothing_of_a_part(self, book: Book) -> None:
        self.told(book, STOP), self.told(book, TARGET)
        book.fills(book.entry, "40")
        found = book.plan()
        assert found.lacking == {STOP: 40, TARGET: 40}
        assert found.is_held_back
        assert found.actions == ()

    def test_the_rest_of_the_entry_keeps_its_legs(self, book: Book) -> None:
        _, target = self.told(book, STOP), self.told(book, TARGET, Status.NEW)
        book.fills(book.entry, "40")
        book.fills(target, "40")
        book.passes(100)
        assert book.plan().actions == ()

    def test_one_held_for_the_other_protects_once_the_entry_is_whole(self, book: Book) -> None:
        self.told(book, STOP), self.told(book, TARGET, Status.NEW)
        book.fills(book.entry, "100")
        assert book.plan() == Plan(lacking={})

    def test_both_held_protect_nothing_and_are_asked_after(self, book: Book) -> None:
        stop, target = self.told(book, STOP), self.told(book, TARGET)
        book.fills(book.entry, "100")
        found = book.plan()
        assert found.lacking == {STOP: 100, TARGET: 100}
        assert found.actions == (Look(order=stop), Look(order=target))

    def test_a_sibling_left_over_is_cancelled_though_nothing_changes_any_more(
        self, book: Book
    ) -> None:
        stop, target = self.told(book, STOP, Status.NEW), self.told(book, TARGET, Status.NEW)
        book.fills(book.entry, "100")
        book.fills(target, "100")
        assert book.plan().is_settling
        book.passes(5)
        assert book.plan().actions == (Cancel(order=stop),)

    def test_never_told_of_is_asked_for_and_never_doubled(self, book: Book) -> None:
        book.fills(book.entry, "100")
        book.passes(10_000)
        assert book.plan().actions == (Look(order=book.entry),)

    def test_with_one_untold_the_other_is_not_let_out_again(self, book: Book) -> None:
        """The target may have filled, and ended the stop."""
        self.told(book, STOP, Status.CANCELED)
        book.fills(book.entry, "100")
        book.passes(60)
        assert book.plan().actions == (Look(order=book.entry),)

    def test_a_stop_lost_alone_goes_out_again_with_its_target(self, book: Book) -> None:
        stop, target = self.told(book, STOP, Status.NEW), self.told(book, TARGET, Status.NEW)
        book.fills(book.entry, "100")
        stop.status = Status.REJECTED
        book.passes(1)
        assert book.plan().actions == (Cancel(order=target),)
        target.cancel_requested_at, target.status = book.now, Status.CANCELED
        assert book.plan().actions == (pair("100"),)

    def test_one_that_was_replaced_there_is_not_lost(self, book: Book) -> None:
        stop, _ = self.told(book, STOP, Status.REPLACED), self.told(book, TARGET, Status.NEW)
        book.fills(book.entry, "100")
        book.passes(2)
        assert book.plan().actions == ()
        assert book.plan().lacking == {STOP: 100}
        self.told(book, STOP, Status.NEW, replaces_id=stop.id)
        assert book.plan() == Plan(lacking={})

    def test_one_entered_elsewhere_is_left_alone(self, book: Book) -> None:
        book.entry.strategy, book.entry.order_class = "", OrderClass.SIMPLE
        book.entry.stop_loss_price = book.entry.take_profit_price = None
        self.told(book, STOP), self.told(book, TARGET)
        book.passes(100)
        assert book.plan() == Plan(lacking={})


class TestExit:
    """Of class OCO: the order is the target, and what it closes was there before."""

    @pytest.fixture
    def book(self) -> Book:
        book = Book(Strategy.NATIVE)
        book.entry.side, book.entry.order_class = Side.SELL, OrderClass.OCO
        book.entry.take_profit_price = None
        return book

    def stop(self, book: Book, status: Status = Status.HELD) -> Order:
        return book.leg(STOP, "100", status, covers_from=None)

    def test_its_stop_has_to_be_told_of(self, book: Book) -> None:
        assert book.plan().lacking == {STOP: 100}
        assert book.plan().actions == (Look(order=book.entry),)
        self.stop(book)
        assert book.plan() == Plan(lacking={})

    def test_its_stop_may_disappear(self, book: Book) -> None:
        self.stop(book, Status.CANCELED)
        assert book.plan().lacking == {STOP: 100}

    def test_unless_somebody_took_it_off(self, book: Book) -> None:
        book.by_people.add(self.stop(book, Status.CANCELED).id)
        assert book.plan().lacking == {}

    def test_in_parts(self, book: Book) -> None:
        stop = self.stop(book, Status.NEW)
        book.fills(stop, "30")
        book.fills(book.entry, "20")
        assert book.plan().lacking == {}

    def test_what_is_left_over_is_cancelled(self, book: Book) -> None:
        self.stop(book, Status.NEW).filled_quantity = D(100)
        assert book.plan().actions == ()
        book.passes(5)
        assert Cancel(order=book.entry) in book.plan().actions

    def test_flat_it_is_closed_at_the_market(self, book: Book) -> None:
        book.entry.status = Status.CANCELED
        book.entry.flatten_at = book.now
        assert book.plan().actions == (place(EXIT, "100"),)


class TestFlat:
    @pytest.fixture
    def book(self) -> Book:
        book = Book()
        book.fills(book.entry, "40")
        book.entry.flatten_at = book.now
        return book

    def test_everything_is_taken_off_before_anything_is_sold(self, book: Book) -> None:
        stop, target = book.leg(STOP, "40", S.UNKNOWN), book.leg(TARGET, "40")
        assert book.plan().actions == (
            Cancel(order=book.entry),
            Cancel(order=stop),
            Cancel(order=target),
        )
        for one in (book.entry, target):
            one.status = Status.CANCELED
        stop.cancel_requested_at = book.now
        assert book.plan().actions == ()
        stop.submission = S.ABSENT
        assert book.plan().actions == (place(EXIT, "40"),)

    def test_an_exit_refused_is_tried_again_and_again(self, book: Book) -> None:
        book.entry.status = Status.CANCELED
        for number, wait in enumerate((1, 5, 30, 30, 30), start=1):
            book.leg(EXIT, "40", S.REFUSED)
            book.passes(wait - 0.001)
            assert book.plan().actions == ()
            assert book.plan().lacking == {EXIT: 40}
            book.passes(0.001)
            assert book.plan().actions == (place(EXIT, "40", number=number),)

    def test_what_an_exit_left_is_closed_by_the_next(self, book: Book) -> None:
        book.entry.status = Status.CANCELED
        book.leg(EXIT, "40", Status.CANCELED, filled_quantity=D(15))
        book.passes(1)
        assert book.plan().actions == (place(EXIT, "25", number=1),)

    def test_legs_that_nobody_told_of_hold_it_up(self) -> None:
        book = Book(Strategy.NATIVE)
        book.fills(book.entry, "100")
        book.entry.flatten_at = book.now
        assert book.plan().actions == (Look(order=book.entry),)
        book.passes(5)
        book.entry.heard_at = book.now
        assert book.plan().actions == (place(EXIT, "100"),)

    def test_in_a_halt_what_protects_it_stays(self, book: Book) -> None:
        book.leg(STOP, "40")
        book.halted = True
        assert book.plan().actions == (Cancel(order=book.entry),)
        assert book.plan().is_settling


# Any life of a bracket --------------------------------------------------------------------

REFUSALS = (S.REFUSED, S.ABSENT, S.BLOCKED, S.EXPIRED_UNSENT)


class Life:
    """Does what the plan says to a book whose broker does what it likes."""

    def __init__(self, book: Book, data: st.DataObject | None) -> None:
        self.book, self.data = book, data
        self.placed: set[tuple[object, ...]] = set()

    def acts(self, found: Plan) -> None:
        for action in found.actions:
            match action:
                case Place():
                    self._places(action)
                case Resize(order=order, quantity=quantity):
                    left = quantity - order.filled_quantity
                    assert left > 0
                    self.book.leg(
                        Leg(order.leg),
                        str(left),
                        S.READY,
                        replaces_id=order.id,
                        replaces_filled=order.filled_quantity,
                        covers_from=order.covers_from,
                        order_class=order.order_class,
                        parent_id=order.parent_id,
                    )
                case Cancel(order=order):
                    assert order.cancel_requested_at is None
                    if order.submission == S.READY:
                        order.submission = S.WITHDRAWN
                    order.cancel_requested_at = order.changed_at = self.book.now

    def _places(self, action: Place) -> None:
        name = (action.legs, action.covers_from, action.number)
        assert name not in self.placed, "it would bear the id of another"
        self.placed.add(name)
        self.book.leg(
            action.legs[-1],
            str(action.quantity),
            S.READY,
            covers_from=action.covers_from,
            order_class=OrderClass.OCO if len(action.legs) > 1 else OrderClass.SIMPLE,
        )

    def happens(self) -> None:
        """Something happens to one of the orders: to the entry, or to a leg."""
        assert self.data is not None
        book, draw = self.book, self.data.draw
        book.passes(draw(st.sampled_from([0.1, 0.5, 1, 5, 40])))
        live = [one for one in book.legs if one.submission == S.ACCEPTED]
        coming = [one for one in book.legs if one.submission in {S.READY, S.SENDING, S.UNKNOWN}]
        moves = ["entry", "halt"]
        moves += ["answer"] * 3 * bool(coming) + ["leg"] * 2 * bool(live)
        match draw(st.sampled_from(moves)):
            case "entry":
                self._entry()
            case "halt":
                book.halted = not book.halted
            case "answer":
                self._answer(draw(st.sampled_from(coming)))
            case "leg":
                self._leg(draw(st.sampled_from(live)))

    def _entry(self) -> None:
        assert self.data is not None
        entry, draw = self.book.entry, self.data.draw
        least = -int(min(entry.filled_quantity, 20))
        most = int(min(entry.quantity - entry.filled_quantity, 40))
        amount = draw(st.integers(least, most))
        self.book.fills(entry, D(amount))
        if entry.status not in TERMINAL and draw(st.integers(0, 9)) == 0:
            entry.status = Status.CANCELED

    def _answer(self, one: Order) -> None:
        assert self.data is not None
        states = [S.ACCEPTED, S.ACCEPTED, *REFUSALS[:2], S.UNKNOWN]
        if one.submission != S.UNKNOWN:
            states += [S.SENDING, *REFUSALS[2:]]
        self.settles(one, self.data.draw(st.sampled_from(states)))

    def settles(self, one: Order, state: Submission) -> None:
        one.submission, one.changed_at, one.submission_at = state, self.book.now, self.book.now
        if state != S.ACCEPTED:
            return
        one.status, one.broker_order_id = Status.NEW, f"B-{one.id.int}"
        for old in self.book.legs:
            if old.id == one.replaces_id:
                old.status = old.status if old.status in TERMINAL else Status.REPLACED
        if one.order_class == OrderClass.OCO:
            self.book.leg(STOP, str(one.quantity), Status.HELD, parent_id=one.id, covers_from=None)

    def _leg(self, one: Order) -> None:
        assert self.data is not None
        draw, book = self.data.draw, self.book
        left = int(one.quantity - one.filled_quantity)
        choices = [Status.CANCELED, Status.REJECTED, Status.SUSPENDED, Status.NEW]
        if left > 0 and draw(st.booleans()):
            book.fills(one, D(draw(st.integers(1, left))))
        elif one.status not in TERMINAL:
            one.status = draw(st.sampled_from(choices))
            one.changed_at = book.now
            if one.cancel_requested_at and one.status not in TERMINAL and draw(st.booleans()):
                one.cancel_requested_at, one.cancel_refused = None, "No."


def open_leaves(book: Book, leg: Leg) -> Decimal:
    """Return the most that may be live of a leg, counted anew: of a replace and what it replaces
    the larger, and of a pair one for both halves."""
    may_be = {
        one.id: one.quantity - one.filled_quantity
        for one in book.legs
        if one.submission in {S.READY, S.SENDING, S.UNKNOWN}
        or (one.submission == S.ACCEPTED and one.status not in TERMINAL)
    }
    heads = {one.id: one for one in book.legs if one.order_class == OrderClass.OCO}
    replaced = {one.replaces_id: one.id for one in book.legs if one.replaces_id}
    amount = D(0)
    for one in book.legs:
        if one.id not in may_be or one.parent_id in heads:
            continue
        successor = replaced.get(one.id)
        while successor is not None:
            if successor in may_be:
                break  # counted there, or here if it is larger
            successor = replaced.get(successor)
        mine = may_be[one.id]
        if successor is not None:
            mine = max(mine - may_be[successor], D(0))
        if one.id in heads:
            stopped = sum(s.filled_quantity for s in book.legs if s.parent_id == one.id)
            amount += max(D(0), mine - stopped)
        elif one.leg == leg:
            amount += mine
    return amount


def shown(book: Book, leg: Leg) -> Decimal:
    """Return how much of a leg the broker shows to work, or to hold for its sibling."""
    return sum(
        (
            one.quantity - one.filled_quantity
            for one in book.legs
            if one.leg == leg
            and one.submission == S.ACCEPTED
            and one.cancel_requested_at is None
            and (one.status in AT_WORK or one.status == Status.HELD)
        ),
        D(0),
    )


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_happens_it_asks_for_no_more_than_there_is_and_says_what_is_bare(
    data: st.DataObject,
) -> None:
    """Nothing is placed twice, no more is let out than is left, nothing bare is kept quiet; and
    once the broker behaves again, all of it is protected and the plan comes to rest."""
    strategy = data.draw(st.sampled_from([Strategy.PENDING, Strategy.NATIVE_OCO]))
    legs = data.draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    book = Book(strategy if all(legs) else Strategy.PENDING, stop=legs[0], target=legs[1])
    book.resizes = data.draw(st.booleans())
    life = Life(book, data)
    for _ in range(data.draw(st.integers(1, 25))):
        life.happens()
        found = book.plan()
        assert book.plan() == found
        _is_honest(book, found)
        life.acts(found)
    _comes_to_rest(book, life)


def _is_honest(book: Book, found: Plan) -> None:
    left = max(D(0), book.group.remaining)
    for leg in book.group.roles:
        asked = [a for a in found.actions if isinstance(a, Place) and leg in a.legs]
        if asked:
            assert open_leaves(book, leg) + sum(a.quantity for a in asked) <= left
            assert not book.halted
        assert found.lacking.get(leg, D(0)) >= left - shown(book, leg)
    if found.lacking:
        assert found.is_settling


def _comes_to_rest(book: Book, life: Life) -> None:
    book.halted = False
    for _ in range(60):
        book.passes(301)
        for one in list(book.legs):
            if one.submission in {S.READY, S.SENDING, S.UNKNOWN}:
                if one.cancel_requested_at and one.submission == S.READY:
                    life.settles(one, S.WITHDRAWN)
                else:
                    life.settles(one, S.ACCEPTED)
            if one.submission == S.ACCEPTED and one.status not in TERMINAL:
                ends = one.cancel_requested_at or any(
                    head.id == one.parent_id and head.status in TERMINAL for head in book.legs
                )
                one.status = Status.CANCELED if ends else Status.NEW
        found = book.plan()
        _is_honest(book, found)
        life.acts(found)
        if not found.actions and not found.lacking:
            break
    assert not found.actions
    assert found.lacking == {}
    left = max(D(0), book.group.remaining)
    for leg in book.group.roles:
        assert open_leaves(book, leg) == left

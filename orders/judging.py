"""Lets people settle orders in doubt, where no machine may: by what the broker told them.

A person says that the broker has the order, or that it does not, with a reason
and the number of the broker's ticket. Above the account's threshold it takes
two people. What is said to be found is read at the broker before it counts.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.contrib.auth.models import User

from brokers.errors import BrokerError
from brokers.messages import Absent, Report
from brokers.vocabulary import Side
from orders import asking, connecting, recording
from orders.actors import Actor
from orders.errors import (
    BadRuling,
    BrokerSilent,
    MayNotTrade,
    NotInDoubt,
    NotThatOrder,
    NotThere,
    RulingEnded,
    SecondPersonNeeded,
)
from orders.models import Account, Grant, Order, Role, Ruling
from orders.money import ZERO, plain, worth
from orders.recording import Word
from orders.states import Submission

LONGEST = {"reason": 2000, "broker_ticket": 100, "broker_order_id": 128}

State, Verdict = Ruling.State, Ruling.Verdict


def propose(
    order_id: UUID,
    *,
    verdict: str,
    reason: str,
    broker_ticket: str,
    broker_order_id: str = "",
    user: User,
    actor: Actor,
    now: datetime,
) -> Ruling:
    """Rule that an order in doubt is absent, or found as `broker_order_id`.

    Returns the ruling: carried out at once, or proposed and waiting for a
    second trader if the order may be worth more than the account's threshold.
    Raises NotThere or MayNotTrade for whoever may not rule, BadRuling for what
    is missing, NotInDoubt, RulingOpen, and for a verdict of found NotThatOrder
    or BrokerSilent. Then nothing has changed.
    """
    order = _order(order_id, user)
    word = Word(
        verdict=verdict,
        broker_order_id=broker_order_id.strip(),
        reason=reason.strip(),
        broker_ticket=broker_ticket.strip(),
    )
    _check(word)
    if order.submission != Submission.UNKNOWN:
        raise NotInDoubt(f"The order is not in doubt: {order.get_submission_display().lower()}.")
    return recording.rule(
        order.id,
        word,
        found=_found(order, word.broker_order_id),
        needs_second=needs_second(order),
        user=user,
        actor=actor,
        now=now,
    )


def confirm(ruling_id: int, *, user: User, actor: Actor, now: datetime) -> Ruling:
    """Confirm another trader's ruling, which is carried out at once.

    Raises as `propose` does, SecondPersonNeeded for whoever proposed it, and
    RulingEnded for one that was carried out or dropped.
    """
    ruling = _ruling(ruling_id, user)
    if ruling.state != State.PROPOSED:
        raise RulingEnded(f"This ruling has ended: {ruling.get_state_display().lower()}.")
    if ruling.proposed_by_id == user.pk:
        raise SecondPersonNeeded("Somebody else must confirm this: two people, two looks.")
    found = _found(ruling.order, ruling.broker_order_id)
    return recording.confirm_ruling(ruling.id, found=found, user=user, actor=actor, now=now)


def drop(ruling_id: int, *, user: User, actor: Actor, now: datetime, reason: str = "") -> Ruling:
    """Take back a ruling that waits for a second person: any trader of the account may.

    Raises NotThere, MayNotTrade or RulingEnded.
    """
    ruling = _ruling(ruling_id, user)
    return recording.drop_ruling(ruling.id, reason=reason.strip(), actor=actor, now=now)


def check_now(order_id: UUID, *, actor: Actor, now: datetime) -> Order:
    """Have the broker asked about an order at once instead of when it is due.

    The sweep does it within a second. Harmless for one that is not at the
    broker yet, or is due already.
    """
    return recording.check_now(order_id, actor=actor, now=now)


def needs_second(order: Order) -> bool:
    """Whether an order may be worth more than one person may rule on in its account.

    A limit bounds what a buyer pays. Anything else may trade at the market's
    price, and where nobody knows that, it may be worth anything.
    """
    price = _worst_price(order)
    value = order.notional or (None if price is None else worth(order.quantity or ZERO, price))
    return value is None or value > order.account.second_person_above


def _worst_price(order: Order) -> Decimal | None:
    named = [price for price in (order.limit_price, order.stop_price) if price is not None]
    if order.side == Side.BUY and order.limit_price is not None:
        return max(named)
    try:
        quote = asking.quote(order.account, order.symbol)
    except asking.NoAnswer:
        return None
    return max(*named, quote.bid, quote.ask, quote.last) if quote else None


def _order(order_id: UUID, user: User) -> Order:
    order = Order.objects.select_related("account").filter(id=order_id).first()
    if order is None:
        raise NotThere("There is no such order, or it is not for you.")
    _let_in(order.account, user)
    return order


def _ruling(ruling_id: int, user: User) -> Ruling:
    ruling = Ruling.objects.select_related("order__account").filter(id=ruling_id).first()
    if ruling is None:
        raise NotThere("There is no such ruling, or it is not for you.")
    _let_in(ruling.order.account, user)
    return ruling


def _let_in(account: Account, user: User) -> None:
    roles = Grant.objects.filter(account=account, user_id=user.pk, user__is_active=True)
    role = roles.values_list("role", flat=True).first()
    if role is None:
        raise NotThere("There is nothing here by this name, or it is not for you.")
    if role != Role.TRADER:
        raise MayNotTrade("You may look at this account, and not trade in it.")


def _check(word: Word) -> None:
    if word.verdict not in Verdict.values:
        raise BadRuling("Say whether the broker has it: absent or found.", field="verdict")
    if not word.reason:
        raise BadRuling("Say what the broker told you.", field="reason")
    if not word.broker_ticket:
        raise BadRuling("Give the broker's ticket number.", field="broker_ticket")
    if word.verdict == Verdict.FOUND and not word.broker_order_id:
        raise BadRuling("Give the broker's id for the order.", field="broker_order_id")
    if word.verdict == Verdict.ABSENT and word.broker_order_id:
        raise BadRuling("What is absent has no broker order id.", field="broker_order_id")
    for name, longest in LONGEST.items():
        said = str(getattr(word, name))
        if len(said) > longest or "\0" in said:
            raise BadRuling(f"At most {longest} characters of plain text.", field=name)


def _found(order: Order, broker_order_id: str) -> Report | None:
    """Return what the broker says of the order found, which must be on our terms."""
    if not broker_order_id:
        return None
    try:
        told = connecting.connect(order.account).read(broker_order_id)
    except (BrokerError, *connecting.UNCONNECTABLE) as error:
        raise BrokerSilent(f"The order can't be read at the broker now: {error}") from error
    if isinstance(told, Absent):
        raise NotThatOrder(f"The broker has no order {broker_order_id}.", field="broker_order_id")
    about = [s for s in told.snapshots if s.broker_order_id == broker_order_id]
    ours = order.symbol, order.side, order.quantity, order.notional
    if not about or any((s.symbol, s.side, s.quantity, s.notional) != ours for s in about):
        raise NotThatOrder(
            f"{broker_order_id} is another order: {_in_words(told)}.", field="broker_order_id"
        )
    return Report(
        snapshots=tuple(about),
        fills=tuple(f for f in told.fills if f.broker_order_id == broker_order_id),
        call=told.call,
    )


def _in_words(told: Report) -> str:
    return (
        ", ".join(
            f"{s.side} {plain(s.quantity) or f'{plain(s.notional)} worth of'} {s.symbol}"
            for s in told.snapshots
        )
        or "unnamed"
    )

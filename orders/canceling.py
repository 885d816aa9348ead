"""Cancels orders, whatever they are doing: one, or all that are open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction

from brokers.vocabulary import Side
from orders import announcing, auditing, recording
from orders.actors import Actor
from orders.aftercommit import after_commit
from orders.errors import NotCancelable
from orders.models import Account, Order
from orders.ringing import ring
from orders.states import Submission
from orders.tasks import send_cancel

log = structlog.get_logger(__name__)


class Became(StrEnum):
    """What became of the wish to cancel one order."""

    WITHDRAWN = "withdrawn"  # it never left this desk
    ASKED = "asked"  # the broker is asked, and has the last word
    ON_SIGHT = "on_sight"  # it may be live unseen: it is cancelled once it is found
    TOO_LATE = "too_late"  # it had ended
    FAILED = "failed"  # not even asked for: the desk could not record it


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """One order of many, and what became of the wish to cancel it."""

    order: Order
    became: Became
    why: str = ""


def cancel(order_id: UUID, *, actor: Actor, now: datetime) -> Order:
    """Ask for an order to be cancelled, and have the broker asked at once.

    Before it left, it is withdrawn; in doubt, it is cancelled on sight.
    Asking again is harmless. Raises NotCancelable if it has ended.
    """
    order = recording.ask_cancel(order_id, actor=actor, now=now)
    if order.submission == Submission.ACCEPTED:
        after_commit(ring, send_cancel, str(order.id))
    return order


def cancel_all(
    account: Account,
    *,
    symbol: str | None = None,
    side: Side | None = None,
    actor: Actor,
    now: datetime,
) -> list[Canceled]:
    """Ask for every open order of an account to be cancelled, and return what became of each.

    Each is a transaction of its own: what can't be cancelled keeps nothing else from it. The
    newest go first, and orders that may add to a position before those that protect one.
    Asking again is harmless.
    """
    _note(account, symbol=symbol, side=side, actor=actor, now=now)
    orders = Order.objects.filter(account=account).open()
    if symbol is not None:
        orders = orders.filter(symbol=symbol)
    if side is not None:
        orders = orders.filter(side=side)
    found = sorted(orders.order_by("-id"), key=lambda order: order.parent_id is not None)
    return [_cancel_one(order, actor=actor, now=now) for order in found]


def _cancel_one(order: Order, *, actor: Actor, now: datetime) -> Canceled:
    try:
        asked = cancel(order.id, actor=actor, now=now)
    except NotCancelable as error:
        order.refresh_from_db()
        return Canceled(order=order, became=Became.TOO_LATE, why=error.message)
    except (OperationalError, InterfaceError) as error:
        log.warning("cancel_not_recorded", order=str(order.id), error=str(error))
        why = "The desk could not record it. Ask again."
        return Canceled(order=order, became=Became.FAILED, why=why)
    match asked.submission:
        case Submission.WITHDRAWN:
            return Canceled(order=asked, became=Became.WITHDRAWN, why=asked.submission_reason)
        case Submission.ACCEPTED:
            return Canceled(order=asked, became=Became.ASKED)
        case _:
            return Canceled(order=asked, became=Became.ON_SIGHT)


@transaction.atomic
def _note(
    account: Account, *, symbol: str | None, side: Side | None, actor: Actor, now: datetime
) -> None:
    """Put on record who asked for everything to go, even where nothing was open."""
    wanted = {"symbol": symbol, "side": side and str(side)}
    sequence = auditing.write(
        account.id,
        action="orders.cancel_all_asked",
        actor=actor,
        now=now,
        after={name: word for name, word in wanted.items() if word},
    )
    announcing.announce(account.id, None, sequence=sequence)

"""What the hub reads from PostgreSQL: each question once, on behalf of all open pages.

Whatever it tells a page comes from here; a nudge only says when to ask.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.template.loader import render_to_string
from django.utils import timezone

from orders.models import AuditChain, AuditEvent, Grant, Order, Role

log = structlog.get_logger(__name__)

MOST = 100  # changes read at once; of more than that a page had better fetch all it shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who holds a page open: a person, in a session, under the password they signed in with."""

    user_id: int
    session_key: str
    password_seal: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand: who may see which accounts (and trade there), and how far each has come.

    A visitor who is no longer signed in is not among the seats.
    """

    seats: Mapping[Visitor, Mapping[UUID, bool]]
    heads: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Change:
    """An order that changed, or None if only its account did, and its row for each audience."""

    order_id: UUID | None
    rows: Mapping[bool, str]  # by whether the reader may trade; none where it could not be drawn


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in an account up to a sequence. `too_many` are not listed."""

    sequence: int
    each: tuple[Change, ...] = ()
    too_many: bool = False


def standing(visitors: Collection[Visitor]) -> Standing:
    """Read who is still signed in, what they are granted, and how far those accounts have come.

    Four queries, however many visitors.
    """
    open_sessions = set(
        Session.objects.filter(
            session_key__in={visitor.session_key for visitor in visitors},
            expire_date__gt=timezone.now(),
        ).values_list("session_key", flat=True)
    )
    people = get_user_model().objects.filter(
        pk__in={visitor.user_id for visitor in visitors}, is_active=True
    )
    seals = {person.pk: person.get_session_auth_hash() for person in people.only("password")}
    granted: dict[int, dict[UUID, bool]] = {user_id: {} for user_id in seals}
    grants = Grant.objects.filter(user_id__in=seals)
    for user_id, account_id, role in grants.values_list("user_id", "account_id", "role"):
        granted[user_id][account_id] = role == Role.TRADER
    seats = {
        visitor: granted[visitor.user_id]
        for visitor in visitors
        if visitor.session_key in open_sessions
        and seals.get(visitor.user_id) == visitor.password_seal
    }
    return Standing(seats, _heads({account_id for seat in seats.values() for account_id in seat}))


def changes_since(account_id: UUID, sequence: int, *, audiences: Collection[bool]) -> Changes:
    """Read what changed in an account since a sequence, and draw each order once per audience."""
    events = list(
        AuditEvent.objects.filter(chain=str(account_id), sequence__gt=sequence)
        .order_by("sequence")
        .values_list("sequence", "order_id")[: MOST + 1]
    )
    if len(events) > MOST:
        return Changes(_heads([account_id])[account_id], too_many=True)
    if not events:
        return Changes(sequence)
    # Each order at the place of its latest change, so that the newest comes last.
    latest: dict[UUID | None, int] = {order_id: at for at, order_id in events}
    found: dict[UUID | None, Order] = {
        order.id: order
        for order in Order.objects.filter(
            id__in=[*filter(None, latest)], account_id=account_id
        ).select_related("account")
    }
    return Changes(
        events[-1][0],
        tuple(
            Change(order_id, dict(_rows(found.get(order_id), audiences)))
            for order_id in sorted(latest, key=latest.__getitem__)
        ),
    )


def _heads(account_ids: Iterable[UUID]) -> dict[UUID, int]:
    names = {str(account_id): account_id for account_id in account_ids}
    heads = dict.fromkeys(names.values(), 0)
    for name, sequence in AuditChain.objects.filter(name__in=names).values_list("name", "sequence"):
        heads[names[name]] = sequence
    return heads


def _rows(order: Order | None, audiences: Collection[bool]) -> Iterator[tuple[bool, str]]:
    if order is None:
        return
    for can_trade in audiences:
        context = {"order": order, "can_trade": can_trade}
        try:
            row = render_to_string("orders/_row.html", context)
        except Exception:  # one order that cannot be drawn must not hide the others
            log.exception("row_not_drawn", order=str(order.id))
        else:
            yield can_trade, row

"""An order's story in plain sentences, each with the raw evidence it rests on.

The audit is the spine: every change of an order has a row there that names its
facts. Looks that brought no news change nothing and have no row; they are told
from the inquiries themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from orders.models import AuditEvent, Inquiry, Order
from orders.web.evidence import Books, Evidence, of_inquiry
from orders.web.saying import SAID_ALREADY, telling

Result = Inquiry.Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened."""

    at: datetime
    tone: str
    icon: str
    says: str
    who: str
    reason: str = ""
    evidence: list[Evidence] = field(default_factory=list)


def steps(order: Order, *, broker: str) -> list[Step]:
    """Return what happened to an order, oldest first."""
    books = Books(
        broker,
        attempts={f"attempt:{a.id}": a for a in order.attempts.all()},
        snapshots={f"snapshot:{s.id}": s for s in order.snapshots.all()},
        executions={f"execution:{e.id}": e for e in order.executions.all()},
        inquiries={f"inquiry:{i.id}": i for i in order.inquiries.all()},
    )
    events = list(order.events.all())
    named = {name for event in events for name in event.evidence}
    told = [_step(event, books) for event in events]
    passes: dict[tuple[datetime, str], list[Inquiry]] = {}
    for name, inquiry in books.inquiries.items():
        if name not in named or inquiry.result == Result.ABSENT:
            passes.setdefault((inquiry.asked_at, inquiry.result), []).append(inquiry)
    looks = [_look(inquiries, books) for inquiries in passes.values()]
    return sorted([*looks, *told], key=lambda step: step.at)


def _step(event: AuditEvent, books: Books) -> Step:
    tone, icon, sentence = telling(event.action)
    # What proved an order absent is told look by look.
    names = [] if event.action == "order.absent" else event.evidence
    evidence = [books.evidence(name) for name in names]
    return Step(
        at=event.at,
        tone=tone,
        icon=icon,
        says=sentence(event, books),
        who=event.actor_name,
        reason="" if event.action in SAID_ALREADY else event.reason,
        evidence=[found for found in evidence if found is not None],
    )


def _look(inquiries: list[Inquiry], books: Books) -> Step:
    """Tell one look: the ways of asking that were used together, and answered alike."""
    inquiry = inquiries[0]
    asked = f"Asked {books.broker} by {' and by '.join(i.path for i in inquiries)}"
    says, tone = {
        Result.FOUND: (f"{asked}: it has it.", "working"),
        Result.ABSENT: (f"{asked}: it says that it has no such order.", ""),
        Result.NO_ANSWER: (f"{asked}: no answer that proves anything.", "doubt"),
    }[Result(inquiry.result)]
    return Step(
        at=inquiry.asked_at,
        tone=tone,
        icon="search",
        says=says,
        who="desk",
        reason=" ".join(dict.fromkeys(i.note for i in inquiries if i.note)),
        evidence=[of_inquiry(f"inquiry:{i.id}", i) for i in inquiries],
    )


def replace_chain(order: Order) -> list[Order]:
    """Return the orders that took each other's place, oldest first, this one among them."""
    chain = [order]
    while (first := chain[0]).replaces_id is not None and first.replaces is not None:
        chain.insert(0, first.replaces)
    for _ in range(50):  # nobody replaces an order more often in a day
        later = chain[-1].replacements.order_by("id").last()
        if later is None:
            break
        chain.append(later)
    return chain


def why(order: Order, told: Iterable[Step], *, broker: str) -> list[tuple[str, datetime | None]]:
    """Return why an order is shown as it is: clauses, each with the moment it rests on."""
    clauses: list[tuple[str, datetime | None]] = []
    if order.status is not None:
        last = order.snapshots.order_by("id").last()
        if last is not None:
            clauses.append((f"because {broker} said “{order.raw_status}” at", last.heard_at))
        else:
            clauses.append(("because of its fills", None))
    elif order.submission_reason:
        clauses.append((f"because: {order.submission_reason}", order.submission_at))
    asked = next((step for step in told if step.says == "Cancel asked for."), None)
    if order.cancel_requested_at is not None and not order.has_ended:
        by = f" by {asked.who}" if asked else ""
        clauses.append((f"cancel asked{by} at", order.cancel_requested_at))
        clauses.append(("no last word on it yet", None))
    return clauses

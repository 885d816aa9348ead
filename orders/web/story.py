"""An order's story in plain sentences, each with the raw evidence it rests on.

The audit is the spine: every change of an order has a row there that names its
facts. Looks that brought no news change nothing and have no row; they are told
from the inquiries themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orders.models import Attempt, AuditEvent, Execution, Inquiry, Order, SnapshotFact
from orders.models.facts import Heard
from orders.money import plain
from orders.states import AttemptState

Result = Inquiry.Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Something a sentence rests on: a request and its answer, or the broker's own words."""

    name: str  # such as attempt:12
    title: str
    said: str = ""  # what we sent
    heard: str = ""  # what came back
    note: str = ""
    is_final: bool = True


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


@dataclass(frozen=True, slots=True)
class Books:
    """Everything kept about one order, by the names that the audit uses."""

    broker: str
    attempts: Mapping[str, Attempt]
    snapshots: Mapping[str, SnapshotFact]
    executions: Mapping[str, Execution]
    inquiries: Mapping[str, Inquiry]

    def evidence(self, name: str) -> Evidence | None:
        if name in self.attempts:
            return _of_attempt(name, self.attempts[name])
        if name in self.inquiries:
            return _of_inquiry(name, self.inquiries[name])
        if name in self.snapshots:
            said = self.snapshots[name]
            title = f"{self.broker} said “{said.raw_status}”"
            return Evidence(name=name, title=title, heard=said.raw, note=_heard(said.heard))
        if name in self.executions:
            trade = self.executions[name]
            title = f"Execution {trade.execution_id}"
            return Evidence(name=name, title=title, heard=trade.raw, note=_heard(trade.heard))
        kind, _, number = name.partition(":")
        return (
            Evidence(name=name, title=f"Webhook delivery {number}") if kind == "delivery" else None
        )


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
    tone, icon, sentence = ACTIONS.get(event.action, UNNAMED)
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
        evidence=[_of_inquiry(f"inquiry:{i.id}", i) for i in inquiries],
    )


def _placed(event: AuditEvent, _books: Books) -> str:
    terms: Mapping[str, Any] = event.after
    prices = [
        f"{word} {terms[name]}"
        for word, name in (("limit", "limit_price"), ("stop", "stop_price"))
        if terms.get(name)
    ]
    what = " ".join(
        [
            str(terms.get("side", "")),
            str(terms.get("quantity", "")),
            str(terms.get("symbol", "")),
            *(prices or [str(terms.get("order_type", "")).replace("_", " ")]),
            str(terms.get("time_in_force", "")).upper(),
        ]
    )
    again = ", to take another's place" if terms.get("replaces") else ""
    return f"Recorded here{again}: {what}."


def _facts(event: AuditEvent, books: Books) -> str:
    """Tell what the broker said, in its own words, and by which door it came."""
    said, doors = [], []
    for name in event.evidence:
        if (snapshot := books.snapshots.get(name)) is not None:
            said.append(f"“{snapshot.raw_status}”")
            doors.append(_heard(snapshot.heard))
        elif (trade := books.executions.get(name)) is not None:
            words = {"bust": "took back", "correct": "corrected to"}.get(trade.kind, "filled")
            said.append(f"{words} {plain(trade.quantity)} at {plain(trade.price)}")
            doors.append(_heard(trade.heard))
    door = f" ({', '.join(dict.fromkeys(filter(None, doors)))})" if doors else ""
    found = event.after.get("submission") == "accepted"
    so = " So it has the order." if found else ""
    return f"{books.broker} said {', '.join(said) or event.reason}{door}.{so}"


def _says(text: str) -> Callable[[AuditEvent, Books], str]:
    return lambda _event, books: text.format(broker=books.broker)


Telling = tuple[str, str, Callable[[AuditEvent, Books], str]]
ACTIONS: Mapping[str, Telling] = {
    "order.placed": ("ready", "clock", _placed),
    "order.adopted": ("working", "swap", _says("{broker} has it, and we had no record of it.")),
    "order.waits": ("ready", "clock", _says("Not sent yet.")),
    "order.sending": ("sending", "arrow", _says("Claimed by one sender, and on its way.")),
    "order.facts": ("working", "dot", _facts),
    "order.not_sent": ("sending", "clock", _says("It did not leave. It is tried again shortly.")),
    "order.refused": ("rejected", "stop", _says("{broker} refused it.")),
    "order.in_doubt": (
        "doubt",
        "question",
        _says("No answer that proves anything: {broker} may have it, or not."),
    ),
    "order.escalated": (
        "doubt",
        "warning",
        _says("In doubt for too long. It is still looked for."),
    ),
    "order.absent": ("ended", "cross", _says("Held to be absent: it never arrived.")),
    "order.check_asked": ("doubt", "clock", _says("{broker} is to be asked at once.")),
    "order.ruling_proposed": ("doubt", "clock", _says("Ruled on, and a second person is needed.")),
    "order.ruling_dropped": ("doubt", "cross", _says("What was ruled is dropped.")),
    "order.attached": ("working", "dot", _says("Ruled to be an order that {broker} has.")),
    "order.conflict": ("conflict", "warning", _says("{broker} has another order under our id.")),
    "order.disputed": ("conflict", "warning", _says("{broker} says of a trade what can't be so.")),
    "order.denied": ("warning", "question", _says("{broker} denies an order that it had.")),
    "incident.raised": ("conflict", "warning", _says("An incident was raised.")),
    "incident.acknowledged": ("", "tick", _says("The incident was acknowledged.")),
    "incident.taken": ("", "arrow", _says("The incident was taken over.")),
    "incident.closed": ("", "tick", _says("The incident was closed.")),
    "order.withdrawn": ("unsent", "cross", _says("Cancelled before it left this desk.")),
    "order.expired_unsent": ("unsent", "clock", _says("It was not sent in time, and never left.")),
    "order.blocked": ("unsent", "barred", _says("Kept here. It never left this desk.")),
    "order.cancel_asked": ("pending", "cross", _says("Cancel asked for.")),
    "order.cancel_sending": ("pending", "arrow", _says("The cancel is on its way.")),
    "order.cancel_taken": (
        "pending",
        "clock",
        _says("{broker} took the request to cancel. That is not a cancel yet."),
    ),
    "order.cancel_refused": ("warning", "stop", _says("{broker} refused the cancel.")),
    "order.cancel_unanswered": (
        "pending",
        "question",
        _says("The cancel went unanswered. It is asked for again."),
    ),
}
UNNAMED: Telling = ("", "dot", lambda event, _books: event.action)
SAID_ALREADY = {"order.facts"}


def _heard(door: str) -> str:
    return {
        Heard.ANSWER: "in its answer",
        Heard.WEBHOOK: "by webhook",
        Heard.POLL: "when asked",
        Heard.PERSON: "as a person recorded",
    }.get(Heard(door), "")


def _of_attempt(name: str, attempt: Attempt) -> Evidence:
    took = "" if attempt.took_ms is None else f" in {attempt.took_ms} ms"
    answer = f" → {attempt.answer_status}{took}" if attempt.answer_status else ""
    what = f"{attempt.get_kind_display()} {attempt.number}"
    return Evidence(
        name=name,
        title=f"{what}: {attempt.method} {attempt.url}{answer}",
        said=attempt.request_body,
        heard=attempt.answer_body or attempt.failure,
        note=attempt.note,
        is_final=attempt.state != AttemptState.SENDING,
    )


def _of_inquiry(name: str, inquiry: Inquiry) -> Evidence:
    took = "" if inquiry.took_ms is None else f" in {inquiry.took_ms} ms"
    answer = f" → {inquiry.answer_status}{took}" if inquiry.answer_status else ""
    asked = f"{inquiry.method} {inquiry.url}{answer}".strip()
    return Evidence(
        name=name,
        title=asked or f"Asked by {inquiry.path}",
        heard=inquiry.answer_body or inquiry.failure,
        note=inquiry.get_result_display(),
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

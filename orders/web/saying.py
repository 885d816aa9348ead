"""Each change of an order as a plain sentence, from its row in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orders.models import AuditEvent
from orders.money import plain
from orders.web.evidence import Books, heard


def _placed(event: AuditEvent, _books: Books) -> str:
    terms: Mapping[str, Any] = event.after
    told = {name: str(word) for name, word in terms.items() if word}
    why = ""
    if told.get("leg"):
        why = f", as the {_spaced(told['leg'])} of another"
    if told.get("replaces"):
        why += ", to take another's place"
    money = told.get("notional")
    words = [
        told.get("side", ""),
        f"${money} of" if money else told.get("quantity", ""),
        told.get("symbol", ""),
        *(_prices(told) or [_spaced(told.get("order_type", ""))]),
        told.get("time_in_force", "").upper(),
    ]
    more = [f"{word} {told[name]}" for name, word in ASIDES.items() if name in told]
    if "extended_hours" in told:
        more.append("also outside regular hours")
    return f"Recorded here{why}: {', '.join([' '.join(filter(None, words)), *more])}."


PRICES = {
    "limit_price": "limit {}",
    "stop_price": "stop {}",
    "trail_price": "trailing {}",
    "trail_percent": "trailing {} %",
}
ASIDES = {
    "expires_at": "good till",
    "position_effect": "only to",
    "take_profit_price": "target",
    "stop_loss_price": "stop",
    "stop_loss_limit_price": "that stop's limit",
}


def _prices(told: Mapping[str, str]) -> list[str]:
    return [words.format(told[name]) for name, words in PRICES.items() if name in told]


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _leg_of(event: AuditEvent) -> str:
    named = _spaced(str(event.after.get("leg") or ""))
    return f"the {named} of another" if named else "a leg of another"


def _of_leg(event: AuditEvent, _books: Books) -> str:
    """Tell what became of an order's legs: what was done, for which of them, and over how much."""
    told = {name: str(word) for name, word in event.after.items() if word}
    done = _spaced(event.action.removeprefix("order.leg_"))
    which = _spaced(told.get("leg", "leg"))
    over = f" over {told['quantity']}" if "quantity" in told else ""
    at = f", {', '.join(_prices(told))}" if _prices(told) else ""
    return f"Its {which}{over}{at}: {done}."


def _facts(event: AuditEvent, books: Books) -> str:
    """Tell what the broker said, in its own words, and by which door it came."""
    said, doors = [], []
    for name in event.evidence:
        if (snapshot := books.snapshots.get(name)) is not None:
            said.append(f"“{snapshot.raw_status}”")
            doors.append(heard(snapshot.heard))
        elif (trade := books.executions.get(name)) is not None:
            words = {"bust": "took back", "correct": "corrected to"}.get(trade.kind, "filled")
            said.append(f"{words} {plain(trade.quantity)} at {plain(trade.price)}")
            doors.append(heard(trade.heard))
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
    "position.close_asked": ("pending", "cross", _says("It is to close a position.")),
    "order.leg_told": (
        "working",
        "swap",
        lambda event, books: f"{books.broker} has told of it, as {_leg_of(event)}.",
    ),
    "order.flatten_asked": (
        "pending",
        "cross",
        _says("What it opened is to be closed at the market, once its legs are gone."),
    ),
    "order.unprotected": (
        "rejected",
        "warning",
        _says("NOT PROTECTED: what it filled has no protection that {broker} has shown."),
    ),
    "order.protected": (
        "filled",
        "tick",
        _says("Protected: {broker} has shown that its legs work."),
    ),
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
OF_LEGS: Telling = ("working", "swap", _of_leg)
UNNAMED: Telling = ("", "dot", lambda event, _books: event.action)
SAID_ALREADY = {"order.facts"}


def telling(action: str) -> Telling:
    """Return the tone and the icon of a change, and what writes its sentence."""
    unnamed = OF_LEGS if action.startswith("order.leg_") else UNNAMED
    return ACTIONS.get(action, unnamed)

"""Holds the desk's orders and fills against the exchange's own ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from tools.drive.servers import Desk, Exchange, Json

SAME_STATE = {  # the desk's word for the exchange's
    "filled": "filled",
    "cancelled": "canceled",
    "expired": "expired",
    "replaced": "replaced",
}
NO_ORDER = {"refused", "absent", "withdrawn", "expired_unsent", "blocked"}


class Books(Protocol):
    """One run: both sides, and the name that its orders begin with."""

    desk: Desk
    exchange: Exchange
    prefix: str
    repeated: int


@dataclass(slots=True)
class Found:
    """What the comparison came to."""

    counts: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def compare(books: Books, orders: list[Json]) -> Found:
    """Hold the desk's orders and fills against the exchange's ledger."""
    found = Found()
    ours, account = books.prefix, books.exchange.account
    there: dict[str, list[Json]] = defaultdict(list)
    for line in books.exchange.ledger("orders", account=account):
        if line["client_order_id"].startswith(ours):
            there[line["client_order_id"]].append(line)
    here = {order["client_order_id"]: order for order in orders}

    doubles = [name for name, lines in there.items() if len(lines) > 1]
    states = [said for order in orders if (said := _state_differs(order, there))]
    strangers = [name for name in there if name not in here]
    terms = [
        said
        for name in here.keys() & there.keys()
        if (said := _terms_differ(here[name], there[name][0]))
    ]
    lost, invented = _fills_differ(books, here)
    requests = [
        line
        for line in books.exchange.ledger("requests", account=account)
        if line["method"] == "POST" and ours in line["body"]
    ]
    faults = Counter(line["fault"] for line in requests if line["fault"])
    doubts = [_doubt(books.desk, order) for order in orders]
    spans = [span for span in doubts if span is not None]

    found.counts = {
        "orders": len(orders),
        "asked for twice by the client": books.repeated,
        "answers lost": f"{faults.total()} of {len(requests)}",
        "entered doubt": len(spans),
        "resolved": sum(not order["in_doubt"] for order in orders) - (len(orders) - len(spans)),
        "longest doubt": f"{max(spans, default=0.0):.1f} s",
        "fills": sum(1 for _ in _fills_there(books)),
        "doubles": len(doubles),
        "lost fills": len(lost),
        "invented fills": len(invented),
        "different states": len(states),
        "different terms": len(terms),
        "unknown to the desk": len(strangers),
    }
    found.wrong += [f"{name}: {len(there[name])} orders at the exchange" for name in doubles]
    found.wrong += [f"{name}: at the exchange, and not on the desk" for name in strangers]
    found.wrong += [f"fill {fill}: not on the desk" for fill in lost]
    found.wrong += [f"fill {fill}: not at the exchange" for fill in invented]
    found.wrong += states + terms
    return found


def _state_differs(order: Json, there: dict[str, list[Json]]) -> str:
    name, lines = order["client_order_id"], there.get(order["client_order_id"], [])
    said = order["status"] or order["submission"]
    if order["in_doubt"] or not has_ended(order):
        return f"{name}: still {said} on the desk"
    if order["flags"]:
        return f"{name}: flagged {', '.join(order['flags'])}"
    if order["submission"] in NO_ORDER:
        return f"{name}: {said} on the desk, and at the exchange" if lines else ""
    if not lines:
        return f"{name}: {said} on the desk, and not at the exchange"
    truth = lines[0]
    same = (
        SAME_STATE.get(truth["status"]) == said
        and Decimal(truth["filled_quantity"]) == Decimal(order["filled_quantity"])
        and truth["id"] == order["broker_order_id"]
    )
    return "" if same else f"{name}: {said} on the desk, {truth['status']} at the exchange"


def _terms_differ(order: Json, truth: Json) -> str:
    words = ("symbol", "side", "time_in_force")
    amounts = ("quantity", "limit_price", "stop_price")
    same = (
        all(order[word] == truth[word] for word in words)
        and order["order_type"] == truth["type"]
        and all(_amount(order[name]) == _amount(truth[name]) for name in amounts)
    )
    return "" if same else f"{order['client_order_id']}: other terms at the exchange"


def _fills_there(books: Books) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    for line in books.exchange.ledger("executions", account=books.exchange.account):
        if line["client_order_id"].startswith(books.prefix):
            yield (
                line["client_order_id"],
                line["id"],
                Decimal(line["quantity"]),
                Decimal(line["price"]),
            )


def _fills_differ(books: Books, here: dict[str, Json]) -> tuple[list[Any], list[Any]]:
    """Return the fills that only the exchange has, and those that only the desk has."""
    names = {order["id"]: name for name, order in here.items()}
    desk = Counter(
        (
            names[fill["order_id"]],
            fill["execution_id"],
            Decimal(fill["quantity"]),
            Decimal(fill["price"]),
        )
        for fill in books.desk.executions()
        if fill["order_id"] in names
    )
    exchange = Counter(_fills_there(books))
    return list((exchange - desk).elements()), list((desk - exchange).elements())


def _doubt(desk: Desk, order: Json) -> float | None:
    """Return for how many seconds an order was in doubt, or None if it never was."""
    began, spans = None, []
    for event in desk.server.must("GET", desk.path(f"orders/{order['id']}/events"))["events"]:
        submission = event["after"].get("submission")
        if submission is None:
            continue
        at = datetime.fromisoformat(event["at"])
        if submission == "unknown":
            began = at
        elif began is not None:
            spans.append((at - began).total_seconds())
            began = None
    return max(spans) if spans else (0.0 if began is not None else None)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def has_ended(order: Json) -> bool:
    """Say whether nothing more can come of an order."""
    return order["submission"] in NO_ORDER or order["status"] in {*SAME_STATE.values(), "rejected"}

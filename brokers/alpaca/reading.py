"""Reads what Alpaca tells: orders, trades, and the events of its stream `trade_updates`.

Strict in what it believes and tolerant in the rest: fields that nobody here knows are left alone,
a status that nobody knows is kept as it was said, and what does not make an order raises one of
`brokers.parsing.MISSHAPEN`.

An order that took another's place may show what that one had filled as its own (`carried`). A desk
says how much that is; Alpaca does not, and the first word on such an order is only a claim.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from brokers.alpaca.words import INTENTS, STATUSES
from brokers.amounts import EXACT
from brokers.messages import Delivery, Fill, Report, Snapshot
from brokers.parsing import (
    parse_amount,
    parse_optional_amount,
    parse_text,
    parse_time,
)
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    Leg,
    OrderClass,
    OrderType,
    Side,
    Status,
    TimeInForce,
)

Word = TypeVar("Word", bound=StrEnum)

STREAM = "trade_updates"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A word on an order that says what is its own comes after one of the same moment that does not.
OWN = 1000
SHORTEST_PAIR = len("BTCUSD")
QUOTED_IN = ("USDC", "USDT", "USD", "BTC")  # the longer before what they end in
NANOSECONDS = re.compile(r"\.[0-9]{6}([0-9]{1,3})", re.ASCII)
TRADES = frozenset({"fill", "partial_fill"})
LATER_WORDS = frozenset({"trade_bust", "trade_correct"})
EVENTS = (
    frozenset(
        {
            "order_cancel_rejected",
            "order_replace_rejected",
            "restated",
        }
    )
    | frozenset(STATUSES)
    | TRADES
    | LATER_WORDS
)
ENDED_BADLY = frozenset({Status.REJECTED, Status.CANCELED, Status.EXPIRED})


def group(told: Mapping[str, Any]) -> tuple[Snapshot, ...]:
    """Return an order and the legs that are told within it, the order first.

    An order of several options has no symbol and no side of its own: then its parts alone.
    """
    legs = [_leg(leg, told) for leg in told.get("legs") or []]
    if told.get("order_class") == "mleg" and not told.get("side"):
        return tuple(replace(leg, parent="", leg=None) for leg in legs)
    return (order(told), *legs)


def parents(told: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return which order each leg within some orders belongs to, by Alpaca's ids."""
    return {_name(leg["id"]): _name(one["id"]) for one in told for leg in one.get("legs") or []}


def order(told: Mapping[str, Any], *, parent: str = "") -> Snapshot:
    """Return what is told of one order, without its legs. `parent`: what it is a leg of."""
    quantity, notional = _optional(told.get("qty")), _optional(told.get("notional"))
    if quantity is None and notional is None:
        raise ValueError("the order is for nothing")
    beyond = _beyond(told)
    # A desk's word goes first: it shows legs with the order that took their parent's place, too.
    parent = parse_text(beyond.get("parent")) or parent
    word = _name(told["status"])
    status = STATUSES.get(word, Status.INDETERMINATE)
    kind = _known(OrderType, told.get("type") or told.get("order_type"))
    version, sequence = _stamp(told)
    said = Snapshot(
        broker_order_id=_name(told["id"]),
        wire_id=parse_text(told["client_order_id"]),
        symbol=slashed(_name(told["symbol"]), told.get("asset_class")),
        side=Side(told["side"]),
        quantity=quantity,
        notional=notional,
        status=status,
        raw_status=word,
        cumulative=parse_amount(told["filled_qty"]),
        average_price=_optional(told.get("filled_avg_price")),
        version=version,
        sequence=sequence,
        # A kind of order we do not know is no reason to lose sight of the order.
        order_type=kind,
        time_in_force=_known(TimeInForce, told.get("time_in_force")),
        limit_price=_optional(told.get("limit_price")) if kind in NEEDS_LIMIT else None,
        stop_price=_optional(told.get("stop_price"))
        if kind in NEEDS_STOP or kind is OrderType.TRAILING_STOP
        else None,
        trail_price=_optional(told.get("trail_price")),
        trail_percent=_optional(told.get("trail_percent")),
        high_water_mark=_optional(told.get("hwm")),
        extended_hours=told.get("extended_hours") is True,
        position_effect=INTENTS.get(str(told.get("position_intent"))),
        # Alpaca's legs bear the class of their order, and are of no class themselves.
        order_class=OrderClass.SIMPLE
        if parent
        else _known(OrderClass, told.get("order_class")) or OrderClass.SIMPLE,
        parent=parent,
        leg=_role(kind, beyond) if parent else None,
        replaces=parse_text(told.get("replaces")),
        replaced_by=parse_text(told.get("replaced_by")),
        reason=parse_text(beyond.get("reason")) if status in ENDED_BADLY else "",
        raw=_raw(told, but="legs"),
    )
    carried = beyond.get("carried_filled_qty")
    return said if carried is None else own(said, carried=parse_amount(carried))


def came(told: Mapping[str, Any]) -> datetime:
    """Return when an order came, which is what lists of them go by."""
    return parse_time(told.get("submitted_at") or told["created_at"])


def slashed(symbol: str, asset_class: object = None) -> str:
    """Return a symbol with the slash that Alpaca leaves out of pairs in some places.

    Where the class is not told, a pair is known by its length: no share's symbol has six letters.
    """
    is_pair = asset_class == "crypto" or (asset_class is None and len(symbol) >= SHORTEST_PAIR)
    if "/" in symbol or not is_pair or not symbol.isalpha():
        return symbol
    for quoted_in in QUOTED_IN:
        if symbol.endswith(quoted_in) and symbol != quoted_in:
            return f"{symbol.removesuffix(quoted_in)}/{quoted_in}"
    return symbol


def own(said: Snapshot, *, carried: Decimal) -> Snapshot:
    """Return what an order has filled itself, told how much of it those before it had.

    Once it is whole, what it filled itself is what it was for.
    """
    cumulative = EXACT.subtract(said.cumulative, carried)
    if carried < 0 or cumulative < 0:
        raise ValueError("an order carries over more than it shows")
    is_whole = said.status is Status.FILLED and said.quantity is not None and cumulative > 0
    return replace(
        said,
        cumulative=cumulative,
        quantity=cumulative if carried and is_whole else said.quantity,
        average_price=None if carried else said.average_price,
        sequence=said.sequence + OWN,
    )


def is_claim(said: Snapshot) -> bool:
    """Whether an order may show as filled what the one before it had filled."""
    return bool(said.replaces) and said.cumulative > 0 and said.sequence < OWN


def fill(told: Mapping[str, Any]) -> Fill:
    """Return the trade that an activity tells of. Its wire id is not told."""
    if told.get("activity_type") != "FILL" or told.get("type") not in TRADES:
        # A word we do not know must not pass for a trade: then the whole answer is unreadable.
        raise ValueError("an activity of another kind than a trade")
    _, _, execution_id = _name(told["id"]).partition("::")
    return _fill(
        told,
        order_id=_name(told["order_id"]),
        execution_id=_name(execution_id),
        at=parse_time(told["transaction_time"]),
        symbol=slashed(_name(told["symbol"])),
        side=_side(told["side"]),
    )


def update(told: Mapping[str, Any]) -> Delivery:
    """Return what one message of the stream tells: a whole frame, or the `data` of one.

    The trade that an event tells of is told only by a desk, which lists it under the same id.
    Whether Alpaca does is nowhere said (2026-11-21), and a trade told under two ids would count
    twice: there the order's claim is told, and its trades are asked for.
    """
    if "stream" in told:
        if told["stream"] != STREAM:
            return Delivery(event=_name(told["stream"]), is_known=False)
        told = told["data"]
    event = _name(told["event"])
    if event not in EVENTS:
        return Delivery(event=event, is_known=False)
    snapshots = group(told["order"])
    if reason := parse_text(told.get("reason")):
        snapshots = tuple(
            replace(one, reason=reason) if one.status in ENDED_BADLY and not one.parent else one
            for one in snapshots
        )
    # What has no id is a trade of nothing: it says that an order for money is whole.
    is_told = event in TRADES and bool(_beyond(told["order"])) and told.get("execution_id")
    fills = (_executed(told),) if is_told else ()
    return Delivery(event=event, report=Report(snapshots=snapshots, fills=fills))


def _beyond(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a desk says of an order beyond Alpaca's fields; nothing where it is Alpaca."""
    beyond = told.get("blotter")
    return beyond if isinstance(beyond, dict) else {}


def _executed(told: Mapping[str, Any]) -> Fill:
    about = told["order"]
    return replace(
        _fill(
            told,
            order_id=_name(about["id"]),
            execution_id=_name(told["execution_id"]),
            at=parse_time(told["timestamp"]),
            symbol=slashed(_name(about["symbol"]), about.get("asset_class")),
            side=_side(about["side"]),
        ),
        wire_id=parse_text(about["client_order_id"]),
    )


def _fill(
    told: Mapping[str, Any],
    *,
    order_id: str,
    execution_id: str,
    at: datetime,
    symbol: str,
    side: Side,
) -> Fill:
    return Fill(
        broker_order_id=order_id,
        execution_id=execution_id,
        trade_date=at.date(),
        quantity=parse_amount(told["qty"]),
        price=parse_amount(told["price"]),
        executed_at=at,
        symbol=symbol,
        side=side,
        raw=_raw(told, but="order"),
    )


def _leg(told: Mapping[str, Any], of: Mapping[str, Any]) -> Snapshot:
    return order(told, parent=_name(of["id"]))


def _role(kind: OrderType | None, beyond: Mapping[str, Any]) -> Leg:
    """Return what a leg is for: as a desk says it, or by the kind of order that it is."""
    said = _known(Leg, beyond.get("leg"))
    return said or (Leg.TAKE_PROFIT if kind is OrderType.LIMIT else Leg.STOP_LOSS)


def _side(told: object) -> Side:
    """Return a trade's side. An activity says of a short sale that it is one."""
    return Side.SELL if told == "sell_short" else Side(parse_text(told))


def _stamp(told: Mapping[str, Any]) -> tuple[int, int]:
    """Return when an order last changed: whole microseconds, and the nanoseconds beyond them."""
    said = told.get("updated_at") or told.get("submitted_at") or told["created_at"]
    beyond = NANOSECONDS.search(said)
    version = (parse_time(said) - EPOCH) // timedelta(microseconds=1)
    return version, int(beyond[1].ljust(3, "0")) if beyond else 0


def _optional(value: object) -> Decimal | None:
    """Return an amount. Alpaca says both null and nothing at all for none."""
    return None if value == "" else parse_optional_amount(value)


def _known(words: type[Word], told: object) -> Word | None:
    """Return one of our words, or None for what is not among them."""
    return words(told) if isinstance(told, str) and told in set(words) else None


def _name(value: object) -> str:
    text = parse_text(value, longest=128)
    if not text:
        raise ValueError("a name is missing")
    return text


def _raw(told: Mapping[str, Any], *, but: str) -> str:
    return json.dumps({name: one for name, one in told.items() if name != but}, default=str)

"""How an account at the paper exchange is to be spoken to: one visible value for each broker.

The exchange has a table of its own (`personalities`), which says the same from its side. What is
here is only what a client can know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from brokers.alpaca import words as alpaca
from brokers.classifying import Problem, Refusals
from brokers.parsing import parse_time, parse_whole, storable
from brokers.vocabulary import Status

LONGEST_CODE = 64  # of what is kept of one

# Our words for theirs. A broker's other documented words are here too: it may use them tomorrow.
PAPER_STATUSES = {
    "held": Status.HELD,
    "accepted": Status.ACCEPTED,
    "waiting": Status.NEW,  # a stop that has not been reached is live all the same
    "working": Status.NEW,
    "part_filled": Status.PARTIALLY_FILLED,
    "cancel_pending": Status.PENDING_CANCEL,  # still live until "cancelled" comes
    "filled": Status.FILLED,
    "cancelled": Status.CANCELED,
    "expired": Status.EXPIRED,
    "replaced": Status.REPLACED,
}
TAPP_STATUSES = {
    "pending_new": Status.PENDING_NEW,
    "new": Status.NEW,
    "partially_filled": Status.PARTIALLY_FILLED,
    "pending_cancel": Status.PENDING_CANCEL,
    "filled": Status.FILLED,
    "canceled": Status.CANCELED,
    "cancelled": Status.CANCELED,  # its newer documents have two
    "expired": Status.EXPIRED,
    "rejected": Status.REJECTED,
}
CLEARSTREET_STATUSES = {
    **{word.upper(): status for word, status in alpaca.STATUSES.items()},
    "QUEUED": Status.ACCEPTED,
    "PENDING_TRIGGER": Status.NEW,
}
GATEWAY_STATUSES = {
    "PENDING": Status.NEW,
    "OPEN": Status.NEW,
    "PARTIALLY_FILLED": Status.PARTIALLY_FILLED,
    "PENDING_CANCEL": Status.PENDING_CANCEL,
    "FILLED": Status.FILLED,
    "CANCELLED": Status.CANCELED,
    "REJECTED": Status.REJECTED,
    "EXPIRED": Status.EXPIRED,
}
BINANCE_STATUSES = {
    "PENDING_NEW": Status.PENDING_NEW,
    "NEW": Status.NEW,
    "PARTIALLY_FILLED": Status.PARTIALLY_FILLED,
    "PENDING_CANCEL": Status.PENDING_CANCEL,
    "FILLED": Status.FILLED,
    "CANCELED": Status.CANCELED,
    "REJECTED": Status.REJECTED,
    "EXPIRED": Status.EXPIRED,
    "EXPIRED_IN_MATCH": Status.EXPIRED,
}

# Each list of final refusals holds what a broker says having changed nothing.
PAPER_REFUSALS = Refusals(
    dialect="paper",
    definitive=frozenset(
        {
            "invalid_json",
            "missing_field",
            "unknown_field",
            "invalid_client_order_id",
            "invalid_symbol",
            "invalid_side",
            "invalid_type",
            "invalid_time_in_force",
            "invalid_quantity",
            "invalid_limit_price",
            "invalid_stop_price",
            "invalid_notional",
            "invalid_trail_price",
            "invalid_trail_percent",
            "invalid_expires_at",
            "invalid_extended_hours",
            "invalid_position_effect",
            "invalid_order_class",
            "invalid_take_profit",
            "invalid_stop_loss",
            "invalid_parameter",
            "unsupported_class",
            "legs_crossed",
            "take_profit_wrong_side",
            "stop_loss_wrong_side",
            "stop_limit_wrong_side",
            "unknown_symbol",
            "not_tradable",
            "market_closed",
            "account_not_active",
            "position_effect_mismatch",
            "wash_trade",
            "not_replaceable",
            "insufficient_buying_power",
            "insufficient_position",
            "not_shortable",
            "declined",
            "too_late",
            "filled_further",
            "not_found",
        }
    ),
    duplicate=frozenset({"duplicate_client_order_id"}),
    absent=frozenset({"not_found"}),
)
TAPP_REFUSALS = Refusals(
    dialect="tapp",
    definitive=frozenset(
        {
            "VALIDATION_ERROR",
            "MISSING_REQUIRED_FIELD",
            "INVALID_ENUM_VALUE",
            "INVALID_FORMAT",
            "INSUFFICIENT_BUYING_POWER",
            "SYMBOL_NOT_TRADABLE",
            "MARKET_CLOSED",
            "ACCOUNT_NOT_ACTIVE",
            "INVALID_ORDER_STATE",
            "ORDER_NOT_FOUND",
        }
    ),
    duplicate=frozenset({"DUPLICATE_CLIENT_ORDER_ID"}),
    absent=frozenset({"ORDER_NOT_FOUND"}),
)
# Its code is the status over again, so only the envelope around it proves who speaks.
CLEARSTREET_REFUSALS = Refusals(
    dialect="clearstreet",
    definitive=frozenset({"400", "404", "422"}),
    duplicate=frozenset({"409"}),
    absent=frozenset({"404"}),
)
# It sends orders on a second time by itself, so what its broker refuses may be our own order's
# echo. Only what it says before it sends anything is final.
GATEWAY_REFUSALS = Refusals(
    dialect="gateway",
    definitive=frozenset({"INVALID_REQUEST", "INVALID_VALUE", "VALIDATION_ERROR"}),
    duplicate=frozenset({"ORDER_REJECTED client_order_id must be unique"}),
    absent=frozenset({"ORDER_NOT_FOUND"}),
    relays=True,
)
# Only the text of -2010 tells what it is about.
BINANCE_REFUSALS = Refusals(
    dialect="binance",
    definitive=frozenset(
        {
            "-1013",
            "-1100",
            "-1102",
            "-1104",
            "-1106",
            "-1111",
            "-1115",
            "-1116",
            "-1117",
            "-1121",
            "-2010 Account has insufficient balance for requested action.",
            "-2010 This action is disabled on this account.",
            "-2010 This symbol is not permitted for this account.",
            "-2010 Market is closed.",
            "-2010 OCO orders are not supported for this symbol",
            "-2010 Quote order qty market orders are not support for this symbol."[:LONGEST_CODE],
            "-2010 Order would trigger immediately.",
            "-2010 The relationship of the prices for the orders is not correct."[:LONGEST_CODE],
            "-2011",
            "-2013",
            "-2022",
        }
    ),
    duplicate=frozenset({"-2010 Duplicate order sent."}),
    absent=frozenset({"-2013"}),
    absent_status=400,
)


def read_problem(told: Any) -> Problem | None:
    """Read a code and a message; None if the body is not the exchange's own."""
    match told:
        case {"code": str(code), "message": str(message)}:
            return _problem(code, message)
        case _:
            return None


def _tapp_problem(told: Any) -> Problem | None:
    match told:
        case {"error": {"code": str(code), "message": str(message)}}:
            return _problem(code, message)
        case _:
            return None


def _clearstreet_problem(told: Any) -> Problem | None:
    match told:
        case {
            "error": {"code": int(code), "message": str(message)},
            "metadata": {"request_id": str()},
        }:
            return _problem(str(code), message)
        case _:
            return None


def _gateway_problem(told: Any) -> Problem | None:
    match told:
        case {"code": str(code), "message": str(message)}:
            unique = "client_order_id must be unique"
            return _problem(
                f"{code} {unique}" if unique in message else code, message + _reject_code(told)
            )
        case _:
            return None


def _reject_code(told: Mapping[str, Any]) -> str:
    """Return what the broker behind the Gateway called it, to be read after its sentence."""
    match told:
        case {"details": {"reject_code": str(code)}}:
            return f" ({code})"
        case _:
            return ""


def _binance_problem(told: Any) -> Problem | None:
    match told:
        case {"code": int(code), "msg": str(message)}:
            return _problem(f"{code} {message}" if code == -2010 else str(code), message)
        case _:
            return None


def _problem(code: str, message: str) -> Problem:
    return Problem(storable(code[:LONGEST_CODE]), storable(message[:500]))


def _from_milliseconds(value: object) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=parse_whole(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one broker speaks and what its lookups are worth. The defaults are the paper exchange's.

    Without a version on the wire, the stamp is the version, and snapshots of one moment tie.
    """

    statuses: Mapping[str, Status]
    refusals: Refusals = PAPER_REFUSALS
    read_problem: Callable[[Any], Problem | None] = read_problem
    read_time: Callable[[object], datetime] = parse_time
    tells_version: bool = False
    looks_up_by: str = "client_order_id"  # the list's parameter that our id goes in
    filters: bool = True  # or else it lists every open order, whatever it is asked
    declines_misses: bool = False  # says "no such order" to a look-up, rather than an empty list
    reads_by_id: bool = True  # or else that finds open orders only, and the list is to be asked


PAPER = Dialect(statuses=PAPER_STATUSES, tells_version=True)
ALPACA = Dialect(
    statuses=alpaca.STATUSES,
    refusals=alpaca.REFUSALS,
    read_problem=alpaca.read_problem,
    declines_misses=True,
)
TAPP = Dialect(statuses=TAPP_STATUSES, refusals=TAPP_REFUSALS, read_problem=_tapp_problem)
CLEARSTREET = Dialect(
    statuses=CLEARSTREET_STATUSES,
    refusals=CLEARSTREET_REFUSALS,
    read_problem=_clearstreet_problem,
    looks_up_by="order_ids",
    reads_by_id=False,
)
GATEWAY = Dialect(
    statuses=GATEWAY_STATUSES,
    refusals=GATEWAY_REFUSALS,
    read_problem=_gateway_problem,
    filters=False,
)
BINANCE = Dialect(
    statuses=BINANCE_STATUSES,
    refusals=BINANCE_REFUSALS,
    read_problem=_binance_problem,
    read_time=_from_milliseconds,
    declines_misses=True,
)

"""Alpaca's objects as its own document and its SDKs have them: every field, its type, whether null.

A line is a field: its name, its type, and `?` where it may be null. `amount` is a decimal in a
string, in plain notation; `time` is RFC 3339 with its zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from alpaca.trading import enums

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
AMOUNT = re.compile(r"-?(0|[1-9]\d*)(\.\d*[1-9])?")


def words(*known: type) -> Callable[[Any], bool]:
    return lambda value: value in {one.value for enum in known for one in enum}


def text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "uuid": lambda value: isinstance(value, str) and str(UUID(value)) == value,
    "time": lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None,
    "amount": lambda value: isinstance(value, str) and AMOUNT.fullmatch(value) is not None,
    "yes": lambda value: isinstance(value, bool),
    "whole": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "numbers": list_of(number),
    "wholes": list_of(lambda value: isinstance(value, int)),
    "number": number,
    "texts": list_of(lambda value: isinstance(value, str)),
    "object": lambda value: isinstance(value, dict),
    "orders": lambda value: bool(value) and all(not wrong(ORDER, one) for one in value),
    "day": text(r"\d{4}-\d\d-\d\d"),
    "clock": text(r"\d\d:\d\d"),
    "hours": text(r"\d{4}"),
    "activity": text(r"\d{17}::" + UUID_TEXT.pattern),
    "status": words(enums.OrderStatus),
    "side": words(enums.OrderSide),
    "type": words(enums.OrderType),
    "tif": words(enums.TimeInForce),
    "class": lambda value: value in {"", "bracket", "oco", "oto"},
    "intent": words(enums.PositionIntent),
    "asset_class": words(enums.AssetClass),
    "exchange": words(enums.AssetExchange),
    "asset_status": words(enums.AssetStatus),
    "account_status": words(enums.AccountStatus),
    "long_short": words(enums.PositionSide),
    "trade": words(enums.TradeActivityType),
    "email": words(enums.TradeConfirmationEmail),
}

ORDER = """
    id uuid, client_order_id text, created_at time, updated_at time, submitted_at time,
    filled_at time?, expired_at time?, expires_at time?, canceled_at time?, failed_at time?,
    replaced_at time?, replaced_by uuid?, replaces uuid?, asset_id uuid, symbol text,
    asset_class asset_class, notional amount?, qty amount?, filled_qty amount,
    filled_avg_price amount?, order_class class, order_type type, type type, side side,
    time_in_force tif, limit_price amount?, stop_price amount?, status status, extended_hours yes,
    legs orders?, trail_percent amount?, trail_price amount?, hwm amount?, position_intent intent?,
    ratio_qty amount?, subtag text?, source text?
"""
POSITION = """
    asset_id uuid, symbol text, exchange exchange, asset_class asset_class, asset_marginable yes,
    avg_entry_price amount, qty amount, qty_available amount?, side long_short,
    market_value amount?, cost_basis amount, unrealized_pl amount?, unrealized_plpc amount?,
    unrealized_intraday_pl amount?, unrealized_intraday_plpc amount?, current_price amount?,
    lastday_price amount?, change_today amount?
"""
ACCOUNT = """
    id uuid, account_number text, status account_status, crypto_status account_status,
    currency text, cash amount?, buying_power amount?, equity amount?, portfolio_value amount?,
    position_market_value amount?, regt_buying_power amount?, daytrading_buying_power amount?,
    effective_buying_power amount?, non_marginable_buying_power amount?,
    options_buying_power amount?, accrued_fees amount?, pending_transfer_in amount?,
    pending_transfer_out amount?, multiplier amount?, last_equity amount?,
    long_market_value amount?, short_market_value amount?, initial_margin amount?,
    maintenance_margin amount?, last_maintenance_margin amount?, sma amount?, trading_blocked yes,
    transfers_blocked yes, account_blocked yes, trade_suspended_by_user yes, shorting_enabled yes,
    created_at time
"""
ASSET = """
    id uuid, class asset_class, exchange exchange, symbol text, name text, status asset_status,
    tradable yes, marginable yes, shortable yes, easy_to_borrow yes, fractionable yes,
    attributes texts
"""
PAIR = ASSET.rstrip() + ", price_increment amount?"
CLOCK = "timestamp time, is_open yes, next_open time, next_close time"
DAY = """
    date day, open clock, close clock, session_open hours, session_close hours, settlement_date day
"""
CONFIGURATIONS = """
    dtbp_check text?, fractional_trading yes, max_margin_multiplier amount,
    max_options_trading_level whole, no_shorting yes, pdt_check text?, ptp_no_exception_entry yes,
    suspend_trade yes, trade_confirm_email email
"""
HISTORY = """
    timestamp wholes, equity numbers, profit_loss numbers, profit_loss_pct numbers,
    base_value number, timeframe text
"""
TRADE = """
    id activity, activity_type text, transaction_time time, type trade, price amount, qty amount,
    side side, symbol text, leaves_qty amount, order_id uuid, cum_qty amount, order_status status
"""
ERROR = "code whole, message text"


def wrong(shape: str, told: Mapping[str, Any], *, beyond: tuple[str, ...] = ()) -> list[str]:
    """Return what about an object is not as its shape has it. `beyond` are fields of our own."""
    fields = dict(line.split() for line in shape.replace("\n", " ").split(",") if line.strip())
    faults = [f"{name} is missing" for name in fields.keys() - told.keys()]
    faults += [f"{name} is new" for name in told.keys() - fields.keys() - {*beyond, "blotter"}]
    for name in fields.keys() & told.keys():
        kind, value = fields[name], told[name]
        is_so = kind.endswith("?") if value is None else TYPES[kind.rstrip("?")](value)
        if not is_so:
            faults.append(f"{name} is {value!r}, and no {kind}")
    return faults

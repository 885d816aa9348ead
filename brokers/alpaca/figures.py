"""Reads what Alpaca tells beside the orders: positions, the account's figures, what it trades."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brokers.alpaca.reading import slashed
from brokers.messages import Balance, Holding, Instrument
from brokers.parsing import parse_amount, parse_optional_amount, parse_text
from brokers.ticks import CENT, FINEST


def holding(told: Mapping[str, Any]) -> Holding:
    """Return a position: short is negative, whichever way Alpaca says it."""
    quantity = parse_amount(told["qty"])
    if told["side"] == "short":
        quantity = -quantity.copy_abs()
    return Holding(
        symbol=slashed(parse_text(told["symbol"]), told.get("asset_class")),
        quantity=quantity,
        average_price=parse_optional_amount(told.get("avg_entry_price")),
    )


def balance(told: Mapping[str, Any]) -> Balance:
    """Return the account's figures."""
    return Balance(
        cash=parse_amount(told["cash"]),
        buying_power=parse_amount(told["buying_power"]),
        equity=parse_amount(told["equity"]),
        currency=parse_text(told.get("currency")) or "USD",
    )


def instrument(told: Mapping[str, Any]) -> Instrument:
    """Return an asset. Alpaca tells an increment of pairs alone."""
    symbol = slashed(parse_text(told["symbol"]), told.get("class"))
    step = told.get("price_increment")
    return Instrument(
        symbol=symbol,
        name=parse_text(told.get("name")) or symbol,
        tradable=told["tradable"] is True and told.get("status") == "active",
        fractionable=told["fractionable"] is True,
        price_increment=parse_amount(step) if step else _step(symbol),
        shortable=told.get("shortable") is True,
    )


def _step(symbol: str) -> Decimal:
    return FINEST if "/" in symbol else CENT

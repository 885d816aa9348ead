"""What goes with what: the rules of every kind of order, whoever asks and whatever they have."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from brokers.paper.amounts import write_amount
from brokers.paper.market import Instrument
from brokers.paper.personalities import Personality
from brokers.paper.refusals import Refusal
from brokers.paper.sessions import AUCTIONS
from brokers.paper.terms import Terms
from brokers.vocabulary import OrderType, TimeInForce

LEAST_MONEY = {"equity": Decimal(1), "crypto": Decimal(10)}
AT_A_PRICE = frozenset({OrderType.MARKET, OrderType.LIMIT})
DAY_ALONE = frozenset({TimeInForce.DAY})
STAYING = frozenset({TimeInForce.DAY, TimeInForce.GTC})


def check_kind(
    terms: Terms, instrument: Instrument, personality: Personality, *, now: datetime
) -> None:
    """Raise Refusal for an order whose parts do not go together."""
    if terms.time_in_force in AUCTIONS and terms.type not in AT_A_PRICE:
        raise _time("Auctions take market and limit orders.", rule="auction_type")
    if terms.type is OrderType.TRAILING_STOP and terms.time_in_force not in STAYING:
        raise _time("A trailing stop is a day or gtc order.", rule="trailing_time")
    if terms.expires_at is not None and terms.expires_at <= now:
        raise Refusal("invalid_expires_at", "expires_at must be to come.", field="expires_at")
    if terms.extended_hours and not (
        terms.type is OrderType.LIMIT and terms.time_in_force in STAYING
    ):
        raise Refusal(
            "invalid_extended_hours",
            "Out of hours, day and gtc limit orders are taken.",
            field="extended_hours",
            rule="extended_hours",
        )
    if instrument.kind == "crypto":
        _check_crypto(terms, personality)
    if terms.quantity is not None and not terms.quantity % 1:
        return
    if not instrument.fractionable:
        field = "quantity" if terms.notional is None else "notional"
        raise Refusal(
            f"invalid_{field}",
            f"{instrument.symbol} trades in whole units.",
            field=field,
            rule="not_fractionable",
            symbol=instrument.symbol,
        )
    if instrument.kind != "crypto":
        _check_part(terms, personality)
    if terms.notional is not None:
        _check_money(terms, terms.notional, instrument, personality)


def check_price(field: str, price: Decimal | None, instrument: Instrument) -> None:
    """Raise Refusal for a price that is none of the steps there are at its height.

    `field` is as the request has it, `limit_price` as well as `stop_loss.stop_price`.
    """
    if price is None:
        return
    tick = instrument.tick(price)
    if price % tick:
        raise Refusal(
            f"invalid_{field.partition('.')[0]}",
            f"{field} must be a multiple of {write_amount(tick)}.",
            field=field,
            rule="sub_penny",
            given=write_amount(price),
        )


def _check_crypto(terms: Terms, personality: Personality) -> None:
    if terms.time_in_force not in personality.crypto_times:
        raise _time("Not for crypto, whose market never closes.", rule="crypto_time")
    if terms.type not in personality.crypto_types:
        raise Refusal("invalid_type", "Not for crypto.", field="type", rule="crypto_type")


def _check_part(terms: Terms, personality: Personality) -> None:
    """Check an equity order for a part of a share, or for money, which buys parts."""
    times = DAY_ALONE if terms.notional is None else personality.money_times
    if terms.time_in_force not in times:
        raise _time("Fractional orders are day orders.", rule="fractional_time")
    if terms.type is OrderType.TRAILING_STOP:
        raise Refusal(
            "invalid_type",
            "Fractional orders do not trail.",
            field="type",
            rule="fractional_type",
        )


def _check_money(
    terms: Terms, notional: Decimal, instrument: Instrument, personality: Personality
) -> None:
    if terms.type is OrderType.TRAILING_STOP or (
        personality.money_at_market_only and terms.type is not OrderType.MARKET
    ):
        raise Refusal(
            "invalid_type", "Not with an amount of money.", field="type", rule="money_type"
        )
    least = LEAST_MONEY[instrument.kind]
    if notional < least:
        raise Refusal(
            "invalid_notional",
            f"notional must be at least {write_amount(least)}.",
            field="notional",
            rule="least_money",
            least=write_amount(least),
        )


def _time(message: str, *, rule: str) -> Refusal:
    return Refusal("invalid_time_in_force", message, field="time_in_force", rule=rule)

"""Whether the exchange takes an order. Everything it may object to is here, and nothing changes."""

from __future__ import annotations

from brokers.paper.accounts import Account
from brokers.paper.amounts import EXACT, ZERO, write_amount
from brokers.paper.books import Books
from brokers.paper.committing import asked_price, closable_by
from brokers.paper.market import Instrument, Market
from brokers.paper.orders import Order
from brokers.paper.refusals import Refusal
from brokers.paper.terms import Terms
from brokers.vocabulary import OrderClass, Side


def judge(
    account: Account, terms: Terms, *, books: Books, market: Market, replacing: Order | None = None
) -> None:
    """Raise Refusal for an order that can't be traded or paid for."""
    listing = market.listing(terms.symbol)
    if not listing.instrument.tradable:
        raise Refusal("not_tradable", f"{terms.symbol} can't be traded.", field="symbol")
    if not listing.opened:
        raise Refusal("market_closed", f"The market for {terms.symbol} is closed.")
    if terms.order_class is not OrderClass.SIMPLE:
        raise Refusal("invalid_order_class", "Orders with legs are not taken.", field="order_class")
    for field, leg in (("take_profit", terms.take_profit), ("stop_loss", terms.stop_loss)):
        if leg is not None:
            raise Refusal(
                f"invalid_{field}", f"{field} goes with an order class that has it.", field=field
            )
    _judge_steps(terms, listing.instrument)
    _judge_means(
        account, terms, listing.instrument, books=books, market=market, replacing=replacing
    )


def _judge_steps(terms: Terms, instrument: Instrument) -> None:
    if terms.quantity is None:
        raise Refusal("invalid_notional", "Orders are for a quantity.", field="notional")
    if not instrument.fractionable and terms.quantity % 1:
        raise Refusal(
            "invalid_quantity", f"{terms.symbol} trades in whole units.", field="quantity"
        )
    for field, price in (("limit_price", terms.limit_price), ("stop_price", terms.stop_price)):
        if price is not None and price % instrument.increment:
            raise Refusal(
                f"invalid_{field}",
                f"{field} must be a multiple of {write_amount(instrument.increment)}.",
                field=field,
            )


def _judge_means(
    account: Account,
    terms: Terms,
    instrument: Instrument,
    *,
    books: Books,
    market: Market,
    replacing: Order | None,
) -> None:
    opening = terms.quantity or ZERO
    closable = closable_by(terms.side, held=account.held(terms.symbol))
    if closable:
        promised = books.commitments_of(account).promised(
            terms.symbol, terms.side, without=replacing
        )
        still = max(ZERO, EXACT.subtract(closable, promised))
        opening = max(ZERO, EXACT.subtract(opening, still))
    if opening and terms.side is Side.SELL and not instrument.shortable:
        raise Refusal("not_shortable", f"{terms.symbol} can't be sold short.", field="quantity")
    if opening and terms.side is Side.SELL and not account.shorting:
        raise Refusal("insufficient_position", "The account may not sell short.", field="quantity")
    needed = EXACT.multiply(opening, asked_price(terms, market.price_of))
    free = books.buying_power(account, market, without=replacing)
    if needed > max(free, ZERO):
        raise Refusal(
            "insufficient_buying_power",
            f"This needs {write_amount(needed)}, and {write_amount(max(free, ZERO))} is free.",
            field="quantity",
        )

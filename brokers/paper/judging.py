"""Whether the exchange takes an order. Everything it may object to is here, and nothing changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.paper.accounts import Account
from brokers.paper.amounts import EXACT, ZERO, affordable, write_amount
from brokers.paper.books import Books
from brokers.paper.committing import asked_price, closable_by
from brokers.paper.market import Instrument, Listing, Market
from brokers.paper.orders import Order, Standing
from brokers.paper.protecting import check_class, check_legs, check_replacement
from brokers.paper.refusals import Refusal
from brokers.paper.ruling import check_kind, check_price
from brokers.paper.sessions import AUCTIONS, trades_in
from brokers.paper.terms import Terms
from brokers.vocabulary import OrderClass, PositionEffect, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One account's order, before the exchange as it is now."""

    account: Account
    terms: Terms
    books: Books
    market: Market
    now: datetime
    replacing: Order | None = None

    def check(self) -> None:
        """Raise Refusal for an order that can't be traded or paid for."""
        terms, listing = self.terms, self.market.listing(self.terms.symbol)
        instrument = listing.instrument
        if not instrument.tradable:
            raise Refusal(
                "not_tradable",
                f"{terms.symbol} can't be traded.",
                field="symbol",
                symbol=terms.symbol,
            )
        self._check_replaced()
        check_kind(terms, instrument, self.account.personality, now=self.now)
        self._check_session(listing)
        check_price("limit_price", terms.limit_price, instrument)
        check_price("stop_price", terms.stop_price, instrument)
        check_legs(terms, instrument)
        if terms.side is Side.SELL and terms.trail_price and terms.trail_price >= listing.last:
            raise Refusal(
                "invalid_trail_price", "trail_price must be below the price.", field="trail_price"
            )
        old = self.replacing
        group = None if old is None else self.books.group_of(old)
        if old is not None and old.leg is not None and group is not None:
            check_replacement(terms, old, group, listing)
            return  # what it closes is spoken for
        check_class(self.account, terms, listing, free=self._free_to_close())
        self._check_effect()
        self._check_means(instrument)
        self._check_wash()

    def _check_replaced(self) -> None:
        old, personality = self.replacing, self.account.personality
        if old and old.standing is Standing.ACCEPTED and not personality.replaces_held:
            raise Refusal(
                "not_replaceable", "An order that waits can't be replaced.", rule="replace_held"
            )

    def _check_session(self, listing: Listing) -> None:
        terms = self.terms
        if trades_in(terms, listing.phase) or terms.time_in_force in AUCTIONS:
            return
        if self.account.personality.holds_until_open and not listing.instrument.always_closed:
            return
        raise Refusal(
            "market_closed", f"The market for {terms.symbol} is {listing.phase.as_words}."
        )

    def _check_effect(self) -> None:
        """Check that an order does to the position what it says that it does."""
        terms, held = self.terms, self.account.held(self.terms.symbol)
        closable = closable_by(terms.side, held=held)
        if terms.position_effect is PositionEffect.OPEN and closable:
            says = f"This would lessen the position of {write_amount(held)}."
        elif terms.position_effect is PositionEffect.CLOSE and (
            not closable or (terms.quantity is not None and terms.quantity > closable)
        ):
            says = f"This is more than closes the position of {write_amount(held)}."
        else:
            return
        raise Refusal(
            "position_effect_mismatch",
            says,
            field="position_effect",
            specified=f"{terms.side}_to_{terms.position_effect}",
            inferred=f"{terms.side}_to_{'close' if closable else 'open'}",
        )

    def _check_means(self, instrument: Instrument) -> None:
        terms, opening = self.terms, self._opening()
        if opening and terms.side is Side.SELL:
            self._check_short(instrument, opening)
        price = asked_price(terms, self.market.price_of)
        cost = ZERO if terms.only_closes else EXACT.multiply(opening, price)
        if terms.notional is not None and terms.side is Side.BUY and not terms.only_closes:
            cost = terms.notional
        needed = EXACT.add(cost, self.account.fee_on(cost, Decimal(1)))
        free = self.books.buying_power(self.account, self.market, without=self.replacing)
        if needed > max(free, ZERO):
            raise Refusal(
                "insufficient_buying_power",
                f"This needs {write_amount(needed)}, and {write_amount(max(free, ZERO))} is free.",
                field="quantity" if terms.notional is None else "notional",
                buying_power=write_amount(max(free, ZERO)),
                cost_basis=write_amount(needed),
            )

    def _opening(self) -> Decimal:
        """Return how much of an order is beyond what closes the position and is not promised."""
        terms = self.terms
        if terms.position_effect is PositionEffect.CLOSE:
            return ZERO
        if terms.quantity is None:
            quantity = affordable(self.terms.notional or ZERO, self._fetches())
        else:
            quantity = terms.quantity
        return max(ZERO, EXACT.subtract(quantity, self._free_to_close()))

    def _free_to_close(self) -> Decimal:
        terms = self.terms
        closable = closable_by(terms.side, held=self.account.held(terms.symbol))
        if not closable:
            return ZERO
        promised = self.books.commitments_of(self.account).promised(
            terms.symbol, terms.side, self.market.price_of, without=self.replacing
        )
        return max(ZERO, EXACT.subtract(closable, promised))

    def _fetches(self) -> Decimal:
        """Return the price at which an order for money is turned into a quantity."""
        return self.terms.limit_price or self.market.price_of(self.terms.symbol)

    def _check_short(self, instrument: Instrument, opening: Decimal) -> None:
        terms = self.terms
        field = "quantity" if terms.notional is None else "notional"
        if not instrument.shortable:
            raise Refusal(
                "not_shortable",
                f"{terms.symbol} can't be sold short.",
                field=field,
                symbol=terms.symbol,
            )
        if terms.only_closes:
            raise Refusal(
                "not_shortable",
                "Parts of a unit can't be sold short.",
                field=field,
                rule="fractional_short",
            )
        if not self.account.shorting:
            held = self.account.held(terms.symbol)
            free = self._free_to_close()
            raise Refusal(
                "insufficient_position",
                "The account may not sell short.",
                field="quantity",
                rule="insufficient_quantity" if held > 0 else "",
                symbol=terms.symbol,
                requested=write_amount(EXACT.add(opening, free)),
                available=write_amount(free),
                existing_qty=write_amount(held),
                held_for_orders=write_amount(EXACT.subtract(max(held, ZERO), free)),
            )

    def _check_wash(self) -> None:
        """Refuse what could trade with an open order of the account itself.

        Either could trade with the other if one of them has no limit, or if their limits cross.
        The legs of an order, and orders with legs, are left out of it.
        """
        terms = self.terms
        if not self.account.refuses_wash_trades or terms.order_class is not OrderClass.SIMPLE:
            return
        other_side = Side.SELL if terms.side is Side.BUY else Side.BUY
        for order in self.books.commitments_of(self.account).open(terms.symbol, other_side):
            is_complex = order.parent or order.terms.order_class is not OrderClass.SIMPLE
            if not is_complex and _could_trade(terms, order.terms):
                kind = "market/stop" if order.terms.limit_price is None else "limit"
                raise Refusal(
                    "wash_trade",
                    f"This could trade with the account's own order {order.id}.",
                    existing_order_id=order.id,
                    reject_reason=f"opposite side {kind} order exists",
                )


def _could_trade(one: Terms, other: Terms) -> bool:
    if one.limit_price is None or other.limit_price is None:
        return True
    buy, sell = (one, other) if one.side is Side.BUY else (other, one)
    return (buy.limit_price or 0) >= (sell.limit_price or 0)

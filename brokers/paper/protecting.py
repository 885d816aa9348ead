"""Whether the legs of an order make sense, and the order with them. Nothing changes here.

A leg's price is held against the base prices: where the market is, and the limit of an entry that
has not filled, or of the target of a pair. The target has to be better than all of them, the stop
worse: a leg that is reached the moment it works protects nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from brokers.paper.accounts import Account
from brokers.paper.amounts import EXACT, write_amount
from brokers.paper.committing import closable_by
from brokers.paper.grouping import OTHER, Group
from brokers.paper.market import Instrument, Listing
from brokers.paper.orders import Order, Standing
from brokers.paper.refusals import Refusal
from brokers.paper.ruling import check_price
from brokers.paper.terms import Terms
from brokers.vocabulary import Leg, OrderClass, OrderType, PositionEffect, Side, TimeInForce

TARGET, STOP, STOP_LIMIT = (
    "take_profit.limit_price",
    "stop_loss.stop_price",
    "stop_loss.limit_price",
)
ENTRY_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
LASTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})

Bases = Iterable[Decimal | None]


def check_legs(terms: Terms, instrument: Instrument) -> None:
    """Raise Refusal for a price of a leg that is none of the steps there are at its height."""
    target, stop = terms.take_profit, terms.stop_loss
    if target is not None:
        check_price(TARGET, target.limit_price, instrument)
    if stop is not None:
        check_price(STOP, stop.stop_price, instrument)
        check_price(STOP_LIMIT, stop.limit_price, instrument)


def check_class(account: Account, terms: Terms, listing: Listing, *, free: Decimal) -> None:
    """Raise Refusal for an order that does not fit its class, or whose legs make no sense.

    `free` is how much of the position an order of its side would close that no other is to close.
    """
    offered = account.personality.classes
    if terms.order_class not in offered:
        known = ", ".join(one.value for one in OrderClass if one in offered)
        raise Refusal(
            "unsupported_class", f"Orders here are of class {known}.", field="order_class"
        )
    _judge_legs(terms)
    if terms.order_class is OrderClass.SIMPLE:
        return
    _judge_head(terms, listing)
    if terms.order_class is OrderClass.OCO:
        _judge_exit(terms, listing, free=free)
    else:
        closable = closable_by(terms.side, held=account.held(terms.symbol))
        _judge_entry(terms, listing, closable=closable)


def check_replacement(terms: Terms, leg: Order, group: Group, listing: Listing) -> None:
    """Raise Refusal for terms on which a leg can't be replaced: its prices change, and no more."""
    for field, kept in (
        ("quantity", terms.quantity == leg.remaining),
        ("time_in_force", terms.time_in_force is leg.terms.time_in_force),
        ("extended_hours", not terms.extended_hours),
        ("take_profit", terms.take_profit is None),
        ("stop_loss", terms.stop_loss is None),
    ):
        if not kept:
            raise Refusal(
                "not_replaceable",
                "Only the prices of a leg change.",
                field=field,
                rule="leg_terms",
            )
    bases = [listing.last]
    if leg.standing is Standing.HELD and group.head.terms.limit_price is not None:
        bases.append(group.head.terms.limit_price)
    sense, working = _Sense(terms.side, listing), [one for one in group.closers if not one.ended]
    for one in working:
        if leg.leg is Leg.TAKE_PROFIT and one.leg is Leg.STOP_LOSS:
            sense.judge_both("limit_price", terms.limit_price, one.terms.stop_price)
        elif leg.leg is Leg.STOP_LOSS and one.leg is not Leg.STOP_LOSS:
            sense.judge_both("stop_price", one.terms.limit_price, terms.stop_price)
    if leg.leg is Leg.TAKE_PROFIT:
        sense.judge_target("limit_price", terms.limit_price, bases)
    else:
        sense.judge_stop("stop_price", terms.stop_price, bases)
        sense.judge_stop_limit("limit_price", terms.limit_price, terms.stop_price)


def _judge_legs(terms: Terms) -> None:
    """Raise Refusal unless an order has the legs that its class needs, and no others."""
    name, target, stop = terms.order_class.value, terms.take_profit, terms.stop_loss
    match terms.order_class:
        case OrderClass.BRACKET:
            missing = TARGET if target is None else STOP if stop is None else ""
            surplus = ""
        case OrderClass.OTO:
            missing = STOP if target is None and stop is None else ""
            surplus = "take_profit" if target is not None and stop is not None else ""
        case OrderClass.OCO:
            missing = STOP if stop is None else ""
            surplus = "" if target is None else "take_profit"
        case OrderClass.SIMPLE:
            missing = ""
            surplus = (
                "take_profit" if target is not None else "stop_loss" if stop is not None else ""
            )
    if missing:
        raise Refusal(
            "missing_field",
            f"Class {name} requires {missing}.",
            field=missing,
            rule="leg_missing",
            order_class=name,
        )
    if surplus:
        raise Refusal(
            f"invalid_{surplus}", f"Class {name} does not take this {surplus}.", field=surplus
        )


def _judge_head(terms: Terms, listing: Listing) -> None:
    """Raise Refusal for an order that may have no legs, whatever they are."""
    is_pair, name = terms.order_class is OrderClass.OCO, terms.order_class.value
    if terms.type not in ({OrderType.LIMIT} if is_pair else ENTRY_TYPES):
        kinds = "a limit order" if is_pair else "a market or limit order"
        raise Refusal(
            "invalid_type",
            f"Class {name} takes {kinds}.",
            field="type",
            rule="pair_type" if is_pair else "entry_type",
            order_class=name,
        )
    if terms.time_in_force not in LASTING:
        raise Refusal(
            "invalid_time_in_force", f"Class {name} takes day or gtc.", field="time_in_force"
        )
    if terms.extended_hours:
        raise Refusal(
            "invalid_extended_hours",
            f"Class {name} keeps to regular hours.",
            field="extended_hours",
        )
    if terms.quantity is None:
        raise Refusal("invalid_notional", f"Class {name} is for a quantity.", field="notional")
    if terms.quantity % 1 and listing.instrument.kind == "equity":
        raise Refusal(
            "invalid_quantity",
            f"Class {name} takes whole units.",
            field="quantity",
            rule="fractional_class",
        )


def _judge_entry(terms: Terms, listing: Listing, *, closable: Decimal) -> None:
    if closable or terms.position_effect is PositionEffect.CLOSE:
        raise Refusal(
            "position_effect_mismatch",
            f"Class {terms.order_class.value} opens a position or adds to it.",
            field="position_effect" if terms.position_effect is PositionEffect.CLOSE else "side",
            rule="not_an_entry",
            order_class=terms.order_class.value,
        )
    bases = [base for base in (terms.limit_price, listing.last) if base is not None]
    sense, target, stop = _Sense(OTHER[terms.side], listing), terms.take_profit, terms.stop_loss
    if target is not None and stop is not None:
        sense.judge_both(TARGET, target.limit_price, stop.stop_price)
    if target is not None:
        sense.judge_target(TARGET, target.limit_price, bases)
    if stop is not None:
        sense.judge_stop(STOP, stop.stop_price, bases)
        sense.judge_stop_limit(STOP_LIMIT, stop.limit_price, stop.stop_price)


def _judge_exit(terms: Terms, listing: Listing, *, free: Decimal) -> None:
    if terms.position_effect is PositionEffect.OPEN:
        raise Refusal(
            "invalid_position_effect", "Class oco closes a position.", field="position_effect"
        )
    if terms.quantity is None or terms.quantity > free:
        raise Refusal(
            "insufficient_position",
            f"Class oco closes what is held, and {write_amount(free)} is free to be closed.",
            field="quantity",
        )
    sense, stop = _Sense(terms.side, listing), terms.stop_loss
    if stop is not None:
        sense.judge_both(STOP, terms.limit_price, stop.stop_price)
    sense.judge_target("limit_price", terms.limit_price, [listing.last])
    if stop is not None:
        sense.judge_stop(STOP, stop.stop_price, [terms.limit_price, listing.last])
        sense.judge_stop_limit(STOP_LIMIT, stop.limit_price, stop.stop_price)


class _Sense:
    """What is better and what is worse, for legs of one side: a sale wants a higher price.

    `field` is as the request has it; the sentences name what the price is for.
    """

    def __init__(self, side: Side, listing: Listing) -> None:
        self._sells, self._step = side is Side.SELL, listing.instrument.increment

    def judge_both(self, field: str, target: Decimal | None, stop: Decimal | None) -> None:
        """Raise Refusal unless a target is better than a stop."""
        if target is None or stop is None:
            return
        if target <= stop if self._sells else target >= stop:
            raise Refusal(
                "legs_crossed",
                f"{TARGET} must be beyond {STOP}:"
                f" they are {write_amount(target)} and {write_amount(stop)}.",
                field=field,
            )

    def judge_target(self, field: str, price: Decimal | None, bases: Bases) -> None:
        """Raise Refusal unless a target is better than each base price."""
        for base in bases:
            self._judge(TARGET, "take_profit_wrong_side", field, price, base, above=self._sells)

    def judge_stop(self, field: str, price: Decimal | None, bases: Bases) -> None:
        """Raise Refusal unless a stop is worse than each base price."""
        for base in bases:
            self._judge(STOP, "stop_loss_wrong_side", field, price, base, above=not self._sells)

    def judge_stop_limit(self, field: str, limit: Decimal | None, stop: Decimal | None) -> None:
        """Raise Refusal for a stop limit that can't trade where its stop is elected."""
        if limit is None or stop is None:
            return
        if limit > stop if self._sells else limit < stop:
            bound = "at most" if self._sells else "at least"
            raise Refusal(
                "stop_limit_wrong_side",
                f"{STOP_LIMIT} must be {bound} the stop price, {write_amount(stop)}.",
                field=field,
            )

    def _judge(
        self,
        what: str,
        code: str,
        field: str,
        price: Decimal | None,
        base: Decimal | None,
        *,
        above: bool,
    ) -> None:
        if price is None or base is None:
            return
        bound = EXACT.add(base, self._step if above else -self._step)
        if price < bound if above else price > bound:
            needed = ">= base_price +" if above else "<= base_price -"
            raise Refusal(
                code,
                f"{what} must be {needed} {write_amount(self._step)};"
                f" the base price is {write_amount(base)}.",
                field=field,
                base_price=write_amount(base),
            )

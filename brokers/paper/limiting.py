"""How much an order may trade at the moment it trades, whatever was so when it was taken."""

from __future__ import annotations

from decimal import Decimal

from brokers.paper.accounts import Account
from brokers.paper.committing import closable_by
from brokers.paper.market import Instrument
from brokers.paper.orders import Order
from brokers.vocabulary import Side


def room_for(order: Order, account: Account, instrument: Instrument) -> Decimal | None:
    """Return the most that an order may trade now; None: as much as it likes.

    What may only lessen a position has what is left of it, and so has a sell where no short may be.
    """
    terms = order.terms
    may_short = account.shorting and instrument.shortable
    if not terms.only_closes and (terms.side is Side.BUY or may_short):
        return None
    return closable_by(terms.side, held=account.held(terms.symbol))

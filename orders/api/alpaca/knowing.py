"""Refuses at the door what an account's broker is known not to trade, or not like that.

Only its own list says so, where it lists all that there is and the list is at hand. Where it is
not, the order goes out, and the broker says what it says.
"""

from __future__ import annotations

from brokers.errors import InvalidTicket
from brokers.messages import Ticket
from brokers.reasons import Reason
from orders import asking, connecting, placing
from orders.api.alpaca.refusing import declined
from orders.errors import BadTicket
from orders.models import Account


def check(account: Account, ticket: Ticket) -> None:
    """Raise Declined or BadTicket for what would be refused, unless it is on record already."""
    passport = connecting.passport(account)
    if not passport.lists_all or placing.placed_as(account, ticket.wire_id) is not None:
        return
    listed = asking.instruments_at_hand(account)
    if listed is None:
        return
    found = next((one for one in listed if one.symbol == ticket.symbol), None)
    if found is None:
        raise declined(Reason.UNKNOWN_SYMBOL, symbol=ticket.symbol)
    try:
        passport.check_instrument(ticket, found)
    except InvalidTicket as error:
        raise BadTicket(str(error), field=error.field, reason=error.reason) from error

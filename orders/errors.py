"""Why the desk declines to do what it is asked.

`code` is for programs and never changes; the message is for people and may.
`field` names the input at fault, if one is, and `orders` those that stand in the way;
`status` is the nearest HTTP word for it.
"""

from collections.abc import Iterable
from typing import ClassVar
from uuid import UUID

from brokers.reasons import Reason


class DeskError(Exception):
    code: str = "declined"
    status: ClassVar[int] = 422

    def __init__(
        self, message: str, *, field: str | None = None, orders: Iterable[UUID] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.orders = tuple(orders)


class BadTicket(DeskError):
    """No broker could act on it, or this one can't. The code is the canonical reason."""

    def __init__(
        self, message: str, *, field: str | None = None, reason: Reason = Reason.INVALID_FIELD
    ) -> None:
        super().__init__(message, field=field)
        self.code = reason.value


class AccountClosed(DeskError):
    """The account takes no new orders: closed, or halted."""

    code = "account_closed"


class AccountHalted(AccountClosed):
    """The account takes no new orders until somebody releases it."""

    code = "account_halted"


class OrderIdTaken(DeskError):
    """The client order id already belongs to a different order of the account."""

    code = "client_order_id_taken"
    status = 409


class NotCancelable(DeskError):
    """The order has ended."""

    code = "not_cancelable"
    status = 409


class NotReplaceable(DeskError):
    """The order has ended, is in doubt, or another change of it is still open."""

    code = "not_replaceable"
    status = 409


class NothingToFlatten(DeskError):
    """Nothing is left of what the order opened."""

    code = "nothing_to_flatten"
    status = 409


class NothingHeld(DeskError):
    """There is no position to close, by the desk's own executions."""

    code = "nothing_held"
    status = 409


class MayTurnRound(DeskError):
    """To close the position might turn it round: other orders may close it unseen."""

    code = "position_in_doubt"
    status = 409


class NotRecorded(DeskError):
    """The desk could not reach its records, and can't tell whether this was done."""

    code = "database_away"
    status = 503


class NotClosable(DeskError):
    """The incident can't be closed like that."""

    code = "not_closable"
    status = 409


class NotThere(DeskError):
    """Nothing by this name, or not for whoever asks: the two are not told apart."""

    code = "not_found"
    status = 404


class MayNotTrade(DeskError):
    """Whoever asks may look at the account, and not trade in it."""

    code = "may_not_trade"
    status = 403


class NotInDoubt(DeskError):
    """There is nothing to rule on: it is known what became of the order."""

    code = "not_in_doubt"
    status = 409


class BadRuling(DeskError):
    """A ruling without its grounds."""

    code = "invalid_ruling"


class NotThatOrder(DeskError):
    """What the broker has by this id is not the order in doubt."""

    code = "not_that_order"


class BrokerSilent(DeskError):
    """The broker can't be asked now."""

    code = "broker_silent"
    status = 503


class RulingOpen(DeskError):
    """Another ruling on the order waits for a second person."""

    code = "ruling_open"
    status = 409


class RulingEnded(DeskError):
    """The ruling was carried out or dropped."""

    code = "ruling_ended"
    status = 409


class SecondPersonNeeded(DeskError):
    """Whoever proposed a ruling may not confirm it."""

    code = "second_person_needed"
    status = 403

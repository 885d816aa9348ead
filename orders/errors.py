"""Why the desk declines to do what it is asked.

`code` is for programs and never changes; the message is for people and may.
`field` names the input at fault, if one is; `status` is the nearest HTTP word for it.
"""

from typing import ClassVar


class DeskError(Exception):
    code: ClassVar[str] = "declined"
    status: ClassVar[int] = 422

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class BadTicket(DeskError):
    """No broker could act on it, or this one can't."""

    code = "invalid_order"


class AccountClosed(DeskError):
    """The account takes no new orders: closed, or halted."""

    code = "account_closed"


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


class NotClosable(DeskError):
    """The incident can't be closed like that."""

    code = "not_closable"
    status = 409

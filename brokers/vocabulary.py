"""The canonical words of trading: every broker's dialect is translated into and out of these."""

from enum import StrEnum


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"  # in the opening auction, or not at all
    CLS = "cls"  # in the closing auction, or not at all
    GTD = "gtd"  # until a moment that the order names


class OrderClass(StrEnum):
    """How an order and its legs belong together."""

    SIMPLE = "simple"
    BRACKET = "bracket"  # an entry, and both legs once it fills
    OTO = "oto"  # an entry, and one of the legs
    OCO = "oco"  # an exit in two: the order is the target, its leg the stop


class Leg(StrEnum):
    """What a protective order is for."""

    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    EXIT = "exit"  # closes at the market what lacks its protection


class PositionEffect(StrEnum):
    """What an order may do to the position. Not said: whatever its side does, through zero."""

    OPEN = "open"  # to sell with it is to sell short
    CLOSE = "close"  # it only lessens what is held, and never turns it round


class Status(StrEnum):
    """What a broker says an order is. Ours, about sending, is another axis (`orders.states`)."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"
    INDETERMINATE = "indeterminate"  # a word we do not know: kept raw, shown raw, never final


TERMINAL = frozenset(
    {Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED, Status.REPLACED}
)


class ExecutionKind(StrEnum):
    """A trade, or what a venue later said of it."""

    FILL = "fill"
    CORRECT = "correct"
    BUST = "bust"


class Environment(StrEnum):
    PAPER = "paper"
    LIVE = "live"


WITH_LEGS = frozenset({OrderClass.BRACKET, OrderClass.OTO, OrderClass.OCO})
NEEDS_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
NEEDS_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})

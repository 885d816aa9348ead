"""From a broker's words to the canonical reason, and back: the same tables both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from brokers.reasons import alpaca, binance, clearstreet, gateway, paper, tapp
from brokers.reasons.codes import Reason
from brokers.reasons.said import Dialect, Said

__all__ = ["DIALECTS", "Dialect", "Said", "cannot_tell", "reason_of", "says"]

DIALECTS: Mapping[str, Dialect] = {
    "paper": paper.DIALECT,
    "alpaca": alpaca.DIALECT,
    "gateway": gateway.DIALECT,
    "clearstreet": clearstreet.DIALECT,
    "tapp": tapp.DIALECT,
    "binance": binance.DIALECT,
}

# Statuses that say enough by themselves, whatever the code.
BY_STATUS: Mapping[int, Reason] = {401: Reason.UNAUTHORIZED, 429: Reason.TOO_MANY}


def reason_of(dialect: str, status: int, code: str, message: str) -> Reason:
    """Return the canonical reason of a broker's no; DECLINED for words we have no code for.

    The code must be known; of several lines with it, the one whose text says most of what the
    message says is meant, then one of this status, then the first in the table.
    """
    own = code.partition(" ")[0]  # some adapters join the telling text to the code
    best: tuple[int, bool] | None = None
    found = BY_STATUS.get(status, Reason.DECLINED)
    for said, reason in _lines(dialect):
        if said.code != own or not said.is_in(message):
            continue
        fit = (said.weight, said.status == status)
        if best is None or fit > best:
            best, found = fit, reason
    return found


def says(dialect: str, reason: Reason, **about: str) -> tuple[int, str, str]:
    """Return the status, the code and the telling text with which a dialect gives a reason.

    `about` fills the text's gaps: symbol, field, price, status and so on. An empty text leaves the
    sentence to the caller. Raises KeyError for an unknown dialect.
    """
    said = DIALECTS[dialect].says[reason]
    return said.status, said.code, said.filled(about)


def cannot_tell(dialect: str) -> frozenset[Reason]:
    """Return the reasons that a dialect has no words of its own for: they read as others."""
    return frozenset(
        reason for reason in Reason if reason_of(dialect, *says(dialect, reason)) is not reason
    )


def _lines(dialect: str) -> Iterator[tuple[Said, Reason]]:
    known = DIALECTS.get(dialect)
    if known is None:
        return
    for reason, said in known.says.items():
        yield said, reason
    yield from known.also

"""How each broker says no: status and body, out of the exchange's own refusal.

Which words a broker has for which reason is in `brokers.reasons`, where the desk reads them too.
Here is what the exchange means by its codes and rules, and the envelope that each broker uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from brokers.paper.refusals import Refusal
from brokers.reasons import DIALECTS, Reason, Said, reason_of

No = tuple[int, dict[str, Any]]

# Rule → reason, where the code alone says less.
RULES: Mapping[str, Reason] = {
    "sub_penny": Reason.INVALID_PRICE_INCREMENT,
    "id_length": Reason.CLIENT_ORDER_ID_TOO_LONG,
    "auction_type": Reason.UNSUPPORTED_TIME_IN_FORCE,
    "trailing_time": Reason.UNSUPPORTED_TIME_IN_FORCE,
    "crypto_time": Reason.UNSUPPORTED_TIME_IN_FORCE,
    "crypto_type": Reason.UNSUPPORTED_TYPE,
    "entry_type": Reason.UNSUPPORTED_TYPE,
    "pair_type": Reason.UNSUPPORTED_TYPE,
    "extended_hours": Reason.UNSUPPORTED_EXTENDED_HOURS,
    "money_type": Reason.UNSUPPORTED_NOTIONAL,
    "not_fractionable": Reason.NOT_FRACTIONABLE,
    "fractional_time": Reason.UNSUPPORTED_FRACTIONAL,
    "fractional_type": Reason.UNSUPPORTED_FRACTIONAL,
    "fractional_class": Reason.UNSUPPORTED_FRACTIONAL,
    "fractional_short": Reason.UNSUPPORTED_FRACTIONAL,
}

# What a broker says of one rule otherwise than of others with the same reason.
ALPACA: Mapping[str, Said] = {
    "insufficient_position": Said(403, "40310000", "account is not allowed to short"),
    "insufficient_quantity": DIALECTS["alpaca"].says[Reason.INSUFFICIENT_POSITION],
    "least_money": Said(403, "40310000", "cost basis must be >= minimal amount of order {least}"),
    "fractional_class": Said(422, "42210000", "fractional orders must be simple orders"),
    "fractional_short": Said(422, "42210000", "fractional orders cannot be sold short"),
    "crypto_time": Said(422, "42210000", "invalid crypto time_in_force"),
    "crypto_type": Said(422, "40010001", "invalid order type for crypto order"),
    "leg_missing": Said(422, "40010001", "{order_class} orders require {field}"),
    "entry_type": Said(422, "40010001", "{order_class} orders must be market or limit orders"),
    "pair_type": Said(422, "40010001", "{order_class} orders must be limit orders"),
    "not_an_entry": Said(422, "42210000", "{order_class} orders must be entry orders"),
    "not_replaceable": Said(422, "42210000", "unable to replace order"),
    "replace_held": Said(422, "42210000", "cannot replace order in accepted status"),
    "chain_pending": Said(422, "42210000", "order chain not fully replaced"),
    "leg_terms": Said(422, "42210000", "unable to replace {field} of a leg"),
    "entry_filling": Said(422, "42210000", "unable to replace order, its entry has begun to fill"),
    "internal": Said(500, "50010000"),
}
TAPP: Mapping[str, Said] = {
    "invalid_json": Said(400, "INVALID_FORMAT"),
    "internal": Said(500, "INTERNAL"),
}
CLEARSTREET: Mapping[str, Said] = {
    "invalid_json": Said(400, "400", "Failed to parse the request body as JSON"),
    "internal": Said(500, "500"),
}
GATEWAY: Mapping[str, Said] = {
    "invalid_json": Said(400, "INVALID_REQUEST"),
    "internal": Said(502, "PROVIDER_ERROR"),
}
BINANCE: Mapping[str, Said] = {
    "invalid_json": Said(400, "-1100"),
    "declined": Said(400, "-2010", "This action is disabled on this account."),
    "internal": Said(500, "-1000"),
}

# The code of anything else: a path that is none, a body that is too large.
OTHER: Mapping[str, str] = {
    "alpaca": "{status}00000",
    "tapp": "VALIDATION_ERROR",
    "clearstreet": "{status}",
    "gateway": "INTERNAL_ERROR",
    "binance": "-1000",
}
RAW_CODE = "40310000"  # the Gateway's reject code where it only repeats its broker's


def as_paper(refusal: Refusal) -> No:
    """Say it in the exchange's own words."""
    return refusal.status, refusal.json()


def as_alpaca(refusal: Refusal) -> No:
    """Say it with a number, a text and the facts. A duplicate has the number of a bad parameter."""
    said = _said("alpaca", refusal, ALPACA)
    return said.status, {
        "code": int(said.code),
        "message": _words(said, refusal),
        **refusal.facts,
    }


def as_tapp(refusal: Refusal) -> No:
    """Say it in an envelope, with a word."""
    said = _said("tapp", refusal, TAPP)
    error = {
        "code": said.code,
        "message": str(refusal),
        "request_id": f"req_{uuid4().hex[:12]}",
    }
    if refusal.field is not None:
        error["field"] = refusal.field
    return said.status, {"error": error}


def as_clearstreet(refusal: Refusal) -> No:
    """Say it in an envelope, with the status over again, and the risk's own word before ours."""
    said = _said("clearstreet", refusal, CLEARSTREET)
    words = str(refusal) if not said.text else f"{said.filled(_facts(refusal))}: {refusal}"
    error = {"code": said.status, "message": words}
    return said.status, {"data": None, "error": error, "metadata": {"request_id": uuid4().hex}}


def as_gateway(refusal: Refusal) -> No:
    """Pass on what the broker behind it said, as far as it knows the words."""
    said = _said("gateway", refusal, GATEWAY)
    if said.code != "ORDER_REJECTED":
        words = f"{refusal.field}: {refusal}" if refusal.field else str(refusal)
        return said.status, {"code": said.code, "message": f"Invalid request: {words}"}
    duplicate = refusal.code == "duplicate_client_order_id"
    words = "client_order_id must be unique" if duplicate else str(refusal)
    return said.status, {
        "code": said.code,
        "message": f"Order rejected: {words}",
        "details": {"reject_code": said.text or RAW_CODE},
    }


def as_binance(refusal: Refusal) -> No:
    """Say it with a negative number."""
    said = _said("binance", refusal, BINANCE)
    return said.status, {"code": int(said.code), "msg": _words(said, refusal)}


def reason(refusal: Refusal) -> Reason:
    """Return the canonical reason of a refusal."""
    found = RULES.get(refusal.rule)
    return found or reason_of("paper", refusal.status, refusal.code, str(refusal))


def _said(dialect: str, refusal: Refusal, otherwise: Mapping[str, Said]) -> Said:
    """Return a broker's line for a refusal. What no broker has a word for keeps its status."""
    if found := otherwise.get(refusal.rule) or otherwise.get(refusal.code):
        return found
    why = reason(refusal)
    if why is Reason.DECLINED and refusal.code != why:
        return Said(refusal.status, OTHER[dialect].format(status=refusal.status))
    return DIALECTS[dialect].says[why]


def _words(said: Said, refusal: Refusal) -> str:
    """Return the broker's text, or the exchange's own sentence where that says it already."""
    if not said.text or said.is_in(str(refusal)):
        return str(refusal)
    return said.filled(_facts(refusal))


def _facts(refusal: Refusal) -> dict[str, str]:
    return {"field": refusal.field or "", **refusal.facts}

"""How the exchange says no: a code for programs, a sentence for people, and the field at fault."""

from __future__ import annotations

from collections.abc import Mapping

# Code → HTTP status. A code never changes; a sentence may.
STATUSES: Mapping[str, int] = {
    "invalid_json": 400,
    "missing_field": 400,
    "unknown_field": 400,
    "invalid_client_order_id": 422,
    "invalid_symbol": 422,
    "invalid_side": 422,
    "invalid_type": 422,
    "invalid_time_in_force": 422,
    "invalid_quantity": 422,
    "invalid_limit_price": 422,
    "invalid_stop_price": 422,
    "invalid_notional": 422,
    "invalid_trail_price": 422,
    "invalid_trail_percent": 422,
    "invalid_expires_at": 422,
    "invalid_extended_hours": 422,
    "invalid_position_effect": 422,
    "invalid_order_class": 422,
    "invalid_take_profit": 422,
    "invalid_stop_loss": 422,
    "invalid_parameter": 422,
    "invalid_webhook": 422,
    "unsupported_class": 422,
    "legs_crossed": 422,
    "take_profit_wrong_side": 422,
    "stop_loss_wrong_side": 422,
    "stop_limit_wrong_side": 422,
    "unknown_symbol": 422,
    "not_tradable": 422,
    "market_closed": 422,
    "account_not_active": 422,
    "position_effect_mismatch": 422,
    "wash_trade": 422,
    "not_replaceable": 422,
    "insufficient_buying_power": 422,
    "insufficient_position": 422,
    "not_shortable": 422,
    "too_late": 422,
    "filled_further": 422,
    "declined": 422,
    "too_many": 429,
    "duplicate_client_order_id": 409,
    "account_exists": 409,
    "not_found": 404,
    "no_such_path": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "unauthorized": 401,
    "internal": 500,
}


class Refusal(Exception):
    """The exchange declines, having changed nothing. Its status is its code's, from the table.

    `rule` names the rule of trade that was broken, where a code and its field may mean several;
    `facts` are what others put into their own words for it. Neither is told by the exchange itself.
    """

    def __init__(
        self, code: str, message: str, *, field: str | None = None, rule: str = "", **facts: str
    ) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.rule = rule or code
        self.facts = facts

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUSES[self.code]

    def json(self) -> dict[str, str]:
        """Return the answer's body."""
        told = {"code": self.code, "message": str(self)}
        return told if self.field is None else {**told, "field": self.field}

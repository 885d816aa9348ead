"""The account: its figures as its broker tells them, and what it may do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from brokers.messages import Balance
from orders import asking, connecting
from orders.api.alpaca import showing
from orders.api.alpaca.view import View
from orders.api.authenticating import key_of
from orders.asking import NoAnswer
from orders.models import Account
from orders.money import EXACT, plain


class AccountShown(View):
    def get(self, request: Request) -> Response:
        """The account's figures, by its broker. They are null while that does not answer."""
        account = key_of(request).account
        try:
            return Response(_shown(account, asking.balance(account)))
        except NoAnswer:
            return Response(_shown(account, None))


class Configurations(View):
    def get(self, request: Request) -> Response:
        """What the account may do, by the terms of its broker. It is not set from here."""
        account = key_of(request).account
        terms = connecting.passport(account)
        return Response(
            {
                "dtbp_check": None,
                "fractional_trading": bool(terms.in_parts),
                "max_margin_multiplier": "1",  # the desk lends nothing
                "max_options_trading_level": 0,
                "no_shorting": not terms.sells_short,
                "pdt_check": None,
                "ptp_no_exception_entry": False,
                "suspend_trade": account.halted_at is not None,
                "trade_confirm_email": "none",
            }
        )


def _shown(account: Account, told: Balance | None) -> dict[str, Any]:
    is_blocked = not account.is_open or account.halted_at is not None
    positions = None if told is None else EXACT.subtract(told.equity, told.cash)
    return {
        "id": str(account.id),
        "account_number": account.name,
        "status": "ACTIVE" if account.is_open else "ACCOUNT_CLOSED",
        "crypto_status": "ACTIVE" if account.is_open else "ACCOUNT_CLOSED",
        "currency": told.currency if told else "USD",
        **_figures(told, positions),
        "trading_blocked": is_blocked,
        "transfers_blocked": False,
        "account_blocked": not account.is_open,
        "trade_suspended_by_user": account.halted_at is not None,
        "shorting_enabled": connecting.passport(account).sells_short,
        "created_at": showing.moment(account.created_at),
    }


def _figures(told: Balance | None, positions: Decimal | None) -> dict[str, str | None]:
    """Return the amounts: the four that brokers tell, and null for what nobody does."""
    known = {
        "cash": told.cash if told else None,
        "buying_power": told.buying_power if told else None,
        "equity": told.equity if told else None,
        "portfolio_value": told.equity if told else None,
        "position_market_value": positions,
    }
    unknown = (
        *("regt_buying_power", "daytrading_buying_power", "effective_buying_power"),
        *("non_marginable_buying_power", "options_buying_power", "accrued_fees"),
        *("pending_transfer_in", "pending_transfer_out", "multiplier", "last_equity"),
        *("long_market_value", "short_market_value", "initial_margin", "maintenance_margin"),
        *("last_maintenance_margin", "sma"),
    )
    return {name: plain(amount) for name, amount in known.items()} | dict.fromkeys(unknown)

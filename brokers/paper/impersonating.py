"""Accounts at the paper exchange while it stands in for other brokers.

The exchange must be told the same: an account is opened with the personality it is spoken to in.
"""

from __future__ import annotations

from brokers.paper import dialects, passports
from brokers.paper.adapter import PaperAdapter


class AsAlpaca(PaperAdapter):
    """The exchange as Alpaca: an id is used up for ever, and only people conclude absence."""

    passport = passports.ALPACA
    dialect = dialects.ALPACA


class AsTapp(PaperAdapter):
    """The exchange as TAPP Engine: stamps of a second, and execution ids used in every order."""

    passport = passports.TAPP
    dialect = dialects.TAPP


class AsClearStreet(PaperAdapter):
    """The exchange as Clear Street: by its own id it finds open orders only."""

    passport = passports.CLEARSTREET
    dialect = dialects.CLEARSTREET


class AsGateway(PaperAdapter):
    """The exchange as the Trading Gateway: it resends by itself, and its look-ups do not filter."""

    passport = passports.GATEWAY
    dialect = dialects.GATEWAY


class AsBinance(PaperAdapter):
    """The exchange as Binance: an id is free again once its order has ended."""

    passport = passports.BINANCE
    dialect = dialects.BINANCE

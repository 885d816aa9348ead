"""The other side of the paper exchange's admin door: turns its fault dials and moves its market.

Nothing here is about orders. It is for whoever wants to see what a desk does
when a broker misbehaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote as quoted

from brokers import http
from brokers.errors import BrokerError
from brokers.http import Answer
from brokers.parsing import MISSHAPEN, parse_amount


class NotDone(Exception):
    """The exchange did not do it, or did not say that it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One fault, as it is set for an account."""

    name: str
    point: str
    says: str
    probability: Decimal
    next: int  # it strikes so many more times, whatever the probability
    fired: int
    seconds: Decimal | None = None  # None: this fault takes none
    times: int | None = None

    @property
    def is_on(self) -> bool:
        return bool(self.probability or self.next)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One instrument, and whether it trades now."""

    symbol: str
    name: str
    phase: str  # open, extended (out of hours) or closed
    tradable: bool

    @property
    def is_open(self) -> bool:
        return self.phase == "open"


class Admin:
    """An exchange, spoken to by whoever holds its admin token. Every method raises NotDone."""

    def __init__(self, *, base_url: str, token: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"X-Paper-Admin": token}

    def open_account(
        self, *, key: str, secret: str, cash: Decimal, name: str, personality: str = "paper"
    ) -> None:
        """Open an account, or find it open with this secret and whatever personality it has."""
        body = {
            "key": key,
            "secret": secret,
            "cash": cash,
            "name": name,
            "personality": personality,
        }
        self._call("POST", "/admin/accounts", body=body)

    def dials(self, account: str) -> list[Dial]:
        """Return every fault, as it is set for one account."""
        return _dials(self._call("GET", "/admin/faults", params={"account": account}))

    def turn(self, account: str, name: str, **changes: Decimal | int) -> list[Dial]:
        """Set one fault and leave the others as they are."""
        faults = {dial.name: _setting(dial) for dial in self.dials(account) if dial.is_on}
        faults[name] = {**faults.get(name, {}), **changes}
        return self._set(account, faults)

    def strike_next(self, account: str, *names: str) -> list[Dial]:
        """Have faults strike once more each, at the next chance they get."""
        faults = {dial.name: _setting(dial) for dial in self.dials(account) if dial.is_on}
        for name in names:
            setting = faults.setdefault(name, {})
            setting["next"] = int(setting.get("next", 0)) + 1
        return self._set(account, faults)

    def calm(self, account: str) -> list[Dial]:
        """Take every fault off an account."""
        return self._set(account, {})

    def listings(self) -> list[Listing]:
        """Return everything that is listed."""
        told = self._call("POST", "/admin/market", body={})
        try:
            return [
                Listing(
                    symbol=str(item["symbol"]),
                    name=str(item["name"]),
                    phase=str(item["phase"]),
                    tradable=item["tradable"] is True,
                )
                for item in told["instruments"]
            ]
        except MISSHAPEN as error:
            raise NotDone(f"The exchange's answer makes no sense: {error!r}") from error

    def treat(self, account: str, **changes: Decimal | bool | str) -> None:
        """Change how an account is treated.

        `active`, `shorting`, `refuses_wash_trades`: whether it is, may, or does; `duplicates`: what
        becomes of a second order with one id; `fee_rate`: in parts of ten thousand of each trade.
        """
        self._call("PATCH", f"/admin/accounts/{quoted(account, safe='')}", body=changes)

    def move(self, symbol: str, **changes: Decimal | bool | str) -> None:
        """Set a symbol's price and hold it (`price`), let it go (`release`), or open, close it or
        let it trade out of hours (`phase`), which holds the auction that goes with it.
        """
        self._call("POST", "/admin/market", body={"symbol": symbol, **changes})

    def _set(self, account: str, faults: Mapping[str, Mapping[str, Any]]) -> list[Dial]:
        body = {"account": account, "faults": faults}
        return _dials(self._call("PUT", "/admin/faults", body=body))

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        try:
            answer = http.call(
                method, self._base_url + path, headers=self._headers, params=params, body=body
            )
        except BrokerError as error:
            raise NotDone(f"The paper exchange does not answer: {error}") from error
        told = _object(answer)
        if answer.status >= 400:
            raise NotDone(str(told.get("message") or f"The exchange answered {answer.status}."))
        return told


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        told = answer.json()
    except ValueError as error:
        raise NotDone("The exchange's answer makes no sense.") from error
    if not isinstance(told, dict):
        raise NotDone("The exchange's answer makes no sense.")
    return told


def _dials(told: Mapping[str, Any]) -> list[Dial]:
    try:
        return [
            Dial(
                name=name,
                point=str(fault["point"]),
                says=str(fault["says"]),
                probability=parse_amount(fault["probability"]),
                next=int(fault["next"]),
                fired=int(fault["fired"]),
                seconds=parse_amount(fault["seconds"]) if "seconds" in fault else None,
                times=int(fault["times"]) if "times" in fault else None,
            )
            for name, fault in told["faults"].items()
        ]
    except MISSHAPEN as error:
        raise NotDone(f"The exchange's answer makes no sense: {error!r}") from error


def _setting(dial: Dial) -> dict[str, Decimal | int]:
    setting: dict[str, Decimal | int] = {"probability": dial.probability, "next": dial.next}
    if dial.seconds is not None:
        setting["seconds"] = dial.seconds
    if dial.times is not None:
        setting["times"] = dial.times
    return setting

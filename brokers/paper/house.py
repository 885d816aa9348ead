"""The running exchange: its parts, and what one request to it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from aiohttp import web

from brokers.paper.accounts import Account
from brokers.paper.exchange import Exchange
from brokers.paper.faults import Faults
from brokers.paper.personalities import PAPER, Personality
from brokers.paper.reading import read_object
from brokers.paper.refusals import Refusal
from brokers.paper.telling import Teller


@dataclass(slots=True, kw_only=True)
class House:
    """Everything one exchange process runs."""

    exchange: Exchange
    faults: Faults
    teller: Teller
    admin_token: str
    ticking: bool = True


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request that was let in."""

    house: House
    account: Account | None  # None: an admin
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    now: datetime
    as_of: datetime | None = None  # the answer is to be what was so then
    due: datetime | None = None  # it is to be done only then
    fault: str = ""

    @cached_property
    def told(self) -> dict[str, Any]:
        """The JSON object of its body, empty if it has none. Raises Refusal."""
        return read_object(self.body) if self.body else {}

    @property
    def client(self) -> Account:
        """The account that asks."""
        if self.account is None:
            raise Refusal("unauthorized", "This is for accounts.")
        return self.account

    @property
    def words(self) -> Personality:
        """How whoever asks is spoken to."""
        return PAPER if self.account is None else self.account.personality

    def only(self, *names: str) -> None:
        """Raise Refusal for a query parameter of any other name."""
        for name in self.query:
            if name not in names:
                raise Refusal("invalid_parameter", "There is no such parameter.", field=name[:64])


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided of a request, and how it is to be told. Status 0: nothing was."""

    status: int
    told: Mapping[str, Any]
    code: str = ""  # the exchange's own, for a refusal
    order_id: str = ""
    earlier_order_id: str = ""  # of the first of two, where something in between sent it twice
    late_id: str = ""  # of the promise to take it later
    spoiled_by: str = ""  # the fault that is yet to strike the answer itself


Answer = tuple[int, Mapping[str, Any]]
Asked = Callable[[Ask], Answer]
HOUSE = web.AppKey("house", House)

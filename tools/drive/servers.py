"""Speaks to the desk's API and the exchange's admin door; needs only the standard library."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

LOSSES = (  # the ways in which an answer gets lost; in all but the first the order is there
    "not_accepted_504",
    "accept_then_504",
    "accept_then_html_502",
    "accept_then_hang",
    "accept_then_reset",
    "accept_then_truncated_201",
)
HANG = 3  # seconds of silence before the exchange hangs up
CLIENT_PATIENCE = 30  # seconds
Json = dict[str, Any]


class Unusable(Exception):
    """It can't begin, or can't go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    body: Json


@dataclass(frozen=True, slots=True)
class Server:
    """Somewhere to send JSON to."""

    url: str
    headers: dict[str, str]

    def ask(self, method: str, path: str, body: Json | None = None) -> Said:
        """Make one request. Raises OSError when no whole answer comes."""
        request = urllib.request.Request(  # noqa: S310 — the address is the user's own
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={**self.headers, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=CLIENT_PATIENCE) as answer:  # noqa: S310
                return Said(answer.status, _decoded(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Said(error.code, _decoded(error.read()))

    def sure(self, method: str, path: str, body: Json | None = None) -> Said:
        """Ask until an answer says something: safe, as our ids make it one request."""
        for pause in (0.2, 0.5, 1, 2, 4, 8, None):
            try:
                said = self.ask(method, path, body)
            except OSError as error:
                reason = str(error)
            else:
                if said.status < 500:
                    return said
                reason = f"{said.status} {said.body}"
            if pause is not None:
                time.sleep(pause)
        raise Unusable(f"{method} {self.url}{path}: {reason}")

    def must(self, method: str, path: str, body: Json | None = None) -> Json:
        """Return the body of a 2xx. Raises Unusable for anything else."""
        said = self.sure(method, path, body)
        if not 200 <= said.status < 300:
            raise Unusable(f"{method} {self.url}{path}: {said.status} {said.body}")
        return said.body


@dataclass(slots=True)
class Desk:
    """The desk's API, for one account."""

    server: Server
    account: str
    since: str = ""

    def path(self, rest: str) -> str:
        return f"/api/v1/accounts/{self.account}/{rest}"

    def place(self, told: Json) -> Json:
        return self.server.must("POST", self.path("orders"), told)

    def order(self, order_id: str) -> Json:
        return self.server.must("GET", self.path(f"orders/{order_id}"))

    def orders(self, prefix: str) -> list[Json]:
        """Return the orders of this run."""
        rows = self._walk("orders", placed_after=self.since)
        return [row for row in rows if row["client_order_id"].startswith(prefix)]

    def executions(self) -> Iterator[Json]:
        """Yield the executions since this run began, and perhaps some before."""
        began = datetime.fromisoformat(self.since) - timedelta(minutes=1)
        yield from self._walk("executions", executed_after=began.isoformat())

    def _walk(self, name: str, **query: str) -> Iterator[Json]:
        asked = {"limit": "200", **query}
        while True:
            page = self.server.must("GET", self.path(f"{name}?{urllib.parse.urlencode(asked)}"))
            yield from page[name]
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]


@dataclass(slots=True)
class Exchange:
    """The paper exchange's admin door."""

    server: Server
    account: str = ""

    def ledger(self, table: str, **query: str) -> Iterator[Json]:
        asked = {**query, "limit": "10000"}
        while True:
            path = f"/admin/ledger/{table}?{urllib.parse.urlencode(asked)}"
            page = self.server.must("GET", path)
            yield from page["lines"]
            if page["next_after"] is None:
                return
            asked["after"] = str(page["next_after"])

    def find_account(self, client_order_id: str) -> None:
        """Learn which account is the desk's: the one with this order."""
        for line in self.ledger("orders"):
            if line["client_order_id"] == client_order_id:
                self.account = line["account"]
                return
        raise Unusable("The exchange has not seen the desk's order. Is it the desk's exchange?")

    def lose(self, share: Decimal) -> tuple[Json, str]:
        """Turn the dials. Returns how they stood, for `restore`."""
        asked = urllib.parse.quote(self.account)
        faults = self.server.must("GET", f"/admin/faults?account={asked}")["faults"]
        account = self.server.must("PATCH", f"/admin/accounts/{asked}", {})
        self._set({**_losses(share), **_noise(share)}, "accept_twice")
        takes = ("probability", "next", "seconds", "times")
        before = {name: {key: f[key] for key in takes if key in f} for name, f in faults.items()}
        return before, account["duplicates"]

    def restore(self, faults: Json, duplicates: str) -> None:
        self._set(faults, duplicates)

    def _set(self, faults: Json, duplicates: str) -> None:
        self.server.must("PUT", "/admin/faults", {"account": self.account, "faults": faults})
        path = f"/admin/accounts/{urllib.parse.quote(self.account)}"
        self.server.must("PATCH", path, {"duplicates": duplicates})


def _losses(share: Decimal) -> Json:
    """Return the dials that lose a share of answers: they are tried in turn till one strikes."""
    faults: Json = {}
    each, left = share / len(LOSSES), Decimal(1)
    for name in LOSSES:
        faults[name] = {"probability": f"{min(each / left, Decimal(1)):.6f}"} if left > 0 else {}
        left -= each
    faults["accept_then_hang"]["seconds"] = str(HANG)
    return faults


def _noise(share: Decimal) -> Json:
    names = ("webhook_drop", "webhook_reorder", "webhook_duplicate", "webhook_before_answer")
    return {name: {"probability": f"{share:.6f}"} for name in names}


def _decoded(body: bytes) -> Json:
    try:
        told = json.loads(body)
    except ValueError:
        return {"text": body[:200].decode(errors="replace")}
    return told if isinstance(told, dict) else {"json": told}

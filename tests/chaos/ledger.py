"""The exchange's testimony: its ledger, read off its disk, past its doors and its faults."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.checking import records as seen

SUBMISSIONS = """
    SELECT at, account, name, body FROM requests
    WHERE json_extract(body, '$.method') = 'POST'
      AND (json_extract(body, '$.path') = '/v1/orders'
           OR json_extract(body, '$.path') LIKE '/v1/orders/%/replace')
    ORDER BY seq
"""


class ExchangeWitness:
    """Reads the exchange's side of a run."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "ledger.sqlite3"

    def books(self) -> dict[str, Any]:
        """Return every version of every order, and every trade."""
        return {
            "versions": tuple(
                _version(account, body) for _, account, _, body in self._lines("orders")
            ),
            "trades": tuple(
                _trade(account, body) for _, account, _, body in self._lines("executions")
            ),
        }

    def rest(self) -> dict[str, Any]:
        """Return the requests for orders that came in, and the webhooks that went out."""
        return {
            "requests": tuple(
                _request(at, account, body) for at, account, _, body in self._lines(SUBMISSIONS)
            ),
            "pushes": tuple(
                seen.Push(
                    account=account,
                    delivery_id=name,
                    status=body["status"],
                    fault=body["fault"],
                    at=at,
                )
                for at, account, name, body in self._lines("attempts")
            ),
        }

    def _lines(self, table: str) -> Iterator[tuple[datetime, str, str, dict[str, Any]]]:
        query = table if table is SUBMISSIONS else _every(table)
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=20)) as db:
            for at, account, name, body in db.execute(query):
                yield datetime.fromisoformat(at), account, name, json.loads(body)


def _every(table: str) -> str:
    return f"SELECT at, account, name, body FROM {table} ORDER BY seq"


def _version(account: str, told: dict[str, Any]) -> seen.Version:
    return seen.Version(
        account=account,
        broker_order_id=told["id"],
        wire_id=told["client_order_id"],
        at=datetime.fromisoformat(told["updated_at"]),
        version=told["version"],
        status=told["status"],
        symbol=told["symbol"],
        side=told["side"],
        quantity=Decimal(told["quantity"] or 0),
        order_type=told["type"],
        time_in_force=told["time_in_force"],
        limit_price=_amount(told["limit_price"]),
        stop_price=_amount(told["stop_price"]),
        filled=Decimal(told["filled_quantity"]),
        parent=told.get("parent") or "",
        reason=told["reason"] or "",
    )


def _trade(account: str, told: dict[str, Any]) -> seen.Trade:
    return seen.Trade(
        account=account,
        broker_order_id=told["order_id"],
        wire_id=told["client_order_id"],
        execution_id=told["id"],
        kind=told.get("kind", "fill"),
        revision=told.get("revision", 0),
        symbol=told["symbol"],
        side=told["side"],
        quantity=Decimal(told["quantity"]),
        price=Decimal(told["price"]),
        at=datetime.fromisoformat(told["at"]),
    )


def _request(at: datetime, account: str, told: dict[str, Any]) -> seen.Request:
    return seen.Request(
        account=account,
        wire_id=json.loads(told["body"])["client_order_id"],
        at=at,
        fault=told["fault"],
        status=told["status"],
    )


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

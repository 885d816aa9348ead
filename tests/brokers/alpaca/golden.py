"""What Alpaca says, made from its field tables: every key, amounts as strings, null for nothing."""

from __future__ import annotations

from typing import Any

ORDER_ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"
OTHER_ID = "5c1b0d0c-1f5a-4d0e-8f5a-0a9f6b6d1c11"
TARGET_ID = "aaaa0d0c-1f5a-4d0e-8f5a-0a9f6b6d1c11"
STOP_ID = "bbbb0d0c-1f5a-4d0e-8f5a-0a9f6b6d1c11"
EXECUTION_ID = "2f63ea93-423d-4169-b3f6-3fdafc10c418"


def an_order(**changes: Any) -> dict[str, Any]:
    """Return an order as Alpaca shows it: buy 10 AAPL at 150.25, new. ... leaves a key out."""
    told = {
        "id": ORDER_ID,
        "client_order_id": "order-1",
        "created_at": "2026-03-02T15:00:00.123456789Z",
        "updated_at": "2026-03-02T15:00:01.123456789Z",
        "submitted_at": "2026-03-02T15:00:00.120000001Z",
        "filled_at": None,
        "expired_at": None,
        "expires_at": None,
        "canceled_at": None,
        "failed_at": None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "symbol": "AAPL",
        "asset_class": "us_equity",
        "notional": None,
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "position_intent": "buy_to_open",
        "time_in_force": "day",
        "limit_price": "150.25",
        "stop_price": None,
        "status": "new",
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "ratio_qty": None,
        "subtag": None,
        "source": None,
        "a_field_of_tomorrow": {"x": 1},
    }
    return {name: value for name, value in (told | changes).items() if value is not ...}


def a_bracket(**changes: Any) -> dict[str, Any]:
    """Return a bracket with its legs inside, of which one is held."""
    leg = {"side": "sell", "order_class": "bracket", "position_intent": "sell_to_close"}
    target = an_order(id=TARGET_ID, client_order_id="made-1", limit_price="160", **leg)
    stop = an_order(
        id=STOP_ID,
        client_order_id="made-2",
        type="stop",
        order_type="stop",
        limit_price=None,
        stop_price="140",
        status="held",
        **leg,
    )
    return an_order(**{"order_class": "bracket", "legs": [target, stop]} | changes)


def an_activity(**changes: Any) -> dict[str, Any]:
    """Return a trade as the list of activities shows it: the first 4 of that order."""
    return {
        "id": f"20260302150001123::{EXECUTION_ID}",
        "activity_type": "FILL",
        "transaction_time": "2026-03-02T15:00:01.123456Z",
        "type": "partial_fill",
        "price": "150.1",
        "qty": "4",
        "side": "buy",
        "symbol": "AAPL",
        "leaves_qty": "6",
        "order_id": ORDER_ID,
        "cum_qty": "4",
        "order_status": "partially_filled",
        **changes,
    }


def an_update(event: str = "partial_fill", **changes: Any) -> dict[str, Any]:
    """Return a frame of the stream: those 4, as they trade."""
    filled = {"status": "partially_filled", "filled_qty": "4", "filled_avg_price": "150.1"}
    told = {
        "event": event,
        "timestamp": "2026-03-02T15:00:01.123456789Z",
        "order": an_order(**filled),
        "execution_id": EXECUTION_ID,
        "price": "150.1",
        "qty": "4",
        "position_qty": "4",
    } | changes
    return {"stream": "trade_updates", "data": told}

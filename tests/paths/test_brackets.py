"""A bracket on a running desk: its legs come, one fills, and the other is gone."""

from __future__ import annotations

from typing import Any

from tests.running_desk import Desk


def test_a_leg_fills_and_its_sibling_is_cancelled(desk: Desk) -> None:
    desk.price("NVDA", "120")
    order_id = desk.place(
        symbol="NVDA",
        quantity="3",
        order_class="bracket",
        take_profit={"limit_price": "150"},
        stop_loss={"stop_price": "90"},
    )
    desk.until_order(order_id, status="filled")

    def legs() -> dict[str, dict[str, Any]]:
        found = [desk.order(leg) for leg in desk.order(order_id)["legs"]]
        return {leg["leg"]: leg for leg in found}

    desk.until(lambda: len(legs()) == 2, what="two legs")
    desk.price("NVDA", "151")

    desk.until(lambda: legs()["take_profit"]["status"] == "filled", what="the target to fill")
    desk.until(lambda: legs()["stop_loss"]["status"] == "canceled", what="the stop to go")
    assert desk.order(order_id)["unprotected_since"] is None

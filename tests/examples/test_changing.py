"""What has legs, and is one, can be changed and closed: through the API, at the paper exchange."""

from __future__ import annotations

from typing import Any

import pytest

from tests.examples.story import Story
from tests.paper_exchange import PaperExchange

pytestmark = pytest.mark.django_db

BRACKET = {
    "symbol": "SPY",
    "side": "buy",
    "quantity": "5",
    "order_type": "limit",
    "limit_price": "350",
    "time_in_force": "gtc",
    "order_class": "bracket",
    "take_profit": {"limit_price": "400"},
    "stop_loss": {"stop_price": "300"},
}


def entry(story: Story, **changes: Any) -> dict[str, Any]:
    """Place a bracket, and return its entry; its legs are known by what they are for."""
    story.ask({"ask": "POST orders", "body": BRACKET | changes, "answers": 201, "name": "entry"})
    told = read(story, "entry")
    name_legs(story, told)
    return told


def name_legs(story: Story, told: dict[str, Any]) -> None:
    for leg in told["legs"]:
        of = story.program.get(f"orders/{leg}").told
        story.names[of["leg"]] = of["id"]
        name_legs(story, of)  # of a pair, the stop is the target's leg


def read(story: Story, name: str) -> dict[str, Any]:
    told: dict[str, Any] = story.program.get(f"orders/{story.names[name]}").told
    return told


def market(personality: str) -> dict[str, Any]:
    """Return what there is to trade: Binance has pairs alone."""
    return {"symbol": "BTC/USD"} if personality == "binance" else {}


@pytest.mark.parametrize("personality", ["paper", "alpaca", "gateway", "binance"])
class TestLegs:
    def test_price_of_one_is_changed_and_it_stays_a_leg(
        self, paper: PaperExchange, personality: str
    ) -> None:
        story = Story(paper, personality)
        story.take({"prices": {market(personality).get("symbol", "SPY"): "349.95"}})
        entered = entry(story, **market(personality))
        assert set(story.names) == {"entry", "take_profit", "stop_loss"}

        story.take(
            {
                "ask": "PATCH orders/{take_profit}",
                "body": {"limit_price": "390"},
                "answers": 201,
                "name": "moved",
                "becomes": {"submission": "accepted", "status": "new", "limit_price": "390"},
            }
        )

        moved = read(story, "moved")
        assert (moved["parent"], moved["leg"]) == (entered["id"], "take_profit")
        assert read(story, "take_profit")["status"] in {"replaced", "canceled"}
        assert read(story, "entry")["unprotected_since"] is None

    def test_entry_that_is_changed_keeps_them(self, paper: PaperExchange, personality: str) -> None:
        symbol = market(personality).get("symbol", "SPY")
        story = Story(paper, personality)
        story.take({"prices": {symbol: "360"}})
        entry(story, **market(personality))

        story.take(
            {
                "ask": "PATCH orders/{entry}",
                "body": {"limit_price": "355", "quantity": "6"},
                "answers": 201,
                "name": "changed",
                "becomes": {"status": "new", "order_class": "bracket"},
            }
        )
        story.take({"prices": {symbol: "354.90"}})

        changed = read(story, "changed")
        assert changed["status"] == "filled"
        name_legs(story, changed)
        for leg in ("take_profit", "stop_loss"):
            shown = read(story, leg)
            assert (shown["quantity"], shown["status"] in {"new", "held"}) == ("6", True), shown

    def test_all_of_it_is_cancelled_before_it_fills(
        self, paper: PaperExchange, personality: str
    ) -> None:
        story = Story(paper, personality)
        story.take({"prices": {market(personality).get("symbol", "SPY"): "360"}})
        entry(story, **market(personality))

        story.take({"ask": "DELETE orders", "answers": 207})

        assert story.program.get("orders?open=true").told["orders"] == []
        assert {order["status"] for order in story.theirs.orders()} <= {"cancelled", "canceled"}

    def test_position_is_closed_once_they_are_cancelled(
        self, paper: PaperExchange, personality: str
    ) -> None:
        symbol = market(personality).get("symbol", "SPY")
        story = Story(paper, personality)
        story.take({"prices": {symbol: "349.95"}})
        entry(story, **market(personality))

        story.take({"ask": "DELETE orders", "answers": 207})
        story.take({"ask": f"DELETE positions/{symbol}", "body": {}, "answers": 201})

        told = story.program.get(f"positions/{symbol}").told
        assert (told["quantity"], told["drift"]) == ("0", "0")
        assert story.program.get("orders?open=true").told["orders"] == []

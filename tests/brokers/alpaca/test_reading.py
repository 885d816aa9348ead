from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.alpaca import reading
from brokers.alpaca.words import STATUSES
from brokers.messages import Delivery
from brokers.parsing import MISSHAPEN
from brokers.vocabulary import (
    ExecutionKind,
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from tests.brokers.alpaca.golden import (
    EXECUTION_ID,
    ORDER_ID,
    OTHER_ID,
    STOP_ID,
    TARGET_ID,
    a_bracket,
    an_activity,
    an_order,
    an_update,
)


class TestOrder:
    def test_is_read_field_by_field(self):
        said = reading.order(an_order())

        assert (said.broker_order_id, said.wire_id) == (ORDER_ID, "order-1")
        assert (said.symbol, said.side, said.quantity) == ("AAPL", Side.BUY, Decimal(10))
        assert (said.status, said.raw_status) == (Status.NEW, "new")
        assert (said.order_type, said.time_in_force) == (OrderType.LIMIT, TimeInForce.DAY)
        assert (said.limit_price, said.stop_price) == (Decimal("150.25"), None)
        assert (said.cumulative, said.average_price) == (Decimal(0), None)
        assert said.position_effect is PositionEffect.OPEN
        assert (said.order_class, said.parent, said.leg) == (OrderClass.SIMPLE, "", None)

    def test_has_the_nanosecond_of_its_last_change_for_a_version(self):
        early, late = (
            reading.order(an_order(updated_at=f"2026-03-02T15:00:01.123456{end}Z"))
            for end in ("7", "789")
        )

        assert early.version == late.version == 1772463601123456
        assert (early.sequence, late.sequence) == (700, 789)

    @pytest.mark.parametrize("at", [None, ""])
    def test_that_never_changed_has_the_moment_it_came(self, at):
        said = reading.order(an_order(updated_at=at))

        assert said.version == 1772463600120000

    @pytest.mark.parametrize(("word", "status"), STATUSES.items())
    def test_stands_as_its_word_says(self, word, status):
        assert reading.order(an_order(status=word)).status is status

    def test_in_a_word_of_tomorrow_is_kept_as_said(self):
        said = reading.order(an_order(status="awaiting_moon", type="iceberg", time_in_force="gtx"))

        assert (said.status, said.raw_status) == (Status.INDETERMINATE, "awaiting_moon")
        assert (said.order_type, said.time_in_force) == (None, None)
        assert "awaiting_moon" in said.raw

    def test_for_money_has_no_quantity(self):
        said = reading.order(an_order(qty=None, notional="500", type="market", limit_price=None))

        assert (said.quantity, said.notional) == (None, Decimal(500))

    def test_that_trails_says_where_it_stands(self):
        said = reading.order(
            an_order(
                type="trailing_stop",
                limit_price=None,
                stop_price="95.5",
                trail_percent="4.5",
                hwm="100",
            )
        )

        assert (said.stop_price, said.high_water_mark) == (Decimal("95.5"), Decimal(100))
        assert (said.trail_percent, said.trail_price) == (Decimal("4.5"), None)

    def test_is_read_to_the_last_digit(self):
        said = reading.order(an_order(qty="0.123456789", filled_qty="0.1", filled_avg_price="1e2"))

        assert said.quantity == Decimal("0.123456789")
        assert said.average_price == 100

    @pytest.mark.parametrize(
        "change",
        [
            {"id": ...},
            {"id": ""},
            {"symbol": None},
            {"side": "both"},
            {"qty": None},
            {"qty": "NaN"},
            {"qty": "1e999999"},
            {"filled_qty": None},
            {"filled_qty": True},
            {"status": ...},
            {"status": None},
            {"updated_at": "yesterday"},
            {"updated_at": 17},
            {"client_order_id": "\x00"},
            {"client_order_id": 7},
        ],
        ids=str,
    )
    def test_that_makes_no_order_is_not_read(self, change):
        with pytest.raises(MISSHAPEN):
            reading.order(an_order(**change))


class TestLegs:
    def test_are_told_with_their_order_and_say_what_they_are_for(self):
        head, target, stop = reading.group(a_bracket())

        assert (head.order_class, head.parent) == (OrderClass.BRACKET, "")
        assert (target.broker_order_id, target.leg) == (TARGET_ID, Leg.TAKE_PROFIT)
        assert (stop.broker_order_id, stop.leg) == (STOP_ID, Leg.STOP_LOSS)
        assert {leg.parent for leg in (target, stop)} == {ORDER_ID}
        assert {leg.order_class for leg in (target, stop)} == {OrderClass.SIMPLE}
        assert stop.status is Status.HELD

    def test_of_an_oco_are_its_stop_alone(self):
        stop = a_bracket()["legs"][1]
        _, leg = reading.group(an_order(order_class="oco", side="sell", legs=[stop]))

        assert leg.leg is Leg.STOP_LOSS

    def test_in_a_flat_list_are_known_by_the_orders_that_hold_them(self):
        assert reading.parents([a_bracket(), an_order(id=OTHER_ID)]) == {
            TARGET_ID: ORDER_ID,
            STOP_ID: ORDER_ID,
        }

    def test_of_a_desk_say_whose_they_are_wherever_they_stand(self):
        flat = a_bracket()["legs"][1] | {"blotter": {"parent": OTHER_ID, "leg": "stop_loss"}}
        (leg,) = reading.group(flat)

        assert (leg.parent, leg.leg) == (OTHER_ID, Leg.STOP_LOSS)
        assert reading.group(an_order(legs=[flat]))[1].parent == OTHER_ID

    def test_of_several_options_stand_for_themselves(self):
        legs = [an_order(id=STOP_ID, symbol="AAPL261218C00150000", order_class="mleg")]
        whole = an_order(order_class="mleg", symbol="", side="", qty="1", legs=legs)

        (leg,) = reading.group(whole)

        assert (leg.parent, leg.symbol) == ("", "AAPL261218C00150000")


class TestOneThatReplacedAnother:
    REPLACED = an_order(
        replaces=OTHER_ID, status="filled", filled_qty="10", filled_avg_price="150", qty="10"
    )

    def test_claims_at_first_all_that_it_shows(self):
        said = reading.order(self.REPLACED)

        assert reading.is_claim(said)
        assert said.cumulative == 10

    def test_is_known_by_what_is_its_own(self):
        said = reading.order(self.REPLACED)
        known = reading.own(said, carried=Decimal(4))

        assert not reading.is_claim(known)
        assert (known.cumulative, known.quantity, known.average_price) == (6, 6, None)
        assert (known.version, known.sequence) > (said.version, said.sequence)

    def test_that_still_works_is_for_what_was_asked(self):
        said = reading.order(self.REPLACED | {"status": "partially_filled", "filled_qty": "7"})
        known = reading.own(said, carried=Decimal(4))

        assert (known.cumulative, known.quantity) == (3, 10)

    def test_at_a_desk_says_so_itself(self):
        said = reading.order(self.REPLACED | {"blotter": {"carried_filled_qty": "4"}})

        assert not reading.is_claim(said)
        assert (said.cumulative, said.quantity) == (6, 6)

    @pytest.mark.parametrize("carried", ["11", "-1", "x"])
    def test_carries_no_more_than_it_shows(self, carried):
        with pytest.raises(MISSHAPEN):
            reading.order(self.REPLACED | {"blotter": {"carried_filled_qty": carried}})


class TestTrade:
    def test_is_read_field_by_field(self):
        trade = reading.fill(an_activity())

        assert (trade.broker_order_id, trade.execution_id) == (ORDER_ID, EXECUTION_ID)
        assert (trade.quantity, trade.price) == (Decimal(4), Decimal("150.1"))
        assert (trade.symbol, trade.side, trade.kind) == ("AAPL", Side.BUY, ExecutionKind.FILL)
        assert trade.trade_date == date(2026, 3, 2)
        assert trade.executed_at == datetime(2026, 3, 2, 15, 0, 1, 123456, UTC)

    def test_of_a_short_sale_is_a_sale(self):
        assert reading.fill(an_activity(side="sell_short")).side is Side.SELL

    @pytest.mark.parametrize(
        "change",
        [
            {"type": "trade_bust"},
            {"activity_type": "DIV"},
            {"id": "20260302150001123"},
            {"id": "20260302150001123::"},
            {"qty": None},
            {"price": ""},
            {"order_id": None},
            {"transaction_time": "2026-03-02"},
        ],
        ids=str,
    )
    def test_that_is_none_is_not_read(self, change):
        with pytest.raises(MISSHAPEN):
            reading.fill(an_activity(**change))


class TestUpdate:
    def test_of_alpaca_tells_the_claim_and_leaves_the_trade_to_be_asked_for(self):
        told = reading.update(an_update())

        (said,) = told.report.snapshots
        assert (told.event, told.is_known) == ("partial_fill", True)
        assert (said.status, said.cumulative) == (Status.PARTIALLY_FILLED, 4)
        assert told.report.fills == ()

    def test_of_a_desk_tells_the_trade_as_its_list_does(self):
        frame = an_update()
        frame["data"]["order"]["blotter"] = {"parent": None}

        (trade,) = reading.update(frame).report.fills

        listed = reading.fill(an_activity())
        assert trade.wire_id == "order-1"
        for field in ("broker_order_id", "execution_id", "trade_date", "quantity", "price", "side"):
            assert getattr(trade, field) == getattr(listed, field)

    def test_may_come_without_its_frame(self):
        frame = an_update("new")

        assert reading.update(frame["data"]) == reading.update(frame)

    def test_says_why_an_order_ended(self):
        order = an_order(status="canceled")
        told = reading.update(an_update("canceled", order=order, reason="CORPORATE_ACTION"))

        assert told.report.snapshots[0].reason == "CORPORATE_ACTION"

    def test_of_a_cancel_that_failed_is_no_end(self):
        told = reading.update(an_update("order_cancel_rejected", reason="TOO_LATE_TO_CANCEL"))

        (said,) = told.report.snapshots
        assert (said.status, said.reason) == (Status.PARTIALLY_FILLED, "")

    def test_of_another_kind_is_not_known(self):
        assert not reading.update(an_update("moon_landing")).is_known
        assert not reading.update({"stream": "listening", "data": {"streams": []}}).is_known

    @given(
        told=st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["stream", "data", "event", "order", "id", "legs", "qty"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=10,
        ),
        change=st.dictionaries(
            st.sampled_from(sorted(an_order())), st.none() | st.text() | st.integers(), max_size=3
        ),
    )
    def test_at_random_is_read_or_refused(self, told: Any, change: dict[str, Any]):
        for frame in (told, an_update(order=an_order(**change))):
            try:
                assert isinstance(reading.update(frame), Delivery)
            except MISSHAPEN:
                continue

"""POST and PATCH …/orders: every kind of order, taken whole, shown whole, refused by its field."""

import json
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import sending
from orders.models import Order
from tests.api.conftest import terms
from tests.factories import OrderFactory

MARKET = {"order_type": "market", "limit_price": ...}
TRAILING = {"order_type": "trailing_stop", "limit_price": ..., "side": "sell"}
BRACKET = {
    "order_class": "bracket",
    "limit_price": "100",
    "take_profit": {"limit_price": "110"},
    "stop_loss": {"stop_price": "90"},
}
OCO = {"order_class": "oco", "side": "sell", "limit_price": "110", "stop_loss": {"stop_price": 90}}
GTD = {"time_in_force": "gtd", "expires_at": "2100-01-01T12:00:00Z"}


class TestKinds:
    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            (MARKET | {"time_in_force": "cls"}, {"time_in_force": "cls", "limit_price": None}),
            (TRAILING | {"trail_price": 1.5}, {"trail_price": "1.5", "trail_percent": None}),
            (TRAILING | {"trail_percent": "0.5"}, {"trail_percent": "0.5", "trail_price": None}),
            (GTD, {"time_in_force": "gtd", "expires_at": "2100-01-01T12:00:00.000000Z"}),
            ({"extended_hours": True}, {"extended_hours": True}),
            ({"extended_hours": False}, {"extended_hours": False}),
            ({"position_effect": "open"}, {"side": "buy", "position_effect": "open"}),
            ({"position_effect": None}, {"position_effect": None}),
            ({"side": "sell_short"}, {"side": "sell", "position_effect": "open"}),
            (
                {"side": "sell_short", "position_effect": "open"},
                {"side": "sell", "position_effect": "open"},
            ),
            ({"side": "buy_to_cover"}, {"side": "buy", "position_effect": "close"}),
            (
                BRACKET,
                {
                    "order_class": "bracket",
                    "strategy": "native",
                    "take_profit": {"limit_price": "110"},
                    "stop_loss": {"stop_price": "90", "limit_price": None},
                    "legs": [],
                },
            ),
            (
                BRACKET | {"order_class": "oto", "take_profit": None},
                {"order_class": "oto", "take_profit": None},
            ),
            (
                BRACKET | {"stop_loss": {"stop_price": "90", "limit_price": "89.5"}},
                {"stop_loss": {"stop_price": "90", "limit_price": "89.5"}},
            ),
            (OCO, {"order_class": "oco", "limit_price": "110", "take_profit": None}),
            ({}, {"order_class": "simple", "strategy": None, "parent": None, "leg": None}),
            ({"take_profit": None, "stop_loss": None, "notional": None}, {"take_profit": None}),
        ],
        ids=repr,
    )
    def test_is_taken_and_shown_whole(self, program, given, shown):
        placed = program.place(**given)

        assert placed.status_code == 201, placed.told
        read = program.get(f"orders/{placed.told['id']}").told
        assert {name: read[name] for name in shown} == shown
        assert {name: placed.told[name] for name in shown} == shown

    @pytest.mark.parametrize(
        "given", [TRAILING | {"trail_price": 1.5}, GTD, {"side": "sell_short"}, BRACKET, OCO]
    )
    def test_repeated_is_the_same_order(self, program, given):
        answers = [program.place(client_order_id="again", **given) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 200]

    @pytest.mark.parametrize(
        ("first", "changed"),
        [
            (BRACKET, {"stop_loss": {"stop_price": "91"}}),
            (BRACKET, {"take_profit": {"limit_price": "111"}}),
            (TRAILING | {"trail_price": 1}, {"trail_price": ..., "trail_percent": 1}),
            ({}, {"extended_hours": True}),
            ({}, {"position_effect": "open"}),
            (GTD, {"expires_at": "2100-01-01T12:00:01Z"}),
        ],
        ids=repr,
    )
    def test_repeated_with_one_thing_changed_is_another(self, program, first, changed):
        program.place(client_order_id="again", **first)

        answer = program.place(client_order_id="again", **(first | changed))

        assert (answer.status_code, answer.told["code"]) == (409, "client_order_id_taken")

    @pytest.mark.parametrize(
        "other",
        [
            {"limit_price": ..., "take_profit": {"limit_price": "110"}},
            {"take_profit": {"limit_price": 110.0}},
            {"limit_price": None, "take_profit": {"limit_price": "110.00"}},
        ],
        ids=repr,
    )
    def test_oco_said_either_way_is_the_same_order(self, program, other):
        first = program.place(client_order_id="again", **OCO)
        second = program.place(client_order_id="again", **(OCO | other))

        assert (first.status_code, second.status_code) == (201, 200)
        assert second.told["limit_price"] == "110"

    def test_short_said_either_way_is_the_same_order(self, program):
        program.place(client_order_id="again", side="sell_short")

        again = program.place(client_order_id="again", side="sell", position_effect="open")

        assert again.status_code == 200

    def test_never_leaves_after_it_would_have_expired(self, program):
        soon = timezone.now() + timedelta(seconds=30)

        answer = program.place(time_in_force="gtd", expires_at=soon.isoformat())

        assert answer.told["submit_by"] == answer.told["expires_at"]

    def test_that_has_expired_by_now_is_refused(self, program):
        answer = program.place(time_in_force="gtd", expires_at="2020-01-01T00:00:00Z")

        assert (answer.status_code, answer.told["field"]) == (422, "expires_at")
        assert not Order.objects.exists()

    def test_the_broker_is_sent_what_was_asked_for(self, program, broker):
        placed = program.place(**BRACKET).told

        sending.send(UUID(placed["id"]))

        (ticket,) = broker.submitted
        assert ticket.take_profit.limit_price == Decimal(110)
        assert ticket.stop_loss.stop_price == Decimal(90)


class TestRefused:
    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"quantity": ...}, "quantity"),
            ({"quantity": None}, "quantity"),
            ({"notional": "100"}, "notional"),
            ({"side": "sell_short", "position_effect": "close"}, "position_effect"),
            ({"side": "buy_to_cover", "position_effect": "open"}, "position_effect"),
            ({"side": "short"}, "side"),
            (OCO | {"take_profit": {"limit_price": "111"}}, "take_profit.limit_price"),
            (BRACKET | {"take_profit": {}}, "take_profit.limit_price"),
            (BRACKET | {"take_profit": {"limit_price": None}}, "take_profit.limit_price"),
            (BRACKET | {"take_profit": {"limit_prise": 1}}, "take_profit.limit_prise"),
            (BRACKET | {"take_profit": {"limit_price": 1, "x": 1}}, "take_profit.x"),
            (BRACKET | {"take_profit": {"stop_price": 1}}, "take_profit.stop_price"),
            (BRACKET | {"stop_loss": {"limit_price": "1"}}, "stop_loss.stop_price"),
            (BRACKET | {"stop_loss": {"stop_price": 1, "é": 1}}, "stop_loss.é"),
            (BRACKET | {"stop_loss": {"stop_price": 1, "x" * 500: 1}}, "stop_loss." + "x" * 54),
            (BRACKET | {"stop_loss": {"stop_price": {"stop_price": 1}}}, "stop_loss.stop_price"),
        ],
        ids=repr,
    )
    def test_by_the_field_at_fault(self, program, given, field):
        self.refused(program.place(**given), field)

    @pytest.mark.parametrize("value", ["x", "", 1, True, [], [{}], ["limit_price"]], ids=repr)
    @pytest.mark.parametrize("name", ["take_profit", "stop_loss"])
    def test_leg_that_is_no_object(self, program, name, value):
        self.refused(program.place(**(BRACKET | {name: value})), name)

    @pytest.mark.parametrize(
        "literal",
        [
            *("NaN", "Infinity", "1e999999", "-1e999999", "1e-999999", "true", "[]", '"NaN"'),
            *('""', '"1e5"', '"١"', '"1,5"', '"0x10"', "9" * 40, f'"0.{"1" * 40}"', "1e30"),
            *('"\\u0000"', '"\\ud800"', '"1\\n"'),
        ],
    )
    @pytest.mark.parametrize(
        "path",
        [
            *("notional", "trail_price", "trail_percent"),
            *("take_profit.limit_price", "stop_loss.stop_price", "stop_loss.limit_price"),
        ],
    )
    def test_amount_that_is_none(self, program, path, literal):
        name, _, inner = path.partition(".")
        whole = {inner: "@"} if inner else "@"
        if inner == "limit_price" and name == "stop_loss":
            whole["stop_price"] = "1"
        body = json.dumps(terms(**{name: whole})).replace('"@"', literal)

        self.refused(program.ask("POST", "orders", body), path)

    @pytest.mark.parametrize("value", ["true", "yes", 1, 0, "", None, [], {}, 1.0], ids=repr)
    def test_flag_that_is_none(self, program, value):
        self.refused(program.place(extended_hours=value), "extended_hours")

    @pytest.mark.parametrize(
        "value",
        [
            *("tomorrow", "2100-01-01", "2100-01-01T00:00:00", "2100-13-01T00:00:00Z", "", 1, True),
            *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "٢100-01-01T00:00:00Z"),
            *("2100-01-01T00:00:00Z\0", [], {}, "9" * 999),
        ],
        ids=repr,
    )
    def test_moment_that_is_none(self, program, value):
        self.refused(program.place(time_in_force="gtd", expires_at=value), "expires_at")

    @pytest.mark.parametrize("value", ["", "OPEN", "both", 1, True, [], {}, "n\0l", "é"], ids=repr)
    @pytest.mark.parametrize("name", ["position_effect", "order_class"])
    def test_word_that_is_none(self, program, name, value):
        self.refused(program.place(**{name: value}), name)

    def test_nested_too_deep_to_be_anything(self, program):
        deep = json.loads('{"stop_price":' * 50 + "1" + "}" * 50)

        self.refused(program.place(**(BRACKET | {"stop_loss": deep})), "stop_loss.stop_price")

    def test_leg_given_twice(self, program):
        body = json.dumps(terms(**BRACKET))[:-1] + ', "stop_loss": {"stop_price": 1}}'

        self.refused(program.ask("POST", "orders", body), "stop_loss")

    def refused(self, answer, field):
        assert answer.status_code == 400, answer.told
        assert (answer.told["code"], answer.told["field"]) == ("invalid_request", field)
        assert not Order.objects.exists()


class TestReplace:
    def replace(self, program, order, **changes):
        told = {"client_order_id": "second", **changes}
        return program.ask("PATCH", f"orders/{order.id}", told)

    def a_stop(self, program, **fields):
        return OrderFactory(
            account=program.account,
            working=True,
            **{
                "order_type": "trailing_stop",
                "limit_price": None,
                "side": "sell",
                "trail_price": Decimal(2),
                **fields,
            },
        )

    def test_moves_a_trail(self, program):
        answer = self.replace(program, self.a_stop(program), trail_price="1.5")

        assert (answer.status_code, answer.told["trail_price"]) == (201, "1.5")

    def test_can_not_change_how_it_trails(self, program):
        answer = self.replace(program, self.a_stop(program), trail_percent="1")

        assert (answer.status_code, answer.told["field"]) == (422, "trail_percent")

    def test_of_another_kind_of_order_has_no_trail(self, program):
        order = OrderFactory(account=program.account, working=True)

        answer = self.replace(program, order, trail_price="1")

        assert (answer.status_code, answer.told["field"]) == (422, "trail_price")

    @pytest.mark.parametrize("literal", ["NaN", "1e999999", "null", "true", '"-"', "[]", "{}"])
    @pytest.mark.parametrize("name", ["trail_price", "trail_percent"])
    def test_to_no_amount(self, program, name, literal):
        order = self.a_stop(program)
        body = f'{{"client_order_id": "second", "{name}": {literal}}}'

        answer = program.ask("PATCH", f"orders/{order.id}", body)

        assert (answer.status_code, answer.told["field"]) == (400, name)

    @pytest.mark.parametrize(
        "name", ["time_in_force", "order_class", "stop_loss", "take_profit", "side", "notional"]
    )
    def test_of_what_stays_is_refused(self, program, name):
        answer = self.replace(program, self.a_stop(program), **{name: "day"})

        assert (answer.status_code, answer.told["field"]) == (400, name)

    def test_of_an_entry_keeps_its_legs(self, program):
        entry = OrderFactory(
            account=program.account,
            working=True,
            order_class="bracket",
            strategy="pending",
            take_profit_price=Decimal(110),
            stop_loss_price=Decimal(90),
        )

        told = self.replace(program, entry, limit_price="99").told

        assert (told["order_class"], told["strategy"]) == ("bracket", "pending")
        assert told["take_profit"] == {"limit_price": "110"}

    def test_of_a_leg_stays_a_leg(self, program):
        entry = OrderFactory(account=program.account, filled=True)
        leg = self.a_stop(program, parent=entry, leg="stop_loss", covers_from=Decimal(3))

        told = self.replace(program, leg, trail_price="1").told

        assert (told["parent"], told["leg"]) == (str(entry.id), "stop_loss")
        assert Order.objects.get(id=told["id"]).covers_from == 3

    def test_of_an_order_for_money(self, program):
        order = OrderFactory(
            account=program.account, working=True, quantity=None, notional=Decimal(100)
        )

        answer = self.replace(program, order, limit_price="99")

        assert (answer.status_code, answer.told["code"]) == (409, "not_replaceable")


class TestShown:
    def test_legs_by_their_ids_at_no_extra_question(self, program):
        entries = OrderFactory.create_batch(3, account=program.account, filled=True)
        legs = {
            str(entry.id): [
                str(
                    OrderFactory(
                        account=program.account, working=True, side="sell", parent=entry, leg=leg
                    ).id
                )
                for leg in ("take_profit", "stop_loss")
            ]
            for entry in entries
        }

        with CaptureQueriesContext(connection) as queries:
            told = program.get("orders?limit=50").told["orders"]

        assert len(queries) == 2 + 1  # the key, that it was used, and the rows
        shown = {row["id"]: row for row in told}
        assert {id_: shown[id_]["legs"] for id_ in legs} == legs
        for entry, of in legs.items():
            assert [shown[leg]["parent"] for leg in of] == [entry, entry]
            assert [shown[leg]["leg"] for leg in of] == ["take_profit", "stop_loss"]

    def test_legs_stay_with_whatever_took_the_entry_s_place(self, program):
        terms = {"account": program.account, "order_class": "bracket", "strategy": "pending"}
        terms |= {"take_profit_price": Decimal(110), "stop_loss_price": Decimal(90)}
        first = OrderFactory(part_filled=True, **terms)
        leg = OrderFactory(
            account=program.account, working=True, side="sell", parent=first, leg="stop_loss"
        )
        replaced = {"working": True, "replaces_filled": Decimal(4), **terms}
        second = OrderFactory(replaces=first, **replaced)
        third = OrderFactory(replaces=second, **replaced)

        shown = {row["id"]: row["legs"] for row in program.get("orders").told["orders"]}

        assert shown[str(first.id)] == [str(leg.id)]
        assert shown[str(third.id)] == [str(leg.id)]
        assert shown[str(leg.id)] == []

    def test_an_order_for_money_has_no_quantity(self, program):
        order = OrderFactory(
            account=program.account, working=True, quantity=None, notional=Decimal(100)
        )

        told = program.get(f"orders/{order.id}").told

        assert (told["quantity"], told["notional"], told["leaves_quantity"]) == (None, "100", None)

    def test_where_a_trailing_stop_stands_and_what_is_unprotected(self, program):
        order = OrderFactory(
            account=program.account,
            working=True,
            trailing_stop_price=Decimal("98.5"),
            high_water_mark=Decimal(100),
            unprotected_since=timezone.now(),
        )

        told = program.get(f"orders/{order.id}").told

        assert (told["trailing_stop_price"], told["high_water_mark"]) == ("98.5", "100")
        assert told["unprotected_since"].endswith("Z")

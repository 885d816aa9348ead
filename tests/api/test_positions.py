"""…/positions: what is held, how sure that is, and closing it."""

from decimal import Decimal

import pytest

from brokers.errors import OutcomeUnknown
from brokers.messages import Holding
from orders import asking
from orders.models import Order
from tests.api.conftest import a_program
from tests.factories import AccountFactory, OrderFactory
from tests.orders.holding import hold


@pytest.fixture(autouse=True)
def _forget_answers():
    """Answers of brokers are kept for a second; the next test's broker says something else."""
    asking._kept.clear()


def held_by_broker(broker, **quantities):
    broker.held = tuple(
        Holding(symbol=symbol, quantity=Decimal(quantity), average_price=None)
        for symbol, quantity in quantities.items()
    )


def close(program, symbol="ACME", **changes):
    told = {"client_order_id": "out", **changes}
    body = {name: value for name, value in told.items() if value is not ...}
    return program.ask("DELETE", f"positions/{symbol}", body)


class TestPositions:
    def test_hold_everything_about_each(self, program, broker):
        hold(program.account, "10", price="100", fee="0.5")
        hold(program.account, "-15", price="110", fee="0.25")
        doubtful = OrderFactory(account=program.account, unknown=True, side="sell")
        held_by_broker(broker, ACME="-4")

        (told,) = program.get("positions").told["positions"]

        assert told == {
            "symbol": "ACME",
            "side": "short",
            "quantity": "-5",
            "least": "-15",
            "most": "-5",
            "in_doubt": [str(doubtful.id)],
            "average_price": "110",
            "realized": "100",
            "fees": "0.75",
            "net": "99.25",
            "broker_quantity": "-4",
            "drift": "1",
        }

    def test_that_only_one_of_the_two_has_show_the_drift(self, program, broker):
        hold(program.account, "10", symbol="OURS")
        held_by_broker(broker, THEIRS="-3")

        told = program.get("positions").told

        assert [(row["symbol"], row["quantity"], row["drift"]) for row in told["positions"]] == [
            ("OURS", "10", "-10"),
            ("THEIRS", "0", "-3"),
        ]
        assert told["broker_positions"] == [
            {"symbol": "THEIRS", "quantity": "-3", "average_price": None}
        ]

    def test_of_an_order_in_doubt_alone_are_a_range(self, program):
        OrderFactory(account=program.account, unknown=True)

        (told,) = program.get("positions").told["positions"]

        assert (told["side"], told["quantity"]) == (None, "0")
        assert (told["least"], told["most"]) == ("0", "10")

    def test_say_so_where_the_broker_did_not(self, program, broker):
        hold(program.account, "10")
        broker.silent = OutcomeUnknown("silence for 20 s")

        told = program.get("positions").told

        assert (told["positions"][0]["broker_quantity"], told["positions"][0]["drift"]) == (
            None,
            None,
        )
        assert "silence" in told["broker_error"]


class TestPosition:
    def test_is_the_same_as_in_the_list(self, program, broker):
        hold(program.account, "10", symbol="BTC/USD")
        hold(program.account, "-1", symbol="OTHER")

        told = program.get("positions/BTC%2FUSD").told

        assert told == program.get("positions").told["positions"][0]
        assert (told["symbol"], told["quantity"]) == ("BTC/USD", "10")

    def test_of_what_nobody_knows_is_not_there(self, program):
        hold(AccountFactory(), "10")

        assert program.get("positions/ACME").status_code == 404

    def test_of_no_symbol(self, program):
        for symbol in ("%00", "x" * 33, "%F0%9F%92%A9"):
            assert program.get(f"positions/{symbol}").told["field"] == "symbol"


class TestClose:
    def test_places_one_market_order(self, program):
        hold(program.account, "10")

        answer = close(program)

        assert answer.status_code == 201
        order = answer.told["order"]
        assert (order["side"], order["quantity"], order["order_type"]) == ("sell", "10", "market")
        assert (order["position_effect"], order["time_in_force"]) == ("close", "day")
        assert (order["source"], order["client_order_id"]) == ("api", "out")

    def test_repeated_is_the_same_order(self, program):
        hold(program.account, "10")
        answers = [close(program) for _ in range(2)]
        hold(program.account, "-10")
        answers.append(close(program))

        assert [answer.status_code for answer in answers] == [201, 200, 200]
        assert len({answer.told["order"]["id"] for answer in answers}) == 1

    @pytest.mark.parametrize("written", ["BTC/USD", "BTC%2FUSD", "BTC%2fUSD"])
    def test_of_a_symbol_with_a_slash(self, program, written):
        hold(program.account, "0.5", symbol="BTC/USD")

        assert close(program, written).told["order"]["symbol"] == "BTC/USD"

    def test_id_may_come_by_header_and_no_body_at_all(self, program):
        hold(program.account, "10")

        answer = program.ask("DELETE", "positions/ACME", **{"Idempotency-Key": "by-header"})

        assert answer.told["order"]["client_order_id"] == "by-header"

    @pytest.mark.parametrize(
        ("changes", "quantity"),
        [({"quantity": "4"}, "4"), ({"percentage": 25}, "2.5"), ({"percentage": None}, "10")],
        ids=repr,
    )
    def test_of_a_part(self, program, changes, quantity):
        hold(program.account, "10")

        assert close(program, **changes).told["order"]["quantity"] == quantity

    def test_says_what_else_is_open(self, program):
        hold(program.account, "10")
        entry = OrderFactory(account=program.account, filled=True, symbol="OTHER")
        stop = OrderFactory(
            account=program.account, working=True, side="sell", parent=entry, leg="stop_loss"
        )
        adds = OrderFactory(account=program.account, unknown=True)

        told = close(program).told["still_open"]

        assert [(row["order_id"], row["would"], row["in_doubt"]) for row in told] == [
            (str(stop.id), "close", False),
            (str(adds.id), "increase", True),
        ]
        assert told[0]["leg"] == "stop_loss"

    def test_of_nothing(self, program):
        answer = close(program)

        assert (answer.status_code, answer.told["code"]) == (409, "nothing_held")

    def test_that_could_turn_it_round_names_the_order(self, program):
        hold(program.account, "10")
        doubtful = OrderFactory(account=program.account, unknown=True, side="sell")

        answer = close(program)

        assert (answer.status_code, answer.told["code"]) == (409, "position_in_doubt")
        assert answer.told["orders"] == [str(doubtful.id)]
        assert doubtful.client_order_id in answer.told["message"]
        assert close(program, despite_doubt=True).status_code == 201

    @pytest.mark.parametrize(
        ("changes", "field", "code"),
        [
            ({"client_order_id": ...}, "client_order_id", "client_order_id_required"),
            ({"client_order_id": "two words"}, "client_order_id", "invalid_request"),
            ({"quantity": "1", "percentage": "1"}, "percentage", "invalid_request"),
            ({"qty": "1"}, "qty", "invalid_request"),
            ({"despite_doubt": "true"}, "despite_doubt", "invalid_request"),
            ({"despite_doubt": None}, "despite_doubt", "invalid_request"),
            ({"quantity": True}, "quantity", "invalid_request"),
            ({"percentage": "50%"}, "percentage", "invalid_request"),
            ({"percentage": []}, "percentage", "invalid_request"),
            ({"percentage": "1e1"}, "percentage", "invalid_request"),
        ],
        ids=repr,
    )
    def test_put_wrong(self, program, changes, field, code):
        hold(program.account, "10")

        answer = close(program, **changes)

        assert (answer.status_code, answer.told["field"], answer.told["code"]) == (400, field, code)
        assert Order.objects.count() == 1

    @pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999999", "-1e999999", "1e-999999"])
    @pytest.mark.parametrize("name", ["quantity", "percentage"])
    def test_of_no_number(self, program, name, literal):
        hold(program.account, "10")
        body = f'{{"client_order_id": "out", "{name}": {literal}}}'

        answer = program.ask("DELETE", "positions/ACME", body)

        assert (answer.status_code, answer.told["field"]) == (400, name)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"quantity": "11"}, "quantity"),
            ({"quantity": "0"}, "quantity"),
            ({"percentage": "0"}, "percentage"),
            ({"percentage": "-5"}, "percentage"),
            ({"percentage": "100.1"}, "percentage"),
            ({"percentage": "999999999999999999"}, "percentage"),
        ],
        ids=repr,
    )
    def test_of_no_part(self, program, changes, field):
        hold(program.account, "10")

        answer = close(program, **changes)

        assert (answer.status_code, answer.told["field"]) == (422, field)

    @pytest.mark.parametrize(
        "symbol", ["%00", "a%20b", "%F0%9F%92%A9", "x" * 33, "%E2%80%AE", "%C3%A9", "%7F"]
    )
    def test_of_no_symbol(self, program, symbol):
        answer = close(program, symbol)

        assert (answer.status_code, answer.told["field"]) == (400, "symbol")

    @pytest.mark.parametrize(
        "symbol", ["..", "ACME/", "acme", "*", "ACME;", "/", "%0A", "%ED%A0%80", "%25"]
    )
    def test_of_a_symbol_that_is_not_held(self, program, symbol):
        hold(program.account, "10")

        assert close(program, symbol).told["code"] in {"nothing_held", "not_found"}
        assert Order.objects.count() == 1

    def test_of_another_account_is_not_there(self, program):
        other = AccountFactory()
        hold(other, "10")

        answer = program.ask(
            "DELETE", f"/api/v1/accounts/{other.id}/positions/ACME", {"client_order_id": "out"}
        )

        assert answer.status_code == 404
        assert Order.objects.count() == 1

    def test_by_a_key_that_may_only_look(self, program):
        reader = a_program(program.account, may_trade=False)
        hold(program.account, "10")

        answers = [
            close(reader),
            reader.ask("DELETE", "positions", {"client_order_id": "out"}),
            reader.ask("DELETE", "orders"),
        ]

        assert [answer.told["code"] for answer in answers] == ["read_only_key"] * 3

    def test_query_is_refused(self, program):
        answer = program.ask("DELETE", "positions/ACME?percentage=50", {"client_order_id": "out"})

        assert (answer.status_code, answer.told["field"]) == (400, "percentage")


class TestCloseAll:
    def test_says_what_became_of_each(self, program):
        hold(program.account, "10", symbol="A")
        hold(program.account, "-4", symbol="B/C")
        doubtful = OrderFactory(account=program.account, unknown=True, symbol="B/C")

        answer = program.ask("DELETE", "positions", {"client_order_id": "all-out"})

        assert answer.status_code == 207
        done, declined = answer.told["positions"]
        assert (done["symbol"], done["code"], done["orders"]) == ("A", None, [])
        assert (done["closing"]["order"]["side"], done["closing"]["order"]["quantity"]) == (
            "sell",
            "10",
        )
        assert (declined["symbol"], declined["closing"]) == ("B/C", None)
        assert (declined["code"], declined["orders"]) == ("position_in_doubt", [str(doubtful.id)])

    def test_repeated_is_the_same_orders(self, program):
        hold(program.account, "10")
        body = {"client_order_id": "all-out"}

        answers = [program.ask("DELETE", "positions", body).told for _ in range(2)]

        first, second = (told["positions"][0]["closing"]["order"] for told in answers)
        assert first["id"] == second["id"]
        assert Order.objects.filter(side="sell").count() == 1

    def test_needs_an_id(self, program):
        answer = program.ask("DELETE", "positions", {})

        assert (answer.status_code, answer.told["code"]) == (400, "client_order_id_required")

    @pytest.mark.parametrize("name", ["quantity", "percentage", "symbol"])
    def test_takes_no_part(self, program, name):
        answer = program.ask("DELETE", "positions", {"client_order_id": "a", name: "1"})

        assert (answer.status_code, answer.told["field"]) == (400, name)

    def test_of_another_account_is_not_there(self, program):
        other = AccountFactory()
        hold(other, "10")

        answer = program.ask(
            "DELETE", f"/api/v1/accounts/{other.id}/positions", {"client_order_id": "out"}
        )

        assert answer.status_code == 404


class TestCapabilities:
    def test_are_the_broker_s_passport(self, program):
        told = program.get("capabilities").told

        assert (told["broker"], told["title"]) == ("scripted", "Scripted")
        kinds = {row["order_type"]: row["times_in_force"] for row in told["order_types"]}
        assert set(kinds) == {"market", "limit", "stop", "stop_limit", "trailing_stop"}
        assert kinds["limit"] == ["day", "gtc", "ioc", "fok", "opg", "cls", "gtd"]
        classes = {row["order_class"]: row["strategy"] for row in told["order_classes"]}
        assert classes == {"simple": None, "bracket": "native", "oto": "native", "oco": "native"}
        assert told["position_effects"] == ["open", "close"]
        assert told["wire_id_length"] == 128
        assert told["price_increments"] == [
            {"at_least": "1", "increment": "0.01"},
            {"at_least": "0", "increment": "0.0001"},
        ]

    def test_say_what_goes_with_what(self, db):
        program = a_program(AccountFactory(broker="paper-alpaca"))

        told = program.get("capabilities").told

        kinds = {row["order_type"]: row for row in told["order_types"]}
        assert kinds["limit"] == {
            "order_type": "limit",
            "times_in_force": ["day", "gtc", "ioc", "fok", "opg", "cls"],
            "in_parts": ["day"],
            "for_money": ["day"],
            "extended_hours": ["day", "gtc"],
            "of_pairs": ["gtc", "ioc"],
        }
        assert kinds["trailing_stop"]["in_parts"] == []
        assert (told["trails"], told["sells_short"]) == (["price", "percent"], True)
        assert "limit_price" in told["replaceable"]

    @pytest.mark.parametrize(
        ("broker", "classes"),
        [
            ("paper-tapp", {"simple": None, "bracket": "pending", "oto": "pending"}),
            (
                "paper-binance",
                {"simple": None, "bracket": "native_oco", "oto": "pending", "oco": "native"},
            ),
        ],
    )
    def test_say_how_legs_come_to_it(self, db, broker, classes):
        program = a_program(AccountFactory(broker=broker))

        told = program.get("capabilities").told["order_classes"]

        assert {row["order_class"]: row["strategy"] for row in told} == classes

    def test_of_another_account_are_not_there(self, program):
        other = AccountFactory()

        assert program.get(f"/api/v1/accounts/{other.id}/capabilities").status_code == 404

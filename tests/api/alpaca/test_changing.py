"""PATCH and DELETE: changing and cancelling orders, one and all."""

from dataclasses import replace as with_changes
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from brokers.errors import OutcomeUnknown
from brokers.messages import Report
from brokers.vocabulary import Status, TimeInForce
from orders import canceling, reconciling, sending, timing
from orders.api.alpaca import stating
from orders.models import Order
from orders.states import Submission
from tests.api.alpaca.conftest import a_bot, check_declined
from tests.factories import OrderFactory
from tests.fakes import fill

RULE = 42210000


def working(bot, broker, *fills, **changes):
    """Place an order, have the broker take it and fill so much, and return it as recorded."""
    placed = bot.place(**changes)
    assert placed.status_code == 200, placed.told
    return at_broker(placed, broker, *fills)


def at_broker(placed, broker, *fills, **said):
    order = Order.objects.get(id=placed.told["id"])
    sending.send(order.id)
    if fills:
        ticket = with_changes(order.ticket(), wire_id=order.wire_id)
        done = sum(Decimal(one) for one in fills)
        broker.has(
            ticket,
            *(fill(ticket, f"E{n}", one, "99") for n, one in enumerate(fills)),
            status=Status.PARTIALLY_FILLED,
            cumulative=done,
            version=2,
            **said,
        )
        reconciling.reconcile(order.id, now=timing.database_now())
    return Order.objects.get(id=order.id)


def agree(bot, broker, old, new):
    """Have the broker put one order in another's place."""
    sending.send(UUID(new))
    replaced = with_changes(old.ticket(), wire_id=old.wire_id)
    known = broker.books[old.wire_id]
    broker.has(
        replaced,
        *known.fills,
        status=Status.REPLACED,
        cumulative=known.snapshots[0].cumulative,
        version=9,
    )
    reconciling.reconcile(old.id, now=timing.database_now())


class TestReplace:
    def test_makes_a_new_order(self, bot, broker):
        old = working(bot, broker)

        answer = bot.ask("PATCH", f"orders/{old.id}", {"qty": 12, "limit_price": 99.25})

        assert answer.status_code == 200
        new = answer.told
        assert (new["replaces"], new["status"]) == (str(old.id), "accepted")
        assert (new["qty"], new["limit_price"]) == ("12", "99.25")
        assert UUID(new["client_order_id"])
        assert bot.get(f"orders/{old.id}").told["status"] == "pending_replace"

        agree(bot, broker, old, new["id"])

        told = bot.get(f"orders/{old.id}").told
        assert (told["status"], told["replaced_by"]) == ("replaced", new["id"])
        assert told["replaced_at"]
        assert bot.get(f"orders/{new['id']}").told["status"] == "new"

    def test_quantity_is_the_total_of_the_whole_chain(self, bot, broker):
        old = working(bot, broker, "4")

        first = bot.ask("PATCH", f"orders/{old.id}", {"qty": 12}).told

        assert first["qty"] == "12"
        assert Order.objects.get(id=first["id"]).quantity == 8
        agree(bot, broker, old, first["id"])
        told = bot.get(f"orders/{first['id']}").told
        assert (told["qty"], told["filled_qty"], told["filled_avg_price"]) == ("12", "4", "99")
        assert told["blotter"]["carried_filled_qty"] == "4"

        answer = bot.ask("PATCH", f"orders/{first['id']}", {"qty": 4})
        check_declined(answer, 422, RULE, "qty must be > filled_qty")
        second = bot.ask("PATCH", f"orders/{first['id']}", {"qty": 20}).told

        assert second["qty"] == "20"
        assert Order.objects.get(id=second["id"]).quantity == 16

    def test_without_a_quantity_keeps_the_total(self, bot, broker):
        old = working(bot, broker, "4")
        first = bot.ask("PATCH", f"orders/{old.id}", {"limit_price": "99.4"}).told
        agree(bot, broker, old, first["id"])

        second = bot.ask("PATCH", f"orders/{first['id']}", {"limit_price": "99.3"}).told

        assert (first["qty"], second["qty"]) == ("10", "10")
        assert Order.objects.get(id=second["id"]).quantity == 6

    def test_refused_by_the_broker_takes_over_nothing(self, bot, broker):
        old = working(bot, broker, "4")
        new = bot.ask("PATCH", f"orders/{old.id}", {"qty": 12}).told
        Order.objects.filter(id=new["id"]).update(submission=Submission.BLOCKED)

        told = bot.get(f"orders/{new['id']}").told

        assert (told["status"], told["qty"], told["filled_qty"]) == ("rejected", "12", "0")

    def test_changes_the_trail_of_its_kind(self, bot, broker):
        old = working(bot, broker, type="trailing_stop", limit_price=..., trail_percent=1)

        told = bot.ask("PATCH", f"orders/{old.id}", {"trail": 2.5}).told

        assert (told["trail_percent"], told["trail_price"]) == ("2.5", None)

    def test_changes_the_time_in_force(self, bot, broker):
        old = working(bot, broker)

        told = bot.ask("PATCH", f"orders/{old.id}", {"time_in_force": "gtc"}).told

        assert told["time_in_force"] == "gtc"
        assert Order.objects.get(id=told["id"]).time_in_force == TimeInForce.GTC

    def test_as_the_go_sdk_sends_it(self, bot, broker):
        old = working(bot, broker)
        unset = {"time_in_force": "", "client_order_id": "", "stop_price": None, "trail": None}

        answer = bot.ask("PATCH", f"orders/{old.id}", {"qty": "11", "limit_price": None} | unset)

        assert answer.status_code == 200
        assert answer.told["limit_price"] == "99.5"

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({}, "order parameters are not changed"),
            ({"qty": 10}, "order parameters are not changed"),
            ({"limit_price": 99.123}, "invalid limit_price 99.123. sub-penny increment"),
            ({"qty": 0}, "qty must be > 0"),
            ({"stop_price": 90}, "limit orders require no stop price"),
            ({"limit_pirce": 90}, "limit_pirce is not accepted"),
            ({"side": "sell"}, "side is not accepted"),
            ({"trail": 1}, "trail"),
            ({"time_in_force": "gtd"}, "invalid time_in_force"),
            ({"notional": 100}, "notional orders can't be replaced"),
            ({"client_order_id": "x" * 129}, "client_order_id must be no more than 128"),
        ],
    )
    def test_is_refused_with_its_rule(self, bot, broker, asked, message):
        old = working(bot, broker)

        answer = bot.ask("PATCH", f"orders/{old.id}", asked)

        check_declined(answer, 422, answer.told["code"], message)
        assert Order.objects.count() == 1

    @pytest.mark.parametrize(
        ("traits", "message"),
        [
            ({}, "cannot replace order in accepted status"),
            ({"sending": True}, "cannot replace order in pending_new status"),
            ({"unknown": True}, "cannot replace order in pending_new status"),
            ({"filled": True}, "unable to replace order, order is not open"),
            ({"canceled": True}, "unable to replace order, order is not open"),
            ({"working": True, "status": Status.REPLACED}, "order already replaced"),
            (
                {"filled": True, "order_type": "market", "limit_price": None},
                "unable to replace order, order is not open",
            ),
            ({"working": True, "quantity": None, "notional": 100}, "unable to replace order"),
        ],
    )
    def test_is_refused_as_the_order_stands(self, bot, traits, message):
        order = OrderFactory(account=bot.account, **traits)

        answer = bot.ask("PATCH", f"orders/{order.id}", {"limit_price": 98})

        check_declined(answer, 422, RULE, message)

    def test_is_refused_while_another_is_open(self, bot, broker):
        old = working(bot, broker)
        bot.ask("PATCH", f"orders/{old.id}", {"qty": 12})

        answer = bot.ask("PATCH", f"orders/{old.id}", {"qty": 13})

        check_declined(answer, 422, RULE, "cannot replace order in pending_replace status")

    def test_by_an_id_that_is_taken(self, bot, broker):
        old = working(bot, broker, client_order_id="taken")

        answer = bot.ask("PATCH", f"orders/{old.id}", {"qty": 12, "client_order_id": "taken"})

        check_declined(answer, 422, 40010001, "client_order_id must be unique")


class TestCancel:
    def test_is_taken(self, bot, broker):
        order = working(bot, broker)

        answer = bot.ask("DELETE", f"orders/{order.id}")

        assert (answer.status_code, answer.content) == (204, b"")
        assert bot.get(f"orders/{order.id}").told["status"] == "pending_cancel"
        assert bot.ask("DELETE", f"orders/{order.id}").status_code == 204

    def test_of_one_that_has_not_left(self, bot):
        placed = bot.place().told

        assert bot.ask("DELETE", f"orders/{placed['id']}").status_code == 204
        told = bot.get(f"orders/{placed['id']}").told
        assert told["status"] == "canceled"
        assert told["canceled_at"]

    def test_of_one_in_doubt(self, bot, broker):
        broker.script = [OutcomeUnknown("silence")]
        placed = bot.place().told
        sending.send(UUID(placed["id"]))

        assert bot.ask("DELETE", f"orders/{placed['id']}").status_code == 204
        told = bot.get(f"orders/{placed['id']}").told
        assert (told["status"], told["blotter"]["in_doubt"]) == ("pending_cancel", True)

    def test_with_an_empty_content_type(self, bot):
        """As the JavaScript SDK sends it."""
        order = OrderFactory(account=bot.account, working=True)
        headers = {"Content-Type": ""}

        answer = bot.client.delete(f"/alpaca/v2/orders/{order.id}", headers=bot.headers | headers)

        assert answer.status_code == 204

    @pytest.mark.parametrize(
        ("traits", "status"),
        [
            ({"filled": True}, "filled"),
            ({"canceled": True}, "canceled"),
            ({"refused": True}, "rejected"),
            ({"working": True, "status": Status.EXPIRED}, "expired"),
        ],
    )
    def test_comes_too_late(self, bot, traits, status):
        order = OrderFactory(account=bot.account, **traits)

        answer = bot.ask("DELETE", f"orders/{order.id}")

        check_declined(answer, 422, RULE, f'order is already in "{status}" state')


class TestCancelAll:
    def test_says_of_each_what_became_of_it(self, bot):
        open_ones = [OrderFactory(account=bot.account, working=True) for _ in range(2)]
        OrderFactory(account=bot.account, filled=True)
        OrderFactory(working=True)  # somebody else's

        answer = bot.ask("DELETE", "orders")

        assert answer.status_code == 207
        assert sorted(answer.told, key=lambda one: one["id"]) == sorted(
            ({"id": str(order.id), "status": 200} for order in open_ones), key=lambda one: one["id"]
        )

    def test_of_nothing(self, bot):
        answer = bot.ask("DELETE", "orders")

        assert (answer.status_code, answer.told) == (207, [])

    def test_names_what_came_too_late(self, bot, monkeypatch):
        order = OrderFactory(account=bot.account, filled=True)
        late = canceling.Canceled(order=order, became=canceling.Became.TOO_LATE, why="Filled.")
        failed = canceling.Canceled(order=order, became=canceling.Became.FAILED, why="Away.")
        monkeypatch.setattr(canceling, "cancel_all", lambda *args, **kwargs: [late, failed])

        told = bot.ask("DELETE", "orders").told

        assert [(one["status"], one["body"]["code"]) for one in told] == [
            (422, RULE),
            (500, 50010000),
        ]
        assert told[0]["body"]["message"] == 'order is already in "filled" state'


class TestOthers:
    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
    def test_orders_are_not_there(self, bot, method):
        theirs = OrderFactory(working=True)

        for order_id in (theirs.id, uuid4(), "x", "0", "%00", "x" * 500):
            answer = bot.ask(method, f"orders/{order_id}", {} if method == "PATCH" else None)

            check_declined(answer, 404, 40410000, "order not found for")
        theirs.refresh_from_db()
        assert theirs.cancel_requested_at is None

    def test_ids_are_free(self, bot):
        assert bot.place(client_order_id="ours").status_code == 200

        assert a_bot().place(client_order_id="ours").status_code == 200


class TestStatus:
    @pytest.mark.parametrize(
        ("submission", "status"),
        [
            *((submission, None) for submission in Submission),
            *((Submission.ACCEPTED, status) for status in Status),
        ],
    )
    @pytest.mark.parametrize("canceling", [False, True])
    def test_is_always_a_word_that_the_sdks_know(self, submission, status, canceling):
        known = {
            *("new", "partially_filled", "filled", "done_for_day", "canceled", "expired"),
            *("replaced", "pending_cancel", "pending_replace", "pending_review", "accepted"),
            *("pending_new", "accepted_for_bidding", "stopped", "rejected", "suspended"),
            *("calculated", "held"),
        }
        order = OrderFactory.build(submission=submission, status=status, account=None)
        order.cancel_requested_at = order.placed_at if canceling else None

        said = stating.status(order)

        assert said in known
        assert (said in stating.FINAL) == order.has_ended

    def test_of_a_word_nobody_knows_is_never_final(self, bot, broker):
        placed = bot.place()
        ticket = Order.objects.get().ticket()
        broker.script = [broker.has(ticket, status=Status.INDETERMINATE)]
        sending.send(UUID(placed.told["id"]))

        assert bot.get(f"orders/{placed.told['id']}").told["status"] == "accepted"
        assert isinstance(broker.books[ticket.wire_id], Report)

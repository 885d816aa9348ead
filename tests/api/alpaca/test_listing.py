"""GET /v2/orders: which orders, in what order, and how much of them."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from brokers.vocabulary import Leg, OrderClass, Side
from orders.models import Order
from tests.api.alpaca.conftest import check_declined
from tests.factories import OrderFactory


def ids(answer):
    assert answer.status_code == 200, answer.told
    return [order["id"] for order in answer.told]


def family(account, *, entry="filled", legs="working", **changes):
    """Return an entry and its two legs, standing so."""
    parent = OrderFactory(
        account=account,
        **{entry: True},
        order_class=OrderClass.BRACKET,
        take_profit_price=120,
        stop_loss_price=90,
        strategy="native",
        **changes,
    )
    return parent, [
        OrderFactory(
            account=account,
            **{legs: True},
            side=Side.SELL,
            parent=parent,
            leg=leg,
            covers_from=None,
            source="leg",
            limit_price=120,
        )
        for leg in (Leg.TAKE_PROFIT, Leg.STOP_LOSS)
    ]


class TestStatus:
    @pytest.fixture
    def orders(self, bot):
        traits = ("working", "part_filled", "unknown", "sending", "filled", "canceled", "refused")
        return {trait: OrderFactory(account=bot.account, **{trait: True}) for trait in traits}

    @pytest.mark.parametrize("query", ["", "?status=open", "?status=OPEN", "?status="])
    def test_open_is_what_may_be_live(self, bot, orders, query):
        wanted = ("sending", "unknown", "part_filled", "working")

        assert ids(bot.get("orders" + query)) == [str(orders[name].id) for name in wanted]

    def test_closed_is_the_rest(self, bot, orders):
        wanted = ("refused", "canceled", "filled")

        assert ids(bot.get("orders?status=closed")) == [str(orders[name].id) for name in wanted]

    def test_all(self, bot, orders):
        OrderFactory(working=True)

        assert len(ids(bot.get("orders?status=all"))) == len(orders)


class TestNested:
    def test_puts_legs_into_their_parent(self, bot):
        parent, legs = family(bot.account, entry="working")

        (told,) = bot.get("orders?nested=true").told

        assert told["id"] == str(parent.id)
        assert [leg["id"] for leg in told["legs"]] == [str(leg.id) for leg in legs]
        assert {leg["order_class"] for leg in told["legs"]} == {"bracket"}
        assert {leg["blotter"]["parent"] for leg in told["legs"]} == {str(parent.id)}

    @pytest.mark.parametrize("nested", ["", "?nested=false", "?nested=False", "?nested="])
    def test_or_else_legs_are_rows(self, bot, nested):
        parent, legs = family(bot.account, entry="working")

        answer = bot.get("orders" + nested)

        assert set(ids(answer)) == {str(order.id) for order in (parent, *legs)}
        assert [order["legs"] for order in answer.told] == [None] * 3

    def test_shows_open_legs_of_an_entry_that_has_ended(self, bot):
        parent, _ = family(bot.account)
        family(bot.account, legs="canceled")

        assert ids(bot.get("orders?status=open&nested=True")) == [str(parent.id)]

    def test_shows_legs_with_what_took_their_entrys_place(self, bot):
        entry, legs = family(bot.account, entry="working")
        Order.objects.filter(id=entry.id).update(status="replaced")
        successor = OrderFactory(
            account=bot.account,
            filled=True,
            order_class=OrderClass.BRACKET,
            take_profit_price=120,
            stop_loss_price=90,
            strategy="native",
            replaces=entry,
            replaces_filled=0,
        )

        (told,) = bot.get("orders?status=open&nested=true").told

        assert told["id"] == str(successor.id)
        assert [leg["id"] for leg in told["legs"]] == [str(leg.id) for leg in legs]

    def test_limit_counts_parents(self, bot):
        families = [family(bot.account)[0] for _ in range(3)]

        found = ids(bot.get("orders?status=closed&nested=true&limit=2"))

        assert found == [str(parent.id) for parent in reversed(families[1:])]

    def test_of_one(self, bot):
        parent, legs = family(bot.account)

        assert bot.get(f"orders/{parent.id}").told["legs"] is None
        assert len(bot.get(f"orders/{parent.id}?nested=True").told["legs"]) == len(legs)
        simple = OrderFactory(account=bot.account)
        assert bot.get(f"orders/{simple.id}?nested=True").told["legs"] is None


class TestFilters:
    @pytest.fixture
    def orders(self, bot):
        now = timezone.now()
        return [
            OrderFactory(
                account=bot.account,
                working=True,
                placed_at=now - timedelta(minutes=minutes),
                symbol=symbol,
                side=side,
            )
            for minutes, symbol, side in (
                (4, "ACME", Side.BUY),
                (3, "BTC/USD", Side.SELL),
                (2, "XYZ", Side.SELL),
                (1, "ACME", Side.SELL),
            )
        ]

    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            ("", [3, 2, 1, 0]),
            ("direction=asc", [0, 1, 2, 3]),
            ("limit=2", [3, 2]),
            ("limit=2&direction=asc", [0, 1]),
            ("side=sell", [3, 2, 1]),
            ("symbols=ACME", [3, 0]),
            ("symbols=ACME%2CBTC%2FUSD", [3, 1, 0]),
            ("symbols=BTCUSD", [1]),
            ("symbols=NONE", []),
            ("asset_class=crypto", [1]),
            ("asset_class=us_equity", [3, 2, 0]),
            ("asset_class=us_equity,crypto", [3, 2, 1, 0]),
            ("asset_class=us_option", []),
        ],
    )
    def test_choose(self, bot, orders, query, wanted):
        assert ids(bot.get(f"orders?{query}")) == [str(orders[n].id) for n in wanted]

    def test_times_are_exclusive(self, bot, orders):
        first, last = (quote(orders[n].placed_at.isoformat()) for n in (0, 3))

        found = ids(bot.get(f"orders?after={first}&until={last}"))

        assert found == [str(orders[n].id) for n in (2, 1)]

    @pytest.mark.parametrize(
        "day",
        [
            "2020-01-01",
            "2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00.123456789Z",
            "2020-01-01T00:00:00%2B00:00",
            "2020-01-01T00:00:00+00:00",  # the plus arrives as a space
            "2020-01-01T00:00:00-0500",
            "2020-01-01 00:00:00",
            "2020-01-01T00:00",
        ],
    )
    def test_times_are_read_however_they_are_written(self, bot, orders, day):
        assert len(ids(bot.get(f"orders?after={day}"))) == 4
        assert ids(bot.get(f"orders?until={day}")) == []

    def test_walk_by_until_meets_each_once(self, bot, orders):
        met, until = [], ""
        while page := bot.get(f"orders?limit=1{until}").told:
            met += [order["id"] for order in page]
            until = "&until=" + quote(page[-1]["submitted_at"])

        assert met == [str(order.id) for order in reversed(orders)]

    def test_walk_by_order_meets_each_once_though_two_are_of_one_moment(self, bot, orders):
        Order.objects.all()
        now = timezone.now()
        twins = [OrderFactory(account=bot.account, working=True, placed_at=now) for _ in range(3)]
        met, cursor = [], ""
        while page := bot.get(f"orders?limit=2{cursor}").told:
            met += [order["id"] for order in page]
            cursor = f"&before_order_id={page[-1]['id']}"

        assert met == [str(order.id) for order in reversed([*orders, *twins])]
        after = ids(bot.get(f"orders?after_order_id={twins[0].id}&direction=asc"))
        assert after == [str(order.id) for order in twins[1:]]

    def test_updated_after(self, bot, orders):
        orders[1].refresh_from_db()
        changed = max(order.placed_at for order in orders) + timedelta(seconds=1)
        Order.objects.filter(id=orders[1].id).update(changed_at=changed)
        since = quote((changed - timedelta(microseconds=1)).isoformat())

        assert ids(bot.get(f"orders?updated_after={since}")) == [str(orders[1].id)]

    def test_limit_is_50_unless_it_says(self, bot):
        for _ in range(51):
            OrderFactory(account=bot.account, working=True)

        assert len(ids(bot.get("orders"))) == 50
        assert len(ids(bot.get("orders?limit=500"))) == 51

    @pytest.mark.parametrize(
        "query",
        [
            "status=done",
            "limit=0",
            "limit=-1",
            "limit=501",
            "limit=ten",
            "limit=1e2",
            "limit=%D9%A3",
            "direction=up",
            "nested=maybe",
            "side=long",
            "after=yesterday",
            "after=2020-13-01",
            "after=2020-01-01T25:00:00Z",
            "until=%00",
            "symbols=%00",
            "symbols=" + "A," * 300,
            "asset_class=bonds",
            "before_order_id=1",
            "before_order_id=01900000-0000-7000-8000-000000000000",
        ],
    )
    def test_what_makes_no_sense_is_refused(self, bot, query):
        check_declined(bot.get(f"orders?{query}"), 422, 40010001)

    def test_cursors_exclude_each_other(self, bot):
        order = OrderFactory(account=bot.account)

        for more in (f"after_order_id={order.id}", "after=2020-01-01", "until=2020-01-01"):
            answer = bot.get(f"orders?before_order_id={order.id}&{more}")

            check_declined(answer, 422, 40010001, "accepted")

    def test_cursor_of_another_account_is_none(self, bot):
        theirs = OrderFactory()

        answer = bot.get(f"orders?before_order_id={theirs.id}")

        check_declined(answer, 422, 40010001, "invalid before_order_id")


class TestByClientOrderId:
    @pytest.mark.parametrize("name", ["mine", "a+b/c", "50%", "a&b=c"])
    def test_finds_it(self, bot, name):
        placed = bot.place(client_order_id=name)

        for colon in (":", "%3A"):
            answer = bot.get(
                f"orders{colon}by_client_order_id?client_order_id={quote(name, safe='')}"
            )

            assert (answer.status_code, answer.told) == (200, placed.told)
            assert answer.headers["X-Blotter-Order"]

    @pytest.mark.parametrize("name", ["other", "%00", "x" * 1000])
    def test_or_says_that_it_is_not_there(self, bot, name):
        OrderFactory(client_order_id="other")

        answer = bot.get(f"orders:by_client_order_id?client_order_id={name}")

        check_declined(answer, 404, 40410000, "order not found for")

    def test_wants_one(self, bot):
        check_declined(bot.get("orders:by_client_order_id"), 422, 40010001, "client_order_id")


class TestShown:
    @pytest.mark.parametrize(
        ("traits", "status", "stamp"),
        [
            ({"filled": True}, "filled", "filled_at"),
            ({"canceled": True}, "canceled", "canceled_at"),
            ({"rejected": True}, "rejected", "failed_at"),
            ({"refused": True}, "rejected", "failed_at"),
            ({"working": True, "status": "expired"}, "expired", "expired_at"),
            ({"working": True, "status": "replaced"}, "replaced", "replaced_at"),
            ({"submission": "expired_unsent"}, "expired", "expired_at"),
            ({"submission": "withdrawn"}, "canceled", "canceled_at"),
            ({"submission": "blocked"}, "rejected", "failed_at"),
            ({"working": True}, "new", None),
            ({"part_filled": True}, "partially_filled", None),
            ({"unknown": True}, "pending_new", None),
        ],
    )
    def test_says_when_it_ended_and_how(self, bot, traits, status, stamp):
        order = OrderFactory(account=bot.account, **traits)

        told = bot.get(f"orders/{order.id}").told

        stamps = ("filled_at", "canceled_at", "failed_at", "expired_at", "replaced_at")
        assert told["status"] == status
        assert [name for name in stamps if told[name]] == ([stamp] if stamp else [])

    def test_part_of_it_filled(self, bot):
        order = OrderFactory(account=bot.account, part_filled=True)

        told = bot.get(f"orders/{order.id}").told

        assert (told["qty"], told["filled_qty"]) == ("10", "4")
        assert told["filled_avg_price"] == "99.5"

    def test_until_a_date_is_until_cancelled_with_an_end(self, bot):
        """Alpaca's clients have no word for it."""
        until = timezone.now() + timedelta(days=2)
        order = OrderFactory(
            account=bot.account, working=True, time_in_force="gtd", expires_at=until
        )

        told = bot.get(f"orders/{order.id}").told

        assert told["time_in_force"] == "gtc"
        assert told["expires_at"].startswith(f"{until:%Y-%m-%dT%H:%M:%S}")

    def test_trailing_stop_has_the_stop_where_it_stands(self, bot):
        order = OrderFactory(
            account=bot.account,
            working=True,
            order_type="trailing_stop",
            limit_price=None,
            trail_price=5,
            trailing_stop_price=95,
            high_water_mark=100,
        )

        told = bot.get(f"orders/{order.id}").told

        assert (told["stop_price"], told["hwm"], told["trail_price"]) == ("95", "100", "5")
        assert told["trail_percent"] is None

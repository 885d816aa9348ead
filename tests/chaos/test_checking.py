"""Each check finds what is wrong with a world, and nothing in one where all is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.chaos.checking import CHECKS, check_all
from tests.chaos.checking.books import decimal
from tests.chaos.checking.records import Halt, Holding, Told
from tests.chaos.checking.world import World
from tests.chaos.worlds import (
    a_world,
    account,
    answer,
    at,
    attempt,
    doubt_incident,
    event,
    fill,
    order,
    push,
    request,
    sample,
    trade,
    version,
)

D = Decimal


def broken(world: World) -> dict[str, list[str]]:
    return {name: found for name, found in check_all(world).items() if found}


def in_doubt(**changes: Any) -> World:
    """Return a world in which the one order is in doubt and the exchange never had it."""
    lost = order(
        submission="unknown",
        status=None,
        broker_order_id=None,
        filled=D(0),
        value=D(0),
        average_price=None,
        version=0,
        escalated=True,
        projection={},
    )
    return a_world(
        accounts=(account(machine_may_conclude_absence=False),),
        orders=(replace(lost, **changes),),
        incidents=(doubt_incident(),),
        **dict.fromkeys(("fills", "events", "versions", "trades", "samples", "holdings"), ()),
        their_holdings=(),
    )


def halted(**changes: Any) -> World:
    return a_world(
        halts=(Halt(account="paper", committed_at=at(0.5), resumed_at=at(20)),), **changes
    )


def with_part(**changes: Any) -> World:
    """Return the usual world with one part of its first fill told otherwise by the desk."""
    world = a_world()
    return replace(world, fills=(replace(world.fills[0], **changes), world.fills[1]))


UNTRUE = [  # what was shown, when; and a word of what gives it away
    ({"submission": "refused", "status": None}, 5, "filled since"),
    ({"submission": "absent", "status": None}, 2, "working since"),
    ({"submission": "ready", "status": None}, 2, "working since"),
    ({"submission": "accepted", "status": "canceled"}, 5, "had it filled"),
    ({"submission": "accepted", "status": "filled", "filled": D(4)}, 3.05, "not filled it"),
    ({"submission": "accepted", "status": "new", "filled": D(5)}, 3.05, "4 was filled"),
    ({"submission": "accepted", "status": "filled", "filled": D(14)}, 5, "10 was filled"),
    # A sum that is said to be in question excuses nothing else.
    ({"status": "canceled", "filled": D(4), "is_qualified": True}, 5, "had it filled"),
    ({"submission": "", "status": None, "word": "Never arrived"}, 5, "filled since"),
    ({"submission": "", "status": None, "word": "Cancelled"}, 5, "had it filled"),
    ({"submission": "", "status": None, "word": "Rejected"}, 5, "filled since"),
]

DOCTORED: dict[str, tuple[str, World]] = {
    "two requests for one intent": ("C1", a_world(requests=(request(), request(at=at(9))))),
    "two orders for two requests": (
        "C1",
        a_world(
            requests=(request(), request(at=at(9))),
            versions=(*a_world().versions, version(broker_order_id="b-2", at=at(9))),
        ),
    ),
    "the broker doubled it and the desk is silent": (
        "C1",
        a_world(versions=(*a_world().versions, version(broker_order_id="b-2", at=at(9)))),
    ),
    "an order the desk does not know": (
        "C2",
        a_world(versions=(*a_world().versions, version(broker_order_id="b-2", wire_id="c-2"))),
    ),
    "an order the exchange does not know": (
        "C2",
        a_world(
            orders=(
                order(),
                order(2, status="new", version=0, filled=D(0), value=D(0), average_price=None),
            )
        ),
    ),
    "other terms": ("C2", a_world(orders=(order(limit_price=D(153)),))),
    "a lost fill": ("C3", a_world(fills=a_world().fills[:1])),
    "an invented fill": ("C3", a_world(fills=(*a_world().fills, fill(3, quantity=D(1))))),
    "a fill counted twice": ("C3", a_world(fills=(*a_world().fills, fill(9)))),
    "a fill at another price": ("C3", with_part(price=D("152.01"))),
    "a sum that is off by a hair": ("C3", a_world(orders=(order(value=D("1514.0000000001")),))),
    "an average as floats reckon it": (
        "C3",
        a_world(orders=(order(average_price=D(151.4)),)),
    ),
    "a bust that the desk has not heard of": (
        "C3",
        a_world(trades=(*a_world().trades, trade(1, kind="bust", at=at(7)))),
    ),
    "another last word": ("C4", a_world(orders=(order(status="canceled", projection={}),))),
    "given up, and there": (
        "C4",
        a_world(orders=(order(submission="refused", status=None, projection={}),)),
    ),
    "sending for ever": ("C5", in_doubt(submission="sending")),
    "ready for ever": ("C5", in_doubt(submission="ready")),
    "in doubt and nobody told": ("C5", in_doubt(escalated=False)),
    "in doubt and no incident": ("C5", replace(in_doubt(), incidents=())),
    "in doubt, and asking would have told": ("C5", replace(in_doubt(), accounts=(account(),))),
    "acknowledged and lost": ("C7", a_world(answers=(answer(client_order_id="c-9"),))),
    "acknowledged under two ids": ("C7", a_world(answers=(answer(), answer(order_id="o-9")))),
    "a replace acknowledged and lost": (
        "C7",
        a_world(answers=(answer(what="replace", client_order_id="c-1r"),)),
    ),
    "a webhook taken and lost": ("C7", a_world(pushes=(push(), push(2)))),
    "a broken chain": ("C8", a_world(broken_chains=("a-1 at 17",))),
    "a version without its audit row": ("C8", a_world(orders=(order(version=4),))),
    "a column the audit does not know of": (
        "C8",
        a_world(orders=(order(projection={"status": "canceled"}),)),
    ),
    "a step that the audit skips": (
        "C8",
        a_world(
            events=(
                *a_world().events[:2],
                event(
                    "order.facts",
                    2,
                    {"submission": "unknown"},
                    {"submission": "accepted", "status": "filled"},
                ),
            )
        ),
    ),
    "facts that give another order": ("C8", a_world(rebuild="c-1: filled is 9")),
    "claimed while halted": ("C9", halted()),
    "sent while halted, by a claim nobody knows of": (
        "C9",
        halted(attempts=(), requests=(request(at=at(3)),)),
    ),
    "another position at the broker": (
        "C10",
        a_world(their_holdings=(Holding(account="paper", symbol="AAPL", quantity=D(9)),)),
    ),
    "another position here": (
        "C10",
        a_world(holdings=(Holding(account="paper", symbol="AAPL", quantity=D(11)),)),
    ),
    "a position that no trade explains": (
        "C10",
        a_world(
            holdings=(*a_world().holdings, Holding(account="paper", symbol="KO", quantity=D(1))),
            their_holdings=(
                *a_world().holdings,
                Holding(account="paper", symbol="KO", quantity=D(1)),
            ),
        ),
    ),
    "a bad signature taken": ("C11", a_world(pushes=(push(), push(fault="webhook_bad_signature")))),
    "a stale delivery taken": ("C11", a_world(pushes=(push(), push(fault="webhook_stale")))),
    "a fact that rests on another account's webhook": (
        "C11",
        a_world(told=(Told(order_id="o-1", account="other", evidence="delivery:1"),)),
    ),
    "a fact that rests on a foreign webhook alone": (
        "C11",
        a_world(pushes=(push(fault="webhook_foreign"),)),
    ),
    "a fact that rests on nothing": ("C11", a_world(deliveries=(), pushes=())),
    "a secret in a log": ("C12", a_world(secrets_found=("worker-1.log: a credential",))),
    "claimed too late": ("C13", a_world(attempts=(attempt(armed_at=at(30)),))),
    "sent much too late": ("C13", a_world(requests=(request(at=at(60)),))),
    "a bracket's position without its stop": (
        "C15",
        a_world(orders=(order(order_class="bracket", wants_stop=True),)),
    ),
    "a leaked connection": ("C14", a_world(left_over=("web-1: 3 connections",))),
}


class TestChecks:
    def test_a_clean_world_breaks_nothing(self) -> None:
        assert broken(a_world()) == {}

    @pytest.mark.parametrize("name", DOCTORED)
    def test_finds_what_is_wrong(self, name: str) -> None:
        check, world = DOCTORED[name]

        assert broken(world)[check]

    def test_every_check_has_a_world_that_breaks_it(self) -> None:
        assert {check for check, _ in DOCTORED.values()} | {"C6"} == set(CHECKS)


class TestHonesty:
    @pytest.mark.parametrize(("said", "second", "gives_away"), UNTRUE)
    def test_finds_a_view_that_was_untrue(
        self, said: dict[str, Any], second: float, gives_away: str
    ) -> None:
        view = replace(sample(second, filled=D(0)), **said)

        found = broken(a_world(samples=(view,)))["C6"]

        assert gives_away in found[0]

    def test_a_view_of_an_order_that_is_gone(self) -> None:
        assert broken(a_world(samples=(sample(order_id="o-9"),)))["C6"]

    @pytest.mark.parametrize(
        ("said", "second"),
        [
            ({"submission": "ready", "status": None}, 1.45),  # it came while the page was read
            ({"submission": "unknown", "status": None}, 5),
            ({"submission": "sending", "status": None}, 5),
            ({"submission": "accepted", "status": "new"}, 5),  # old, and claims nothing more
            ({"submission": "accepted", "status": "filled", "filled": D(10)}, 3.15),
            ({"submission": "", "status": None, "word": "In doubt"}, 5),
            ({"status": "filled", "filled": D(14), "is_qualified": True}, 5),
        ],
    )
    def test_lets_an_honest_view_pass(self, said: dict[str, Any], second: float) -> None:
        view = replace(sample(second, filled=D(0)), **said)

        assert "C6" not in broken(a_world(samples=(view,)))

    def test_a_fill_after_the_brokers_own_cancel_makes_no_liar_of_the_page(self) -> None:
        history = (
            version(1),
            version(2, at=at(3), status="cancelled"),
            version(3, at=at(9), status="filled", filled=D(10)),
        )
        view = sample(10, status="canceled", filled=D(0))

        assert "C6" not in broken(a_world(versions=history, samples=(view,)))

    def test_rejected_is_true_of_what_the_exchange_rejected(self) -> None:
        history = (version(1, status="rejected"),)
        view = sample(10, submission="refused", status=None, filled=D(0))

        assert "C6" not in broken(a_world(versions=history, samples=(view,)))


class TestLeeway:
    """What is not ours to answer for is let pass, and nothing beside it."""

    def test_the_brokers_own_double_is_said_on_the_row(self) -> None:
        twice = (*a_world().versions, version(broker_order_id="b-2", at=at(9)))

        said = a_world(versions=twice, orders=(order(in_conflict=True),))

        assert broken(said) == {}

    def test_its_fills_are_its_own(self) -> None:
        twice = (*a_world().versions, version(broker_order_id="b-2", at=at(9)))
        theirs = (*a_world().trades, trade(7, broker_order_id="b-2", quantity=D(1)))
        held = (Holding(account="paper", symbol="AAPL", quantity=D(11)),)

        said = a_world(
            versions=twice,
            trades=theirs,
            their_holdings=held,
            orders=(order(in_conflict=True),),
        )

        assert broken(said) == {}

    def test_doubt_that_no_machine_may_end_is_given_to_a_person(self) -> None:
        assert "C5" not in broken(in_doubt())

    def test_young_doubt_has_its_time(self) -> None:
        assert "C5" not in broken(in_doubt(escalated=False, submission_at=at(290)))

    def test_what_was_on_the_wire_when_the_halt_committed(self) -> None:
        world = halted(attempts=(attempt(armed_at=at(0.4)),), requests=(request(at=at(9)),))

        assert "C9" not in broken(world)

    def test_a_cancel_may_go_out_while_halted(self) -> None:
        world = halted(
            attempts=(attempt(armed_at=at(0.4)), attempt(kind="cancel", armed_at=at(5))),
        )

        assert "C9" not in broken(world)

    def test_a_retry_that_was_rightly_signed_after_one_that_was_not(self) -> None:
        tries = (push(fault="webhook_bad_signature", status=401), push())

        assert broken(a_world(pushes=tries)) == {}

    def test_a_correction_both_sides_know(self) -> None:
        world = a_world(
            trades=(*a_world().trades, trade(1, kind="correct", revision=1, price=D(151))),
            fills=(*a_world().fills, fill(1, kind="correct", revision=1, price=D(151))),
            orders=(order(value=D(1510), average_price=D(151)),),
        )

        assert broken(world) == {}


def test_averages_are_rounded_half_to_even() -> None:
    third, tie = D(1) / 3, D("0.0000000005")

    assert decimal(Fraction(1, 3)) == third.quantize(D("1e-9"))
    assert decimal(Fraction(5, 10**10)) == tie.quantize(D("1e-9"))


def test_doubt_lasts_as_long_as_the_account_says() -> None:
    patient = replace(
        in_doubt(escalated=False),
        accounts=(
            account(machine_may_conclude_absence=False, doubt_ends_within=timedelta(seconds=400)),
        ),
    )

    assert "C5" not in broken(patient)


class TestLegs:
    """C15, by the exchange's own books alone."""

    def world(self, *, stop: str = "waiting", quantity: int = 10, **changes: Any) -> World:
        """Return one in which a filled bracket's stop stands at the exchange as said."""
        usual = a_world()
        entry = replace(usual.orders[0], order_class="bracket", wants_stop=True)
        leg = order(2, parent="o-1", leg="stop_loss", status="new", filled=D(0), value=D(0))
        there = version(
            broker_order_id="b-2", wire_id="c-2", status=stop, quantity=D(quantity), parent="b-1"
        )
        return replace(usual, orders=(entry, leg), versions=(*usual.versions, there), **changes)

    def left(self, world: World) -> list[str]:
        return list(CHECKS["C15"].violations(world))

    @pytest.mark.parametrize("stop", ["waiting", "held", "working", "cancel_pending"])
    def test_a_stop_at_the_exchange_is_protection(self, stop: str) -> None:
        assert self.left(self.world(stop=stop)) == []

    @pytest.mark.parametrize("stop", ["cancelled", "rejected", "expired"])
    def test_one_that_ended_is_none(self, stop: str) -> None:
        [why] = self.left(self.world(stop=stop))
        assert "10 are open, 0 have a stop" in why

    def test_nor_is_one_that_is_too_small(self) -> None:
        [why] = self.left(self.world(quantity=4))
        assert "10 are open, 4 have a stop" in why

    @pytest.mark.parametrize("kind", ["unprotected", "doubt", "conflict"])
    def test_what_was_said_is_not_silent(self, kind: str) -> None:
        said = replace(doubt_incident(), kind=kind, open=False)
        assert self.left(self.world(stop="cancelled", incidents=(said,))) == []

    def test_a_stop_that_sold_what_was_never_held_is_seen(self) -> None:
        world = self.world()
        sold = trade(broker_order_id="b-2", wire_id="c-2", execution_id="x-9", quantity=D(12))
        [why] = self.left(replace(world, trades=(*world.trades, sold)))
        assert "10 opened, 12 closed" in why

"""The design keeps its promises in every world there is; without any one protection it does not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

from orders.states import ATTEMPT_NEXT, NEXT, Submission
from tests.model.exploring import Broken, Explored, explore
from tests.model.promises import Promise, honest, in_time, once
from tests.model.rules import BROKERS, DESIGN, FICKLE, Personality

S = Submission
ALL = [*BROKERS.values(), FICKLE]


@cache
def designed(broker: Personality) -> Explored:
    """Reach every world of the design, with every step kept to every promise."""
    explored = explore(DESIGN, broker, once, honest, in_time)
    print(f"\n{broker.name}: {len(explored.reached)} worlds, {explored.steps} steps")
    return explored


def way_to_ruin(broker: str | Personality, promise: Promise, **without: object) -> list[str]:
    """Return the shortest way to a broken promise once a protection is taken out."""
    personality = BROKERS[broker] if isinstance(broker, str) else broker
    with pytest.raises(Broken) as caught:
        explore(replace(DESIGN, **without), personality, promise)  # type: ignore[arg-type]
    print(f"\n{caught.value}")
    return list(caught.value.way)


class TestDesign:
    @pytest.mark.parametrize("broker", ALL, ids=lambda broker: broker.name)
    def test_no_interleaving_breaks_a_promise(self, broker: Personality) -> None:
        assert len(designed(broker).reached) > 1_000

    @pytest.mark.parametrize("broker", BROKERS.values(), ids=lambda broker: broker.name)
    def test_from_everywhere_desk_and_broker_can_come_to_agree(self, broker: Personality) -> None:
        assert designed(broker).dead_ends() == []

    def test_only_what_seemed_never_to_have_left_can_disagree_for_good(self) -> None:
        """A broker that can't be reached and has the order all the same: a lost intent."""
        stuck = designed(FICKLE).dead_ends()

        assert {world.submission for world in stuck} <= {S.WITHDRAWN, S.EXPIRED_UNSENT, S.BLOCKED}

    def test_takes_every_step_the_tables_allow_and_no_other(self) -> None:
        moves = set().union(*(designed(broker).moves for broker in ALL))
        attempt_moves = set().union(*(designed(broker).attempt_moves for broker in ALL))

        # One transaction takes both of these steps: a cancel waited for proof that nothing left.
        both = (S.SENDING, S.READY, S.WITHDRAWN)
        assert moves - {(both[0], both[2])} | set(pairwise(both)) == edges(NEXT)
        assert attempt_moves == edges(ATTEMPT_NEXT)

    def test_nothing_can_arrive_once_the_lease_has_lapsed(self) -> None:
        """What `waits_for_the_lease` rests on: first byte, last byte, lease, in this order."""
        assert DESIGN.first_byte_by < DESIGN.last_byte_by < DESIGN.lease


class TestAblations:
    def test_no_claim_buys_twice(self) -> None:
        assert way_to_ruin("binance", once, claims_first=False) == [
            "it is approved",
            "a worker sees READY",
            "a worker sees READY",
            "a worker writes the request",
            "a worker writes the request",
            "the broker takes it; the answer arrives",
            "it fills",
            "the broker takes it; the answer arrives",
        ]

    def test_no_claim_calls_unsent_what_was_sent(self) -> None:
        assert way_to_ruin("alpaca", honest, claims_first=False) == [
            "it is approved",
            "a worker sees READY",
            "a worker writes the request",
        ]

    def test_sending_what_is_found_sending_buys_twice(self) -> None:
        assert way_to_ruin("binance", once, leaves_sending_alone=False) == [
            "it is approved",
            "a worker claims it",
            "a worker finds it SENDING",
            "a worker writes the request",
            "a worker writes the request",
            "the broker takes it; the answer arrives",
            "it fills",
            "the broker takes it; the answer arrives",
        ]

    def test_sending_what_is_found_sending_unsays_a_request(self) -> None:
        assert way_to_ruin("alpaca", honest, leaves_sending_alone=False) == [
            "it is approved",
            "a worker claims it",
            "a worker finds it SENDING",
            "a worker writes the request",
            "no connection",
            "a worker records: not sent",
        ]

    def test_sending_what_was_absent_buys_twice_where_ids_are_free_again(self) -> None:
        assert way_to_ruin("binance", once, leaves_absent_alone=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "no answer that proves anything",
            "a worker records: nothing",
            "a person rules: absent",
            "a worker claims it again",
            "a worker writes the request",
            "the broker takes it; nobody hears of it",
            "it fills",
            "the broker takes it; the answer arrives",
        ]

    def test_a_new_wire_id_per_attempt_buys_twice_wherever_proof_was_wrong(self) -> None:
        assert way_to_ruin(FICKLE, once, keeps_its_wire_id=False) == [
            "it is approved",
            "a worker claims it",
            "no connection, it seems",
            "a worker records: not sent",
            "a worker claims it",
            "a worker writes the request",
            "the broker takes it; nobody hears of it",
            "the broker takes it; the answer arrives",
        ]

    def test_a_new_wire_id_per_attempt_buys_twice_even_where_ids_are_used_up(self) -> None:
        assert way_to_ruin("alpaca", once, keeps_its_wire_id=False, leaves_absent_alone=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "no answer that proves anything",
            "a worker records: nothing",
            "a person rules: absent",
            "a worker claims it again",
            "a worker writes the request",
            "the broker takes it; nobody hears of it",
            "the broker takes it; the answer arrives",
        ]

    def test_silence_as_never_sent_unsays_a_request(self) -> None:
        assert way_to_ruin("alpaca", honest, doubts_silence=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "no answer that proves anything",
            "a worker records: nothing",
        ]

    def test_silence_as_never_sent_buys_twice(self) -> None:
        assert way_to_ruin("binance", once, doubts_silence=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "no answer that proves anything",
            "a worker records: nothing",
            "a worker claims it",
            "a worker writes the request",
            "the broker takes it; nobody hears of it",
            "it fills",
            "the broker takes it; the answer arrives",
        ]

    def test_one_miss_as_proof_denies_a_live_order(self) -> None:
        assert way_to_ruin("tapp", honest, looks_many_times=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "no answer that proves anything",
            "a worker records: nothing",
            "one look misses it: absent",
        ]

    def test_silence_as_proof_denies_a_live_order(self) -> None:
        assert way_to_ruin("paper", honest, counts_answers_only=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "time passes",
            "time passes",
            "the broker takes it; the answer arrives",
            "time passes",
            "the lease lapses",
            "time passes",
            "a look gets no answer: a miss",
            "a look gets no answer: a miss",
            "time passes",
            "a look gets no answer: a miss",
            "the desk concludes: absent",
        ]

    def test_a_duplicate_as_refusal_denies_a_live_order(self) -> None:
        assert way_to_ruin("gateway", honest, doubts_duplicates=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "the gateway sends it again",
            "the broker takes it; nobody hears of it",
            "the broker has that id; the answer arrives",
            "a worker records: duplicate",
        ]

    def test_a_lease_shorter_than_sending_denies_an_order_on_its_way(self) -> None:
        assert way_to_ruin("paper", honest, lease=10.0) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "time passes",
            "time passes",
            "the lease lapses",
            "time passes",
            "a look misses it",
            "a look misses it",
            "time passes",
            "a look misses it",
            "the desk concludes: absent",
        ]

    def test_an_adapter_that_tries_again_buys_twice(self) -> None:
        assert way_to_ruin("binance", once, sends_once=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "the adapter sends it again",
            "the broker takes it; nobody hears of it",
            "it fills",
            "the broker takes it; the answer arrives",
        ]

    def test_an_adapter_that_tries_again_does_not_where_ids_are_used_up(self) -> None:
        explore(replace(DESIGN, sends_once=False), BROKERS["alpaca"], once)

    def test_absence_before_the_lease_is_over_denies_an_order_on_its_way(self) -> None:
        assert way_to_ruin("paper", honest, waits_for_the_lease=False) == [
            "it is approved",
            "a worker claims it",
            "a worker writes the request",
            "no answer that proves anything",
            "a worker records: nothing",
            "time passes",
            "a look misses it",
            "a look misses it",
            "time passes",
            "time passes",
            "a look misses it",
            "the desk concludes: absent",
        ]


def edges(table: dict) -> set[tuple]:
    return {(before, after) for before, afters in table.items() for after in afters}

"""What the model takes as given: the desk's protections and limits, and what brokers are like."""

from __future__ import annotations

from dataclasses import dataclass

from brokers import http, registry
from brokers.paper.personalities import PERSONALITIES
from brokers.passport import Passport
from orders import timing

MOST_REQUESTS = 2  # that may be written in the model: enough to buy twice


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The desk's protections, each of which can be taken out, and its limits in seconds."""

    claims_first: bool = True  # SENDING is committed before the first byte leaves
    leaves_sending_alone: bool = True  # whoever merely finds it SENDING does not send it
    leaves_absent_alone: bool = True  # what was found absent is not sent again by a machine
    keeps_its_wire_id: bool = True  # the same on every attempt
    doubts_silence: bool = True  # a request nobody answered may have arrived
    looks_many_times: bool = True  # before it calls an order absent
    counts_answers_only: bool = True  # a look that fails is no look
    doubts_duplicates: bool = True  # an id said to be taken is no refusal: it may be ours
    sends_once: bool = True  # the adapter, whatever comes of it
    waits_for_the_lease: bool = True  # the last look comes when nothing can still arrive

    lease: float = timing.LEASE.total_seconds()
    first_byte_by: float = timing.ARMED_GOOD_FOR  # counted from the lease's begin
    last_byte_by: float = timing.ARMED_GOOD_FOR + http.IN_ALL


DESIGN = Rules()


@dataclass(frozen=True, kw_only=True)
class Personality:
    """What a broker does with ids, and what its silence means. Graces are in seconds."""

    name: str
    first_grace: float
    second_grace: float
    proves_absence: bool = False  # within the first grace its reads show what it has
    frees_ids: bool = False  # an id may be used again once its order has ended
    sent_on: bool = False  # something in between may send our request twice
    repeats_itself: bool = False  # it answers a taken id with the order, not with a no
    breaks_its_word: bool = False  # it refuses what it has, or seems out of reach when it is not


def as_known(passport: Passport) -> Personality:
    """Return a broker as its passport has it, and as the exchange that stands in for it does."""
    name = passport.broker.removeprefix("paper-")
    doubt, stand_in = passport.doubt, PERSONALITIES[name]
    return Personality(
        name=name,
        first_grace=doubt.first_grace.total_seconds(),
        second_grace=doubt.second_grace.total_seconds(),
        proves_absence=doubt.absence_is_definitive,
        frees_ids=stand_in.frees_ids,
        sent_on=stand_in.retries,
        repeats_itself=name == "clearstreet",
    )


BROKERS = {
    broker.name: broker for broker in (as_known(adapter.passport) for adapter in registry.PAPER)
}
# No broker should be like this one, and the desk has to survive it.
FICKLE = Personality(name="fickle", first_grace=5, second_grace=60, breaks_its_word=True)

"""What the desk does: each function says what may happen next, as (words, world) pairs.

It follows `orders.sending`, `orders.recording`, `orders.attending` and `orders.reconciling`
step by step, a committed transaction being one step: between two of them anything may happen.
"""

from __future__ import annotations

from collections.abc import Iterator

from orders.reconciling import ABSENT_PASSES
from orders.recording.merging import FOUND_FROM
from orders.states import IN_FLIGHT, MAY_FOLLOW, UNSENT, AttemptState, Submission
from tests.model.rules import MOST_REQUESTS, Personality, Rules
from tests.model.world import (
    CLAIMED,
    DUPLICATE,
    HEARD,
    NOT_SENT,
    NOTHING,
    REFUSED,
    TAKEN,
    WROTE,
    Request,
    Worker,
    World,
)

S, A = Submission, AttemptState
Steps = Iterator[tuple[str, World]]


def claiming(world: World, rules: Rules, broker: Personality) -> Steps:
    """A task reaches a worker: for the first time, or again, or because the sweep found it."""
    free = Worker()
    if free not in world.workers:
        return
    match world.submission:
        case S.READY if world.late:
            yield "a worker finds it late", world._replace(submission=S.EXPIRED_UNSENT)
        case S.READY if world.halted:
            yield "a worker finds the account halted", world._replace(submission=S.BLOCKED)
        case S.READY if not rules.claims_first:
            yield "a worker sees READY", world.with_worker(free, Worker(CLAIMED))
        case S.READY:
            yield "a worker claims it", _claimed(world, free)
        case S.SENDING if not rules.leaves_sending_alone:
            found = Worker(CLAIMED, len(world.attempts))
            yield "a worker finds it SENDING", world.with_worker(free, found)
        case S.ABSENT if not rules.leaves_absent_alone and len(world.attempts) < 2:
            yield "a worker claims it again", _claimed(world, free)


def _claimed(world: World, free: Worker) -> World:
    # The database refuses an attempt on top of anything else (`on_proof_only`).
    assert MAY_FOLLOW.issuperset(world.attempts)
    return world._replace(
        submission=S.SENDING,
        attempts=(*world.attempts, A.SENDING),
        armed_for=0,
        ruled=False,
    ).with_worker(free, Worker(CLAIMED, len(world.attempts) + 1))


def writing(world: World, rules: Rules, broker: Personality) -> Steps:
    """A worker with a claim writes its one request, or can't, or may not any more."""
    for worker in dict.fromkeys(world.workers):
        if worker.doing == CLAIMED and world.armed_for >= rules.first_byte_by:
            yield "it has slept too long to send", hears(world, worker, NOTHING)
        elif worker.doing == CLAIMED:
            if world.sent < MOST_REQUESTS:
                yield "a worker writes the request", _written(world, worker, rules)
            if len(world.attempts) < 2:
                yield "no connection", hears(world, worker, NOT_SENT)
                if broker.breaks_its_word and world.sent < MOST_REQUESTS:
                    written = _written(world, worker, rules)
                    waits = next(w for w in written.workers if w.request == written.sent)
                    yield "no connection, it seems", hears(written, waits, NOT_SENT)
        elif worker.doing == WROTE:
            yield "no answer that proves anything", hears(world, worker, NOTHING)
            if not rules.sends_once and world.sent < MOST_REQUESTS:
                yield "the adapter sends it again", _written(world, worker, rules)


def _written(world: World, worker: Worker, rules: Rules) -> World:
    number = world.sent + 1
    wire_id = 0 if rules.keeps_its_wire_id else worker.attempt
    return world._replace(
        sent=number, wire=tuple(sorted((*world.wire, Request(number, wire_id))))
    ).with_worker(worker, Worker(WROTE, worker.attempt, number))


def hears(world: World, worker: Worker, what: str) -> World:
    return world.with_worker(worker, Worker(HEARD, worker.attempt, heard=what))


def recording(world: World, rules: Rules, broker: Personality) -> Steps:
    """A worker records what it heard. The commit may go unheard of; then it records it again."""
    for worker in dict.fromkeys(world.workers):
        if worker.doing == HEARD:
            settled = _settled(world, worker, rules)
            yield f"a worker records: {worker.heard}", settled.with_worker(worker, Worker())
            if settled != world:
                yield f"a worker records, unheard of: {worker.heard}", settled


def _settled(world: World, worker: Worker, rules: Rules) -> World:
    """Mirror `orders.recording.answering`."""
    if not rules.claims_first and world.submission is S.READY:
        world = world._replace(submission=S.SENDING)  # said only now
    if worker.heard == TAKEN:
        return found(world)
    if worker.attempt:
        if world.attempts[worker.attempt - 1] not in {A.SENDING, A.UNKNOWN}:
            return world
        world = _ended(world, worker, rules)
    if world.submission not in IN_FLIGHT:
        return world
    state = world.attempts[worker.attempt - 1] if worker.attempt else _proposed(worker, rules)
    if state is A.NOT_SENT:
        return world._replace(submission=S.WITHDRAWN if world.cancel_asked else S.READY)
    if state is A.REFUSED:
        return world._replace(submission=S.REFUSED)
    return _doubted(world)


def _ended(world: World, worker: Worker, rules: Rules) -> World:
    before, proposed = world.attempts[worker.attempt - 1], _proposed(worker, rules)
    if before is A.UNKNOWN and proposed is A.NOT_SENT:
        return world  # others may have acted on its doubt
    return world.with_attempt(worker.attempt, proposed)


def _proposed(worker: Worker, rules: Rules) -> AttemptState:
    if worker.heard == DUPLICATE and not rules.doubts_duplicates:
        return A.REFUSED
    if worker.heard == NOTHING and not rules.doubts_silence:
        return A.NOT_SENT
    return {NOT_SENT: A.NOT_SENT, REFUSED: A.REFUSED}.get(worker.heard, A.UNKNOWN)


def _doubted(world: World) -> World:
    if world.submission is S.UNKNOWN:
        return world
    return world._replace(submission=S.UNKNOWN, misses=0, last_miss=False, doubted_for=0)


def found(world: World) -> World:
    """The broker speaks of it, so the broker has it (`orders.recording.merging`)."""
    if world.submission not in FOUND_FROM:
        return world
    waits = {A.SENDING, A.UNKNOWN, A.REFUSED, A.ABSENT}
    return world._replace(
        submission=S.ACCEPTED,
        attempts=tuple(A.ACCEPTED if a in waits else a for a in world.attempts),
        incident=world.incident or world.submission not in IN_FLIGHT,
    )


def sweeping(world: World, rules: Rules, broker: Personality) -> Steps:
    """The sweep finds what has run out of time: orders never sent, and senders that died."""
    if world.submission in UNSENT and world.late:
        yield "the sweep finds it late", world._replace(submission=S.EXPIRED_UNSENT)
    if world.armed_for >= rules.lease and A.SENDING in world.attempts:
        lapsed = tuple(A.UNKNOWN if a is A.SENDING else a for a in world.attempts)
        world = world._replace(attempts=lapsed)
        yield "the lease lapses", _doubted(world) if world.submission is S.SENDING else world


def looking(world: World, rules: Rules, broker: Personality) -> Steps:
    """Ask the broker about an order in doubt. Reads may miss what is there, for a while."""
    if world.submission is not S.UNKNOWN:
        return
    if world.orders:
        yield "a look finds it", found(world)
    if not rules.looks_many_times and _may_miss(world, broker):
        yield "one look misses it: absent", _absent(world)
    elif not rules.counts_answers_only:
        yield "a look gets no answer: a miss", _missed(world, rules, broker)
    elif broker.proves_absence and _may_miss(world, broker):
        yield "a look misses it", _missed(world, rules, broker)
    if world.misses >= ABSENT_PASSES and world.last_miss:
        yield "the desk concludes: absent", _absent(world)


def _may_miss(world: World, broker: Personality) -> bool:
    return not broker.proves_absence or all(order.hidden_for > 0 for order in world.orders)


def _missed(world: World, rules: Rules, broker: Personality) -> World:
    first, second = broker.first_grace, broker.second_grace
    if world.doubted_for < first:
        return world
    in_time = not rules.waits_for_the_lease or world.armed_for >= rules.lease + first
    return world._replace(
        misses=min(world.misses + 1, ABSENT_PASSES),
        last_miss=world.last_miss or (world.doubted_for >= second and in_time),
    )


def _absent(world: World) -> World:
    return world._replace(
        submission=S.ABSENT,
        attempts=tuple(A.ABSENT if a is A.UNKNOWN else a for a in world.attempts),
    )


def ruling(world: World, rules: Rules, broker: Personality) -> Steps:
    """Where no machine may conclude absence, a person does. The broker's support may be wrong."""
    if world.submission is S.UNKNOWN and not broker.proves_absence:
        yield "a person rules: absent", _absent(world)._replace(ruled=True)


def asking(world: World, rules: Rules, broker: Personality) -> Steps:
    """People approve, cancel and halt, whenever they like."""
    if world.submission is S.AWAITING_APPROVAL:
        yield "it is approved", world._replace(submission=S.READY)
        if world.halted:
            yield "the halt blocks it", world._replace(submission=S.BLOCKED)
    if not world.halted:
        yield "the account is halted", world._replace(halted=True)
    if world.submission in UNSENT:
        yield "it is withdrawn", world._replace(submission=S.WITHDRAWN)
    elif world.submission in IN_FLIGHT | {S.ACCEPTED} and not world.cancel_asked:
        yield "its cancel is asked for", world._replace(cancel_asked=True)


STEPS = (asking, claiming, writing, recording, sweeping, looking, ruling)

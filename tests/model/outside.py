"""What happens to the desk: time passes, processes die, the broker does and says as it pleases."""

from __future__ import annotations

from orders.states import Submission
from tests.model.desk import Steps, found, hears
from tests.model.rules import Personality, Rules
from tests.model.world import (
    DUPLICATE,
    IDLE,
    REFUSED,
    TAKEN,
    WROTE,
    BrokerOrder,
    Request,
    Worker,
    World,
)

S = Submission


def dying(world: World, rules: Rules, broker: Personality) -> Steps:
    """A worker dies, wherever it was."""
    for worker in dict.fromkeys(world.workers):
        if worker.doing != IDLE:
            yield f"a worker dies ({worker.doing})", world.with_worker(worker, Worker())


def passing(world: World, rules: Rules, broker: Personality) -> Steps:
    """Time passes, to the next moment at which anything is due."""
    if not world.late:
        yield "submit_by passes", world._replace(late=True)
    due = _due(world, rules, broker)
    if due:
        yield "time passes", _later(world, min(due), rules)


def _later(world: World, seconds: float, rules: Rules) -> World:
    # What has not arrived by then was cut off, and never will.
    is_open = world.armed_for < rules.last_byte_by
    return world._replace(
        armed_for=world.armed_for + seconds,
        doubted_for=world.doubted_for + seconds if world.submission is S.UNKNOWN else 0,
        wire=tuple(request for request in world.wire if is_open or not request.ours),
        orders=tuple(
            order._replace(hidden_for=max(order.hidden_for - seconds, 0)) for order in world.orders
        ),
    )


def _due(world: World, rules: Rules, broker: Personality) -> list[float]:
    first, second = broker.first_grace, broker.second_grace
    moments = [rules.first_byte_by, rules.last_byte_by, rules.lease]
    due = []
    if world.attempts or world.sent:
        if world.submission is S.UNKNOWN and broker.proves_absence:
            moments.append(rules.lease + first)
            due += [first - world.doubted_for, second - world.doubted_for]
        due += [moment - world.armed_for for moment in moments]
    due += [order.hidden_for for order in world.orders]
    return [step for step in due if step > 0]


def arriving(world: World, rules: Rules, broker: Personality) -> Steps:
    """A request reaches the broker, or is lost, or is sent on twice by something in between."""
    for request in world.wire:
        rest = world._replace(wire=tuple(r for r in world.wire if r is not request))
        yield "the request is lost", rest
        if broker.sent_on and request.ours and len(world.wire) == 1:
            again = Request(request.number, request.wire_id, ours=False)
            yield "the gateway sends it again", world._replace(wire=(again, request))
        yield from _taken(rest, request, broker)


def _taken(world: World, request: Request, broker: Personality) -> Steps:
    if any(
        order.wire_id == request.wire_id and (order.state == "live" or not broker.frees_ids)
        for order in world.orders
    ):
        says = TAKEN if broker.repeats_itself else DUPLICATE
        yield from _answered(world, request, says, "the broker has that id")
        return
    hidden_for = broker.first_grace if broker.proves_absence else 0
    order = BrokerOrder(request.wire_id, hidden_for=hidden_for)
    taken = world._replace(orders=(*world.orders, order))
    yield from _answered(taken, request, TAKEN, "the broker takes it")
    if broker.breaks_its_word:
        yield from _answered(taken, request, REFUSED, "the broker takes it, and says no")
    # The same request would be refused again.
    refused = world._replace(wire=tuple(r for r in world.wire if r.number != request.number))
    yield from _answered(refused, request, REFUSED, "the broker refuses it")


def _answered(world: World, request: Request, says: str, words: str) -> Steps:
    waits = next(
        (w for w in world.workers if w.doing == WROTE and w.request == request.number), None
    )
    if waits is not None:
        yield f"{words}; the answer arrives", hears(world, waits, says)
    yield f"{words}; nobody hears of it", world


def trading(world: World, rules: Rules, broker: Personality) -> Steps:
    """The broker works its orders, carries out cancels, and says so by webhook, or when polled."""
    for number, order in enumerate(world.orders):
        if order.state != "live":
            continue
        yield "it fills", _with_order(world, number, "filled")
        if world.cancel_asked and world.submission is S.ACCEPTED:
            yield "the cancel is carried out", _with_order(world, number, "cancelled")
    if world.orders and (heard := found(world)) != world:
        yield "the broker speaks of it", heard


def _with_order(world: World, number: int, state: str) -> World:
    orders = list(world.orders)
    orders[number] = orders[number]._replace(state=state)
    return world._replace(orders=tuple(orders))


STEPS = (dying, passing, arriving, trading)

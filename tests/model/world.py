"""What the model is made of: an intent at the desk, its workers, the wire, a broker's books."""

from __future__ import annotations

from typing import NamedTuple

from orders.states import AttemptState, Submission

# What a worker is doing.
IDLE, CLAIMED, WROTE, HEARD = "idle", "claimed", "wrote", "heard"

# What it heard of its request.
TAKEN, REFUSED, DUPLICATE, NOTHING, NOT_SENT = (
    "taken",
    "refused",
    "duplicate",
    "nothing",
    "not sent",
)


class Worker(NamedTuple):
    """A process that carries requests. One that dies is started again, and remembers nothing."""

    doing: str = IDLE
    attempt: int = 0  # which of the intent's attempts it carries; 0: none was written down
    request: int = 0  # the one it waits to hear of
    heard: str = ""


class Request(NamedTuple):
    """Bytes on their way to the broker."""

    number: int
    wire_id: int
    ours: bool = True  # cut off in time; else sent on by somebody in between, whenever they please


class BrokerOrder(NamedTuple):
    """An order in the broker's books."""

    wire_id: int
    state: str = "live"  # or filled, or cancelled
    hidden_for: float = 0  # seconds for which the broker's reads may still miss it


class World(NamedTuple):
    """Everything there is, at one moment. Two worlds that could differ in nothing to come are one.

    Ages are in seconds, and stop once they have stopped mattering. `workers` are sorted: which
    of two it was that did something changes nothing.
    """

    submission: Submission = Submission.AWAITING_APPROVAL
    attempts: tuple[AttemptState, ...] = ()
    cancel_asked: bool = False
    late: bool = False  # submit_by has passed
    halted: bool = False
    ruled: bool = False  # a person closed it, on what the broker's support said
    incident: bool = False  # it turned up after we had said that it was not there
    misses: int = 0  # looks past the first grace by which the broker does not have it
    last_miss: bool = False  # one of them came late enough to be the last
    armed_for: float = 0  # since the latest attempt's lease began
    doubted_for: float = 0  # since doubt began
    sent: int = 0  # requests written so far
    workers: tuple[Worker, ...] = (Worker(), Worker())
    wire: tuple[Request, ...] = ()
    orders: tuple[BrokerOrder, ...] = ()

    def with_worker(self, before: Worker, after: Worker) -> World:
        workers = list(self.workers)
        workers[workers.index(before)] = after
        return self._replace(workers=tuple(sorted(workers)))

    def with_attempt(self, number: int, state: AttemptState) -> World:
        attempts = list(self.attempts)
        attempts[number - 1] = state
        return self._replace(attempts=tuple(attempts))

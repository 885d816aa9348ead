"""Places inside the desk where a process dies, because we said so: one for every crash window.

A point is a function of the desk, wrapped in the launcher before it forks (`install`). Arming one
puts tokens into a directory; whoever gets to the point and takes a token dies there by SIGKILL.
Taking is a rename, so each token kills one process, and the record of it is on disk before the
process is gone. Renaming a function of the desk makes `install` fail, and disarms nothing.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.names import CONTROL, ROLE

# What each window leaves behind, and which processes pass through it.
POINTS: dict[str, str] = {
    "before_claim_commit": "the claim is written and not committed",
    "after_claim_commit": "the claim stands, and nothing was sent",
    "before_write": "the claim is fresh, and nothing was sent",
    "mid_write": "half of the request's bytes are with the broker",
    "after_write": "the whole request is with the broker, and no answer was read",
    "after_response": "the broker's answer was read, and is not recorded",
    "before_record_commit": "the answer is written and not committed",
    "after_record_commit": "the answer stands, and nobody was told",
    "before_cancel_write": "a cancel is claimed, and nothing was sent",
    "after_cancel_write": "the whole cancel is with the broker, and no answer was read",
    "webhook_before_insert_commit": "deliveries are written and not committed",
    "webhook_after_insert": "deliveries are committed and not answered",
    "understand_before_commit": "a delivery's facts are written and not committed",
    "understand_after_commit": "a delivery's facts stand, and nobody was told",
    "reconcile_after_read": "the broker was asked about an order, and the answer is not recorded",
    "before_place_commit": "an order is written and not committed",
    "after_place_commit": "an order stands; the client has no answer, and no bell was rung",
    "during_sweep": "due orders are taken off the list, and nobody does them yet",
    "beat_tick": "the clock is about to ring a round",
}
BY_WEB = frozenset(
    {
        "webhook_before_insert_commit",
        "webhook_after_insert",
        "before_place_commit",
        "after_place_commit",
    }
)
BY_BEAT = frozenset({"beat_tick"})
ROLES = {
    point: "web" if point in BY_WEB else "beat" if point in BY_BEAT else "worker"
    for point in POINTS
}

# What must exist in the desk for the points to be where they say.
TARGETS = (
    "orders.recording.claiming._arm",
    "orders.recording.answering._end",
    "orders.placing.create",
    "webhooks.understanding.take_in",
    "orders.sending._write",
    "orders.reconciling.reconcile",
    "orders.attending.due",
    "orders.clock.Clock.apply_async",
    "webhooks.keeping.Keeper._commit",
    "brokers.http.call",
    "httpcore._backends.sync.SyncStream.write",
    "httpcore._backends.sync.SyncStream.read",
    "django.db.backends.base.base.BaseDatabaseWrapper.commit",
    "django.db.backends.base.base.BaseDatabaseWrapper.rollback",
    "psycopg.AsyncConnection.commit",
)

KILL = "kill"
TOKEN = re.compile(r"(?P<role>\w+)-(?P<what>kill|\d+ms)-(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class Struck:
    """A token that was taken: a process died, or dawdled, at a point."""

    point: str
    pid: int
    role: str
    what: str
    at: float


# --- the harness's side ---------------------------------------------------------------------------


def prepare(control: Path) -> None:
    """Make the directories in which tokens lie and end."""
    for point in POINTS:
        (control / "armed" / point).mkdir(parents=True, exist_ok=True)
    (control / "struck").mkdir(exist_ok=True)


def arm(
    control: Path,
    point: str,
    *,
    times: int = 1,
    role: str | None = None,
    dawdle: float | None = None,
) -> None:
    """Have the next so many processes of a role that get to a point die there.

    With `dawdle`, the thread that gets there waits so many seconds instead, and goes on. Raises
    KeyError for a point there is not.
    """
    what = KILL if dawdle is None else f"{round(dawdle * 1000)}ms"
    for _ in range(times):
        name = f"{role or 'any'}-{what}-{time.time_ns()}"
        (control / "armed" / _known(point) / name).touch(exist_ok=False)


def disarm(control: Path, point: str | None = None) -> int:
    """Take back the tokens that nobody took, of one point or all; return how many."""
    taken = 0
    for token in (control / "armed").glob(f"{_known(point) if point else '*'}/*"):
        try:
            token.unlink()
            taken += 1
        except FileNotFoundError:  # somebody has just taken it
            continue
    return taken


def armed(control: Path) -> Counter[str]:
    """Return how many tokens wait at each point."""
    return Counter(token.parent.name for token in (control / "armed").glob("*/*"))


def struck(control: Path) -> list[Struck]:
    """Return the tokens that were taken, oldest first."""
    found = []
    for record in (control / "struck").iterdir():
        point, pid, role, what, at = record.name.split(",")
        found.append(Struck(point, int(pid), role, what, int(at) / 1e9))
    return sorted(found, key=lambda one: one.at)


def _known(point: str) -> str:
    if point not in POINTS:
        raise KeyError(f"There is no point {point!r}: {', '.join(POINTS)}.")
    return point


# --- inside the desk's processes ------------------------------------------------------------------


def take(point: str) -> str | None:
    """Take a token that is meant for us, and return what it asks for; None if there is none."""
    control = os.environ.get(CONTROL)
    if not control:
        return None
    role = os.environ.get(ROLE, "any")
    place = f"{control}/armed/{point}"
    for name in sorted(os.listdir(place)):  # noqa: PTH208 — on a hot path, as is the rename
        token = TOKEN.fullmatch(name)
        if token is None or token["role"] not in ("any", role):
            continue
        record = f"{point},{os.getpid()},{role},{token['what']},{time.time_ns()}"
        try:
            os.rename(f"{place}/{name}", f"{control}/struck/{record}")  # noqa: PTH104
        except FileNotFoundError:  # another process was quicker
            continue
        return token["what"]
    return None


def fire(point: str) -> None:
    """Die here if it was asked for; dawdle if that was."""
    what = take(point)
    if what is not None:
        carry_out(what)


def carry_out(what: str) -> None:
    """Do what a token asks for."""
    if what == KILL:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal is on its way; nothing more may be done
    time.sleep(int(what.removesuffix("ms")) / 1000)


@dataclass(slots=True)
class Request:
    """A request on its way to the broker."""

    cancels: bool
    sent: int = 0
    half: int = 0
    answered: bool = False


# Which window the next commit on this thread closes, and what is being sent and asked.
_window: ContextVar[str | None] = ContextVar("window", default=None)
_request: ContextVar[Request | None] = ContextVar("request", default=None)
_reconciling: ContextVar[bool] = ContextVar("reconciling", default=False)
_keeping: ContextVar[bool] = ContextVar("keeping", default=False)


def install() -> None:
    """Wrap the desk's functions. Raises AttributeError or ImportError if one has gone."""
    for target in TARGETS:
        resolve(target)
    _mark("orders.recording.claiming._arm", "claim")
    _mark("orders.recording.answering._end", "record")
    _mark("orders.placing.create", "place")
    _mark("webhooks.understanding.take_in", "understand")
    replace("django.db.backends.base.base.BaseDatabaseWrapper.commit", _commit)
    replace("django.db.backends.base.base.BaseDatabaseWrapper.rollback", _rollback)
    replace("orders.sending._write", _write)
    replace("httpcore._backends.sync.SyncStream.write", _stream_write)
    replace("httpcore._backends.sync.SyncStream.read", _stream_read)
    replace("orders.reconciling.reconcile", _reconcile)
    replace("brokers.http.call", _call)
    replace("webhooks.keeping.Keeper._commit", _keep)
    replace("psycopg.AsyncConnection.commit", _commit_deliveries)
    replace("orders.attending.due", _due)
    replace("orders.clock.Clock.apply_async", _tick)


def resolve(target: str) -> tuple[Any, str]:
    """Return what holds a function, and the function's name there.

    Raises AttributeError or ImportError if there is none such.
    """
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if error.name is None or not target.startswith(error.name):
                raise
            continue
        for name in parts[cut:-1]:
            owner = getattr(owner, name)
        getattr(owner, parts[-1])
        return owner, parts[-1]
    raise ImportError(f"Nothing of {target} can be imported.")


def replace(target: str, wrapper: Callable[..., Any]) -> None:
    """Put `wrapper(original, *args, **kwargs)` in a function's place."""
    owner, name = resolve(target)
    original = getattr(owner, name)

    @functools.wraps(original)
    def instead(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    setattr(owner, name, instead)


def _mark(target: str, window: str) -> None:
    """What is done here is in the window until the next commit."""

    def marked(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        _window.set(window)
        return original(*args, **kwargs)

    replace(target, marked)


def _commit(original: Callable[..., Any], connection: Any) -> None:
    window = _window.get()
    if window is None:
        original(connection)
        return
    _window.set(None)
    fire(f"{window}_before_commit" if window == "understand" else f"before_{window}_commit")
    original(connection)
    fire(f"{window}_after_commit" if window == "understand" else f"after_{window}_commit")


def _rollback(original: Callable[..., Any], connection: Any) -> None:
    _window.set(None)
    original(connection)


def _write(original: Callable[..., Any], adapter: Any, claim: Any) -> Any:
    cancels = str(claim.kind) == "cancel"
    fire("before_cancel_write" if cancels else "before_write")
    request = Request(cancels)
    with _during(_request, request):
        try:
            return original(adapter, claim)
        finally:
            if request.answered and not cancels:
                fire("after_response")


def _stream_write(
    original: Callable[..., Any], stream: Any, buffer: bytes, timeout: Any = None
) -> None:
    request = _request.get()
    if request is None or request.cancels or not buffer:
        original(stream, buffer, timeout)
        return
    if request.sent == 0:
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", buffer)
        whole = buffer.find(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
        request.half = whole // 2
    if request.sent < request.half <= request.sent + len(buffer):
        what = take("mid_write")
        if what is not None:
            before = buffer[: request.half - request.sent]
            original(stream, before, timeout)
            carry_out(what)
            request.sent, buffer = request.sent + len(before), buffer[len(before) :]
    original(stream, buffer, timeout)
    request.sent += len(buffer)


def _stream_read(original: Callable[..., Any], stream: Any, *args: Any, **kwargs: Any) -> bytes:
    request = _request.get()
    if request is None or request.answered:
        return bytes(original(stream, *args, **kwargs))
    fire("after_cancel_write" if request.cancels else "after_write")
    answer = bytes(original(stream, *args, **kwargs))
    request.answered = bool(answer)
    return answer


def _reconcile(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _during(_reconciling, True):
        return original(*args, **kwargs)


def _call(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    answer = original(*args, **kwargs)
    if _reconciling.get():
        fire("reconcile_after_read")
    return answer


async def _keep(original: Callable[..., Awaitable[None]], *args: Any) -> None:
    with _during(_keeping, True):
        await original(*args)
    fire("webhook_after_insert")


async def _commit_deliveries(original: Callable[..., Awaitable[None]], *args: Any) -> None:
    if _keeping.get():
        fire("webhook_before_insert_commit")
    await original(*args)


def _due(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    found = original(*args, **kwargs)
    if found:
        fire("during_sweep")
    return found


def _tick(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    fire("beat_tick")
    return original(*args, **kwargs)


@contextmanager
def _during(what: ContextVar[Any], value: Any) -> Iterator[None]:
    token = what.set(value)
    try:
        yield
    finally:
        what.reset(token)

"""Keeps the processes of a rig running: whatever dies is noted, and started again at once."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import failpoints
from tests.chaos.launching import Launcher, Unstartable, tail
from tests.chaos.names import ROLE, SKEW

START_WITHIN = 60.0  # seconds
STOP_WITHIN = 15.0
# First what asks, last what is asked.
ROLES = ("beat", "worker", "web", "exchange", "network", "valkey", "postgres")
HURRIED = {"beat", "worker", "web"}  # these may wait politely for what has gone
HURRY_WITHIN = 6.0


@dataclass(frozen=True, slots=True)
class Death:
    """One process that is no more.

    `cause` is "kill" (the nemesis), "failpoint" (at `point`), "skew" (to be started again by
    another clock), "stop" (PostgreSQL's immediate shutdown), or "own": nobody asked for it.
    """

    at: float  # unix seconds
    role: str
    name: str
    pid: int
    cause: str
    point: str = ""
    code: int = 0


@dataclass(eq=False)
class Slot:
    """A place in the line-up, and the process that fills it now."""

    name: str
    role: str
    start: Callable[[Slot], None]
    answers: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    pid: int = 0
    starts: int = 0
    started_at: float = 0.0
    held_until: float = 0.0  # monotonic: not started again before
    skew: float = 0.0
    up: threading.Event = field(default_factory=threading.Event)
    down: threading.Event = field(default_factory=threading.Event)
    recalled: threading.Event = field(default_factory=threading.Event)  # to be held no longer
    keeper: threading.Thread | None = None


class Supervisor:
    """The slots of a rig, in the order in which they were filled."""

    def __init__(self, *, log_folder: Path, control: Path, seed: int) -> None:
        self.deaths: list[Death] = []
        self.slots: list[Slot] = []
        self.launcher: Launcher | None = None
        self.log_folder, self.control = log_folder, control
        self._random = random.Random(f"{seed}:lineup")
        self._timers: set[threading.Timer] = set()
        self._dooms: dict[int, str] = {}  # why a process is about to die, by its id
        self._stopping = threading.Event()

    def run(self, slots: Sequence[Slot]) -> None:
        """Start slots together, and return once all are at work."""
        for slot in slots:
            self.slots.append(slot)
            slot.keeper = threading.Thread(
                target=self._keep, args=(slot,), name=f"keep {slot.name}", daemon=True
            )
            slot.keeper.start()
        give_up_at = time.monotonic() + START_WITHIN
        for slot in slots:
            while not slot.up.wait(0.1):
                if slot.starts > 3 or time.monotonic() > give_up_at:
                    raise Unstartable(f"{slot.name} did not start:\n{tail(self.log_of(slot.name))}")

    def _keep(self, slot: Slot) -> None:
        """Start a slot's process again whenever it dies, until all is stopped."""
        while not self._stopping.is_set():
            slot.recalled.wait(max(slot.held_until - time.monotonic(), 0))
            if self._stopping.is_set():
                return
            try:
                slot.starts += 1
                slot.start(slot)
            except Unstartable:
                self._stopping.wait(0.2)
                continue
            while not slot.down.is_set() and not self._stopping.is_set():
                if slot.answers():
                    slot.up.set()
                    break
                slot.down.wait(0.05)
            slot.down.wait()
            slot.up.clear()
            if time.monotonic() - slot.started_at < 1.0:
                self._stopping.wait(0.2)  # what can't start must not spin

    def launch(
        self,
        slot: Slot,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        is_python: bool = True,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start a slot's process. Raises Unstartable."""
        told = {**(environment or {}), ROLE: slot.role, "PGAPPNAME": slot.name}
        if slot.skew:
            told[SKEW] = str(slot.skew)
        slot.down.clear()

        def began(pid: int) -> None:
            slot.pid, slot.started_at = pid, time.monotonic()

        assert self.launcher is not None
        self.launcher.start(
            argv,
            environment=told,
            log=self.log_of(slot.name),
            began=began,
            gone=lambda code: self._gone(slot, code),
            is_python=is_python,
            death_signal=death_signal,
        )

    def end(self, slot: Slot, what: signal.Signals, cause: str, *, away: float = 0.0) -> Death:
        """End a slot's process by a signal, and return its death. Raises Unstartable.

        It is started again at once, or after so many seconds.
        """
        before, pid = len(self.deaths), slot.pid
        slot.held_until = time.monotonic() + away
        slot.recalled.clear()
        self._dooms[pid] = cause
        self.signal(slot, what)
        self.signal(slot, signal.SIGCONT)  # one that was paused is to hear of it too
        give_up_at = time.monotonic() + STOP_WITHIN
        while time.monotonic() < give_up_at:
            for death in self.deaths[before:]:
                if death.pid == pid:
                    return death
            time.sleep(0.005)
        raise Unstartable(f"{slot.name} did not die of {what.name}.")

    def choose(self, kind: str, index: int | None) -> Slot:
        """Return a running slot of a kind, waiting for one if need be. Raises Unstartable."""
        number = self._random.randrange(1_000_000)
        give_up_at = time.monotonic() + START_WITHIN
        while time.monotonic() < give_up_at:
            slots = self.of(kind)
            if index is not None:
                slots = slots[index : index + 1]
            if alive := [slot for slot in slots if slot.pid and slot.pid not in self._dooms]:
                return alive[number % len(alive)]
            time.sleep(0.02)
        raise Unstartable(f"No {kind} came up.")

    def of(self, role: str) -> list[Slot]:
        """Return the slots of a role, which must be one."""
        found = [slot for slot in self.slots if slot.role == role]
        assert found, f"There is no {role}: {', '.join(ROLES)}."
        return found

    def signal(self, slot: Slot, what: signal.Signals) -> None:
        """Send a slot's process a signal, if it has one."""
        if slot.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(slot.pid, what)

    def recall(self, slot: Slot) -> None:
        """Let a process that is paused or kept away be there again now."""
        slot.held_until = 0.0
        slot.recalled.set()
        self.signal(slot, signal.SIGCONT)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after a while, unless all is stopped first."""
        timer = threading.Timer(seconds, do)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def log_of(self, name: str) -> Path:
        """Return where a slot's processes say what they say."""
        return self.log_folder / f"{name}.log"

    def stop(self) -> None:
        """Take everything down in order: first what asks, last what is asked."""
        self._stopping.set()
        for timer in list(self._timers):
            timer.cancel()
        for slot in self.slots:
            slot.recalled.set()
        for role in ROLES:
            self._stop_together([slot for slot in self.slots if slot.role == role], role)
        if self.launcher is not None:
            self.launcher.stop()
        for slot in self.slots:
            if slot.keeper is not None:
                slot.keeper.join(STOP_WITHIN)

    def _stop_together(self, slots: Sequence[Slot], role: str) -> None:
        for slot in slots:
            self.signal(slot, slot.stop_signal)
            self.signal(slot, signal.SIGCONT)
        give_up_at = time.monotonic() + (HURRY_WITHIN if role in HURRIED else STOP_WITHIN)
        for slot in slots:
            while not slot.down.wait(0.05) and slot.pid:
                if time.monotonic() > give_up_at:
                    self.signal(slot, signal.SIGKILL)
                    slot.down.wait(STOP_WITHIN)
                    break

    def _gone(self, slot: Slot, code: int) -> None:
        """A process has ended. Called by the launcher's thread."""
        pid, point = slot.pid, ""
        cause = self._dooms.pop(pid, "")
        if not cause:
            point = next((one.point for one in self._strikes() if one.pid == pid), "")
            cause = "failpoint" if point else "own"
        slot.pid = 0
        slot.up.clear()
        if not self._stopping.is_set():
            self.deaths.append(Death(time.time(), slot.role, slot.name, pid, cause, point, code))
        slot.down.set()

    def _strikes(self) -> Iterator[failpoints.Struck]:
        yield from (one for one in failpoints.struck(self.control) if one.what == failpoints.KILL)

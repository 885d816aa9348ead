"""A whole desk to be broken: two webs, three workers, a beat, and everything below them.

    with ChaosDesk(directory, seed=1) as desk:
        os.environ.update(desk.environment); django.setup()     # to look into its database
        base_url, hooks = desk.broker_url, desk.webhook_base    # what accounts are to be told
        desk.kill("worker"); desk.pause("web", 3); desk.redis_away(60)
        desk.partition("broker", 5); desk.latency("webhooks", 200, 10)
        desk.arm("after_write", times=2); desk.skew(0, +300)

PostgreSQL keeps its promises here (fsync is on). Between the desk and the exchange stands a network
that can be bad (`proxy`): link "broker" from the desk to the exchange, link "webhooks" back, to
whichever web takes it. Whatever dies is started again at once, by the same command line as before.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import redis

from embedded.environment import desk_environment, is_free
from embedded.lineup import CHECKOUT, programs
from embedded.places import socket_folder
from embedded.postgres import Postgres
from embedded.programs import Program
from embedded.spawning import die_with_parent
from embedded.valkey import Valkey
from tests.chaos import failpoints, mutants
from tests.chaos.names import CONTROL, MUTANT, ROLE, SKEW
from tests.chaos.proxy import DOWN, UP, Hand

START_WITHIN = 60.0  # seconds
STOP_WITHIN = 15.0
LOADED_WITHIN = 60.0
BROKER, WEBHOOKS = "broker", "webhooks"  # the links
ROLES = ("web", "worker", "beat", "exchange", "valkey", "postgres", "network")

__all__ = ["BROKER", "DOWN", "UP", "WEBHOOKS", "ChaosDesk", "Death", "Unstartable"]


class Unstartable(Exception):
    """A program did not come up. Carries the end of what it said."""


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
    start: Callable[[], None]
    answers: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    pid: int = 0
    starts: int = 0
    started_at: float = 0.0
    held_until: float = 0.0  # monotonic: not started again before
    doom: str = ""  # why it is about to die
    skew: float = 0.0
    up: threading.Event = field(default_factory=threading.Event)
    down: threading.Event = field(default_factory=threading.Event)
    recalled: threading.Event = field(default_factory=threading.Event)  # to be held no longer
    keeper: threading.Thread | None = None


class Launcher:
    """Our end of `tests.chaos.sabotage`."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._line, theirs = socket.socketpair()
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._asked = 0
        self._ended: dict[int, int] = {}
        self._watched: dict[int, Callable[[int], None]] = {}
        self.ready = self.gone = False
        self._log = log
        with log.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.sabotage", str(theirs.fileno())],
                cwd=CHECKOUT,
                env={**_clean(os.environ), **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 — calls only the kernel
            )
        theirs.close()
        threading.Thread(target=self._listen, name="launcher", daemon=True).start()

    def await_ready(self) -> None:
        """Return once the desk is loaded. Raises Unstartable."""
        with self._changed:
            self._changed.wait_for(lambda: self.ready or self.gone, LOADED_WITHIN)
        if not self.ready:
            raise Unstartable(f"The launcher did not load the desk:\n{_tail(self._log)}")

    def start(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        began: Callable[[int], None],
        gone: Callable[[int], None],
        is_python: bool = True,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start a program. `began` hears its pid, and `gone` its exit code when it ends.

        With `is_python`, `argv` begins with a module, as after `python -m`. Raises Unstartable.
        """
        with self._changed:
            self._asked += 1
            number = self._asked
            asked = {
                "do": "fork" if is_python else "exec",
                "id": number,
                "argv": list(argv),
                "environment": dict(environment),
                "log": str(log),
                "death_signal": int(death_signal),
            }
            with suppress(OSError):
                self._line.sendall(json.dumps(asked).encode() + b"\n")
            self._changed.wait_for(lambda: number in self._answers or not self.ready, START_WITHIN)
            told = self._answers.pop(number, {"error": "the launcher has gone"})
            if "pid" not in told:
                raise Unstartable(f"{argv[0]}: {told['error']}")
            pid = int(told["pid"])
            began(pid)
            if pid in self._ended:  # it was gone before we could ask
                gone(self._ended.pop(pid))
            else:
                self._watched[pid] = gone

    def stop(self) -> None:
        """Hang up: the launcher takes down whatever still runs, and goes."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._line.close()

    def _listen(self) -> None:
        with suppress(OSError):
            for line in self._line.makefile():
                self._hear(json.loads(line))
        with self._changed:
            self.ready, self.gone = False, True
            self._changed.notify_all()

    def _hear(self, told: dict[str, Any]) -> None:
        with self._changed:
            if "ready" in told:
                self.ready = True
            elif "id" in told:
                self._answers[told["id"]] = told
            elif (gone := self._watched.pop(told["died"], None)) is not None:
                gone(told["code"])
            else:
                self._ended[told["died"]] = told["code"]
            self._changed.notify_all()


class ChaosDesk:
    """One running desk, and every hand on it."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        webs: int = 2,
        workers: int = 3,
        mutant: str | None = None,
        exchange_arguments: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.seed = seed
        self.mutant = mutant
        self.deaths: list[Death] = []
        self.log_folder = directory / "logs"
        self.control = directory / "control"
        for folder in (directory, self.log_folder, self.control):
            folder.mkdir(parents=True, exist_ok=True)
        failpoints.prepare(self.control)
        self._random = random.Random(f"{seed}:lineup")
        self._timers: set[threading.Timer] = set()
        self._stopping = threading.Event()
        self._exchange_arguments = tuple(exchange_arguments)

        web_ports = _free_ports(webs)
        exchange_port, broker_port, webhooks_port = _free_ports(3)
        self._web_ports = web_ports
        self.web_urls = [f"http://127.0.0.1:{port}" for port in web_ports]
        self.exchange_url = f"http://127.0.0.1:{exchange_port}"
        self.broker_url = f"http://127.0.0.1:{broker_port}"
        self.webhook_base = f"http://127.0.0.1:{webhooks_port}"
        self._links = [
            f"{BROKER}={broker_port}:{exchange_port}",
            f"{WEBHOOKS}={webhooks_port}:{','.join(map(str, web_ports))}",
        ]
        self._postgres = Postgres(data=directory, durable=True)
        self._valkey = Valkey(data=directory)
        network = socket_folder(directory, longest_name="network.sock") / "network.sock"
        self._network_socket = network
        self._network = Hand(network)
        own = desk_environment(directory, port=web_ports[0], given={})
        self.admin_token = own["DESK_PAPER_TOKEN"]
        self._own = own
        self.environment: dict[str, str] = {}
        self._workers = workers
        self._slots: list[Slot] = []

    # --- coming up and going down -----------------------------------------------------------------

    def __enter__(self) -> ChaosDesk:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self._postgres.prepare()
        self.environment = {
            **self._own,
            "DESK_PAPER_URL": self.exchange_url,
            "DATABASE_URL": self._postgres.url(),
            "REDIS_URL": self._valkey.url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        inside = {**self.environment, CONTROL: str(self.control)}
        if self.mutant:
            inside[MUTANT] = self.mutant
        self._launcher = Launcher(inside, self.log_folder / "launcher.log")
        self._launcher.await_ready()
        self._run([self._server_slot("postgres", self._postgres)])
        self._run([self._server_slot("valkey", self._valkey), self._network_slot()])
        self._migrate()
        slots = list(self._program_slots())
        self._run([slot for slot in slots if slot.role == "exchange"])
        self._run([slot for slot in slots if slot.role != "exchange"])

    def stop(self) -> None:
        """Take everything down in order: first what asks, last what is asked."""
        self._stopping.set()
        for slot in self._slots:
            slot.recalled.set()
        for timer in list(self._timers):
            timer.cancel()
        order = ("beat", "worker", "web", "exchange", "network", "valkey", "postgres")
        for role in order:
            slots = [slot for slot in self._slots if slot.role == role]
            for slot in slots:
                self._signal(slot, slot.stop_signal)
                self._signal(slot, signal.SIGCONT)
            patience = 6.0 if role in ("worker", "beat", "web") else STOP_WITHIN
            give_up_at = time.monotonic() + patience
            for slot in slots:
                while not slot.down.wait(0.05) and slot.pid:
                    if time.monotonic() > give_up_at:
                        self._signal(slot, signal.SIGKILL)
                        slot.down.wait(STOP_WITHIN)
                        break
        if hasattr(self, "_launcher"):
            self._launcher.stop()
        for slot in self._slots:
            if slot.keeper is not None:
                slot.keeper.join(STOP_WITHIN)

    # --- who is there -----------------------------------------------------------------------------

    def pids(self, role: str | None = None) -> dict[str, int]:
        """Return the running processes' ids by name, of one role or all."""
        return {
            slot.name: slot.pid
            for slot in self._slots
            if slot.pid and (role is None or slot.role == role)
        }

    def starts(self) -> Counter[str]:
        """Return how often the processes of each role were started."""
        return Counter({role: sum(s.starts for s in self._of(role)) for role in ROLES})

    def wait_until_up(self, role: str | None = None, *, within: float = START_WITHIN) -> bool:
        """Wait until every process of a role, or all, is at work. Returns whether they are."""
        give_up_at = time.monotonic() + within
        slots = self._of(role) if role else self._slots
        return all(slot.up.wait(max(give_up_at - time.monotonic(), 0)) for slot in slots)

    def struck(self) -> list[failpoints.Struck]:
        """Return every failpoint's token that was taken."""
        return failpoints.struck(self.control)

    def log_tail(self, name: str, characters: int = 4000) -> str:
        """Return the end of what a process (and those before it) said."""
        return _tail(self.log_folder / f"{name}.log", characters)

    # --- what breaks it ---------------------------------------------------------------------------

    def kill(self, kind: str, *, index: int | None = None, away: float = 0.0) -> Death:
        """Kill -9 one process of a kind; the seed chooses which. Returns its death.

        It is started again at once, or after so many seconds `away`.
        """
        return self._end(self._choose(kind, index), signal.SIGKILL, "kill", away=away)

    def pause(self, kind: str, seconds: float, *, index: int | None = None) -> str:
        """Stop a process of a kind where it stands (SIGSTOP), and let it go on later.

        Returns its name at once.
        """
        slot = self._choose(kind, index)
        pid = slot.pid
        self._signal(slot, signal.SIGSTOP)

        def go_on() -> None:
            with suppress(ProcessLookupError):
                if slot.pid == pid:
                    os.kill(pid, signal.SIGCONT)

        self._later(seconds, go_on)
        return slot.name

    def redis_flush(self) -> None:
        """Lose everything that Redis holds: doorbells under way, and nudges."""
        with redis.Redis(unix_socket_path=str(self._valkey.socket), socket_timeout=5) as client:
            client.flushall()

    def redis_away(self, seconds: float) -> Death:
        """Kill Redis, and bring it back, empty, after so many seconds."""
        return self.kill("valkey", away=seconds)

    def postgres_stop_immediate(self) -> Death:
        """Stop PostgreSQL without a checkpoint, as `pg_ctl stop -m immediate`; it recovers."""
        return self._end(self._choose("postgres", None), signal.SIGQUIT, "stop")

    def partition(self, link: str, seconds: float, *, how: str = "silence") -> None:
        """Cut a link for a while.

        By "silence" connections are taken and nothing gets through until it is over: what was sent
        arrives late. By "refuse" there is nobody at the other end.
        """
        assert how in ("silence", "refuse"), how
        self._network.do(link, how, seconds=seconds)

    def latency(self, link: str, ms: float, seconds: float) -> None:
        """Hold whatever goes over a link back by so much, both ways, for a while."""
        self._network.do(link, "slow", delay=ms / 1000, seconds=seconds)

    def reset(self, link: str) -> int:
        """Reset the connections over a link; return how many there were."""
        return int(self._network.do(link, "reset")["reset"])

    def cut_after(self, link: str, n_bytes: int, *, way: str = UP, times: int = 1) -> None:
        """Reset each of the next connections after so many bytes of request (UP) or answer."""
        assert way in (UP, DOWN), way
        self._network.do(link, "cut", after=n_bytes, way=way, times=times)

    def heal(self) -> None:
        """End all of it: links, pauses, outages, wrong clocks, and whatever is armed."""
        failpoints.disarm(self.control)
        for slot in self._slots:
            slot.held_until = 0.0
            slot.recalled.set()
            self._signal(slot, signal.SIGCONT)
        for index, slot in enumerate(self._of("worker")):
            if slot.skew:
                self.skew(index, 0)
        self.wait_until_up("network")
        for link in (BROKER, WEBHOOKS):
            self._network.do(link, "heal")

    def carried(self, link: str) -> dict[str, Any]:
        """Return how many connections a link has open, and has carried."""
        return self._network.do(link, "look")

    def skew(self, worker_index: int, seconds: float) -> Death:
        """Start a worker again by a clock that is off by so much, until told otherwise."""
        slot = self._choose("worker", worker_index)
        slot.skew = seconds
        return self._end(slot, signal.SIGKILL, "skew")

    def arm(
        self, point: str, times: int = 1, role: str | None = None, dawdle: float | None = None
    ) -> None:
        """Have the next processes of a role (or any) that get to a failpoint die there.

        With `dawdle` they wait there so many seconds instead.
        """
        failpoints.arm(self.control, point, times=times, role=role, dawdle=dawdle)

    def disarm(self, point: str | None = None) -> int:
        """Take back the tokens nobody took; return how many."""
        return failpoints.disarm(self.control, point)

    def armed(self) -> Counter[str]:
        """Return how many tokens wait at each failpoint."""
        return failpoints.armed(self.control)

    # --- what it leaks ----------------------------------------------------------------------------

    def leaks(self) -> dict[str, Any]:
        """Return what a quiet desk should not pile up.

        `connections` to PostgreSQL by process, those `idle_in_transaction` for over 5 s, tasks
        `queued` in Redis, and open `descriptors` and `threads` of each process.
        """
        with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
            sessions = connection.execute(
                """
                SELECT application_name, state,
                       coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)
                FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                """
            ).fetchall()
        stuck = [
            {"process": name, "state": state, "seconds": float(seconds)}
            for name, state, seconds in sessions
            if (state or "").startswith("idle in transaction") and seconds > 5
        ]
        return {
            "connections": dict(Counter(name for name, _, _ in sessions)),
            "idle_in_transaction": stuck,
            "queued": self._queued(),
            "descriptors": self._counted("fd"),
            "threads": self._counted("task"),
        }

    def _queued(self) -> int:
        prefix = self.environment["DESK_PREFIX"]
        with redis.Redis(unix_socket_path=str(self._valkey.socket), socket_timeout=5) as client:
            return int(client.llen(f"{prefix}:{prefix}"))

    def _counted(self, what: str) -> dict[str, int]:
        counts = {}
        for name, pid in self.pids().items():
            with suppress(OSError):
                counts[name] = len(list(Path(f"/proc/{pid}/{what}").iterdir()))
        return counts

    # --- the line-up ------------------------------------------------------------------------------

    def _server_slot(self, role: str, server: Postgres | Valkey) -> Slot:
        def start() -> None:
            if isinstance(server, Postgres):
                server.prepare()  # waits for whatever is left of the one before
            self._launch(slot, server.command(), is_python=False, death_signal=server.stop_signal)

        slot = Slot(role, role, start, server.answers, server.stop_signal)
        return slot

    def _network_slot(self) -> Slot:
        argv = ["tests.chaos.proxy", str(self._network_socket), *self._links]

        def answers() -> bool:
            try:
                return "carried" in self._network.do(BROKER, "look")
            except OSError:
                return False

        slot = Slot("network", "network", lambda: self._launch(slot, argv), answers)
        return slot

    def _program_slots(self) -> Iterator[Slot]:
        """Yield the desk's own programs, with the command lines of `./desk up`."""
        for number in range(max(len(self._web_ports), self._workers)):
            data = self.directory / f"line-{number + 1}"
            data.mkdir(exist_ok=True)
            port = self._web_ports[min(number, len(self._web_ports) - 1)]
            found = {p.name: p for p in programs(data, self.environment, port=port)}
            if number == 0:
                exchange = programs(self.directory, self.environment, port=port)
                yield self._slot("exchange", "exchange", next(exchange), self._exchange_arguments)
                yield self._slot("beat", "beat", found["beat"])
            if number < len(self._web_ports):
                yield self._slot(f"web-{number + 1}", "web", found["web"])
            if number < self._workers:
                name = f"worker-{number + 1}"
                yield self._slot(name, "worker", found["worker"], ("--hostname", f"{name}@%h"))

    def _slot(self, name: str, role: str, program: Program, more: Sequence[str] = ()) -> Slot:
        command = list(program.command)
        argv = [*command[command.index("-m") + 1 :], *more]
        said = program.environment.get("DESK_READY_FILE")

        def start() -> None:
            if said:
                Path(said).unlink(missing_ok=True)
            self._launch(slot, argv, program.environment)

        def answers() -> bool:
            return asyncio.run(_ask(program))

        slot = Slot(name, role, start, answers, program.stop_signal)
        return slot

    def _launch(
        self,
        slot: Slot,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        is_python: bool = True,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        told = {**(environment or {}), ROLE: slot.role, "PGAPPNAME": slot.name}
        if slot.skew:
            told[SKEW] = str(slot.skew)
        slot.down.clear()

        def began(pid: int) -> None:
            slot.pid, slot.started_at = pid, time.monotonic()

        def gone(code: int) -> None:
            self._gone(slot, code)

        self._launcher.start(
            argv,
            environment=told,
            log=self.log_folder / f"{slot.name}.log",
            began=began,
            gone=gone,
            is_python=is_python,
            death_signal=death_signal,
        )

    def _migrate(self) -> None:
        log = self.log_folder / "migrate.log"
        codes: list[int] = []
        ended = threading.Event()

        def gone(code: int) -> None:
            codes.append(code)
            ended.set()

        self._launcher.start(
            ["django", "migrate", "--verbosity=0"],
            environment={},
            log=log,
            began=lambda _: None,
            gone=gone,
        )
        if not ended.wait(START_WITHIN) or codes != [0]:
            raise Unstartable(f"The database could not be brought up to date:\n{_tail(log)}")
        if self.mutant:
            with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
                mutants.prepare(self.mutant, connection)

    # --- keeping it up ----------------------------------------------------------------------------

    def _run(self, slots: Sequence[Slot]) -> None:
        """Start slots together, and return once all are at work."""
        for slot in slots:
            self._slots.append(slot)
            slot.keeper = threading.Thread(
                target=self._keep, args=(slot,), name=f"keep {slot.name}", daemon=True
            )
            slot.keeper.start()
        give_up_at = time.monotonic() + START_WITHIN
        for slot in slots:
            while not slot.up.wait(0.1):
                if slot.starts > 3 or time.monotonic() > give_up_at:
                    raise Unstartable(f"{slot.name} did not start:\n{self.log_tail(slot.name)}")

    def _keep(self, slot: Slot) -> None:
        """Start a slot's process again whenever it dies, until all is stopped."""
        while not self._stopping.is_set():
            slot.recalled.wait(max(slot.held_until - time.monotonic(), 0))
            if self._stopping.is_set():
                return
            try:
                slot.starts += 1
                slot.start()
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

    def _gone(self, slot: Slot, code: int) -> None:
        """A process has ended. Called by the launcher's thread."""
        pid, cause, point = slot.pid, slot.doom, ""
        strike = next((one for one in self.struck() if self._died_of(one, slot)), None)
        if not cause and strike is not None:
            cause, point = "failpoint", strike.point
        slot.doom, slot.pid = "", 0
        slot.up.clear()
        if not self._stopping.is_set():
            self.deaths.append(
                Death(time.time(), slot.role, slot.name, pid, cause or "own", point, code)
            )
        slot.down.set()

    def _died_of(self, strike: failpoints.Struck, slot: Slot) -> bool:
        return strike.pid == slot.pid and strike.what == failpoints.KILL

    def _end(self, slot: Slot, what: signal.Signals, cause: str, *, away: float = 0.0) -> Death:
        before, pid = len(self.deaths), slot.pid
        slot.held_until = time.monotonic() + away
        slot.recalled.clear()
        slot.doom = cause
        self._signal(slot, what)
        self._signal(slot, signal.SIGCONT)  # one that was paused is to hear of it too
        give_up_at = time.monotonic() + STOP_WITHIN
        while time.monotonic() < give_up_at:
            for death in self.deaths[before:]:
                if death.pid == pid:
                    return death
            time.sleep(0.005)
        raise Unstartable(f"{slot.name} did not die of {what.name}.")

    def _choose(self, kind: str, index: int | None) -> Slot:
        """Return a running slot of a kind, waiting for one if need be. Raises Unstartable."""
        number = self._random.randrange(1_000_000)
        give_up_at = time.monotonic() + START_WITHIN
        while time.monotonic() < give_up_at:
            slots = self._of(kind)
            if index is not None:
                slots = slots[index : index + 1]
            if alive := [slot for slot in slots if slot.pid and not slot.doom]:
                return alive[number % len(alive)]
            time.sleep(0.02)
        raise Unstartable(f"No {kind} came up.")

    def _of(self, role: str) -> list[Slot]:
        found = [slot for slot in self._slots if slot.role == role]
        assert found, f"There is no {role}: {', '.join(ROLES)}."
        return found

    def _signal(self, slot: Slot, what: signal.Signals) -> None:
        if slot.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(slot.pid, what)

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, do)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()


async def _ask(program: Program) -> bool:
    return await program.ready()


@contextmanager
def _held_ports(count: int) -> Iterator[list[int]]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        yield [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _free_ports(count: int) -> list[int]:
    with _held_ports(count) as ports:
        pass
    assert all(map(is_free, ports))
    return ports


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    ours = ("DESK_", "DATABASE_", "REDIS_", "DJANGO_", "PYTEST_", "CHAOS_", "PG")
    kept = ("DESK_PG_BIN", "DESK_VALKEY_SERVER")
    return {
        name: value
        for name, value in environment.items()
        if name in kept or not name.startswith(ours)
    }


def _tail(log: Path, characters: int = 4000) -> str:
    return log.read_text(errors="replace")[-characters:] if log.exists() else ""

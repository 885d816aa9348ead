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
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import redis

from embedded.environment import desk_environment, is_free
from embedded.lineup import programs
from embedded.places import socket_folder
from embedded.postgres import Postgres
from embedded.programs import Program
from embedded.valkey import Valkey
from tests.chaos import failpoints, leaking, mutants
from tests.chaos.launching import Launcher, Unstartable, tail
from tests.chaos.names import CONTROL, MUTANT
from tests.chaos.proxy import DOWN, UP, Hand
from tests.chaos.supervising import ROLES, START_WITHIN, Death, Slot, Supervisor

BROKER, WEBHOOKS = "broker", "webhooks"  # the links
# Below those that the kernel gives to whoever connects somewhere: a port of ours must be free
# again the moment its process is started again.
PORTS = range(20_000, 32_000)

__all__ = ["BROKER", "DOWN", "UP", "WEBHOOKS", "ChaosDesk", "Death", "Unstartable"]


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
        self.log_folder = directory / "logs"
        self.control = directory / "control"
        for folder in (directory, self.log_folder, self.control):
            folder.mkdir(parents=True, exist_ok=True)
        failpoints.prepare(self.control)
        self._supervisor = Supervisor(log_folder=self.log_folder, control=self.control, seed=seed)
        self._exchange_arguments = tuple(exchange_arguments)

        exchange_port, broker_port, webhooks_port, *web_ports = _free_ports(3 + webs)
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

    def stop(self) -> None:
        """Take everything down, and leave nothing running."""
        self._supervisor.stop()

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
        self._supervisor.launcher = Launcher(inside, self._supervisor.log_of("launcher"))
        self._supervisor.launcher.await_ready()
        run = self._supervisor.run
        run([self._server_slot("postgres", self._postgres)])
        run([self._server_slot("valkey", self._valkey), self._network_slot()])
        self._migrate(self._supervisor.launcher)
        slots = list(self._program_slots())
        run([slot for slot in slots if slot.role == "exchange"])
        run([slot for slot in slots if slot.role != "exchange"])

    # --- who is there -----------------------------------------------------------------------------

    @property
    def deaths(self) -> list[Death]:
        """Return every process that died while the desk was up, in the order of their deaths."""
        return self._supervisor.deaths

    def pids(self, role: str | None = None) -> dict[str, int]:
        """Return the running processes' ids by name, of one role or all."""
        return {
            slot.name: slot.pid
            for slot in self._supervisor.slots
            if slot.pid and (role is None or slot.role == role)
        }

    def starts(self) -> Counter[str]:
        """Return how often the processes of each role were started."""
        return Counter({role: sum(s.starts for s in self._supervisor.of(role)) for role in ROLES})

    def wait_until_up(self, role: str | None = None, *, within: float = START_WITHIN) -> bool:
        """Wait until every process of a role, or all, is at work. Returns whether they are."""
        give_up_at = time.monotonic() + within
        slots = self._supervisor.of(role) if role else self._supervisor.slots
        return all(slot.up.wait(max(give_up_at - time.monotonic(), 0)) for slot in slots)

    def struck(self) -> list[failpoints.Struck]:
        """Return every failpoint's token that was taken."""
        return failpoints.struck(self.control)

    def log_tail(self, name: str, characters: int = 4000) -> str:
        """Return the end of what a process (and those before it) said."""
        return tail(self._supervisor.log_of(name), characters)

    # --- what breaks it ---------------------------------------------------------------------------

    def kill(self, kind: str, *, index: int | None = None, away: float = 0.0) -> Death:
        """Kill -9 one process of a kind; the seed chooses which. Returns its death.

        It is started again at once, or after so many seconds `away`.
        """
        return self._supervisor.end(
            self._supervisor.choose(kind, index), signal.SIGKILL, "kill", away=away
        )

    def pause(self, kind: str, seconds: float, *, index: int | None = None) -> str:
        """Stop a process of a kind where it stands (SIGSTOP), and let it go on later.

        Returns its name at once.
        """
        slot = self._supervisor.choose(kind, index)
        pid = slot.pid
        self._supervisor.signal(slot, signal.SIGSTOP)

        def go_on() -> None:
            with suppress(ProcessLookupError):
                if slot.pid == pid:
                    os.kill(pid, signal.SIGCONT)

        self._supervisor.later(seconds, go_on)
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
        return self._supervisor.end(
            self._supervisor.choose("postgres", None), signal.SIGQUIT, "stop"
        )

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
        for slot in self._supervisor.slots:
            self._supervisor.recall(slot)
        for index, slot in enumerate(self._supervisor.of("worker")):
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
        slot = self._supervisor.choose("worker", worker_index)
        slot.skew = seconds
        return self._supervisor.end(slot, signal.SIGKILL, "skew")

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

    def leaks(self) -> dict[str, Any]:
        """Return what a quiet desk should not pile up, see `leaking`."""
        return leaking.leaks(
            self.environment, pids=self.pids(), redis_socket=str(self._valkey.socket)
        )

    # --- the line-up ------------------------------------------------------------------------------

    def _server_slot(self, role: str, server: Postgres | Valkey) -> Slot:
        def start(slot: Slot) -> None:
            if isinstance(server, Postgres):
                server.prepare()  # waits for whatever is left of the one before
            self._supervisor.launch(
                slot, server.command(), is_python=False, death_signal=server.stop_signal
            )

        return Slot(role, role, start, server.answers, server.stop_signal)

    def _network_slot(self) -> Slot:
        argv = ["tests.chaos.proxy", str(self._network_socket), *self._links]

        def answers() -> bool:
            try:
                return "carried" in self._network.do(BROKER, "look")
            except OSError:
                return False

        return Slot("network", "network", lambda slot: self._supervisor.launch(slot, argv), answers)

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

        def start(slot: Slot) -> None:
            if said:
                Path(said).unlink(missing_ok=True)
            self._supervisor.launch(slot, argv, program.environment)

        def answers() -> bool:
            return asyncio.run(_ask(program))

        return Slot(name, role, start, answers, program.stop_signal)

    def _migrate(self, launcher: Launcher) -> None:
        log = self._supervisor.log_of("migrate")
        codes: list[int] = []
        ended = threading.Event()

        def gone(code: int) -> None:
            codes.append(code)
            ended.set()

        launcher.start(
            ["django", "migrate", "--verbosity=0"],
            environment={},
            log=log,
            began=lambda _: None,
            gone=gone,
        )
        if not ended.wait(START_WITHIN) or codes != [0]:
            raise Unstartable(f"The database could not be brought up to date:\n{tail(log)}")
        if self.mutant:
            with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
                mutants.prepare(self.mutant, connection)


async def _ask(program: Program) -> bool:
    return await program.ready()


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().choice(PORTS)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports

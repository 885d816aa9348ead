"""Starts the desk's own programs with our hands inside them: `python -m tests.chaos.sabotage`.

The desk has no hooks for tests. This launcher imports it once, replaces functions of it
(`failpoints`, `mutants`), and forks a child for each program: a worker that is killed is back in a
tenth of a second. Each child runs the very command line that `./desk up` runs. Programs that are
not Python are launched from here too, so that all of them die if we do.

Spoken to by lines of JSON over the socket that it inherits as its only argument.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import django
import time_machine
from django.urls import get_resolver

from embedded import spawning
from tests.chaos import failpoints, mutants
from tests.chaos.names import MUTANT, SKEW

# What the programs import only once they run, all of it without threads or connections.
WORLD = (
    "config.asgi",
    "config.celery",
    "config.urls",
    "celery.bin.celery",
    "celery.bin.beat",
    "celery.bin.worker",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "kombu.transport.redis",
    "uvicorn.main",
    "uvicorn.lifespan.off",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_impl",
    "orders.clock",
    "brokers.paper.server",
    "brokers.paper.telling",
    "psycopg_pool",
    "django.core.management.commands.migrate",
)


class Launcher:
    """Forks and runs, on one thread, for as long as the harness holds the other end."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._children: set[int] = set()
        self._bell, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._bell, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._wake = wake

    def run(self) -> None:
        """Serve until the harness hangs up; then take everything down."""
        self._say(ready=os.getpid())
        received = b""
        while True:
            readable, _, _ = select.select([self._line, self._bell], [], [])
            if self._bell in readable:
                os.read(self._bell, 4096)
                self._reap()
            if self._line in readable:
                chunk = self._line.recv(65536)
                if not chunk:
                    break
                *lines, received = (received + chunk).split(b"\n")
                for line in lines:
                    self._heed(json.loads(line))
        for child in self._children:
            os.kill(child, signal.SIGKILL)

    def _heed(self, asked: dict[str, Any]) -> None:
        start = self._fork if asked["do"] == "fork" else self._execute
        try:
            pid = start(asked)
        except OSError as error:
            self._say(id=asked["id"], error=str(error))
            return
        self._children.add(pid)
        self._say(id=asked["id"], pid=pid)

    def _fork(self, asked: Mapping[str, Any]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(asked, parent)
        return pid

    def _become(self, asked: Mapping[str, Any], parent: int) -> NoReturn:
        """Turn this fork into the program. Never returns into the launcher's code."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            _die_with(parent)
            for descriptor in (self._line.fileno(), self._bell, self._wake):
                os.close(descriptor)
            _speak_into(asked["log"])
            os.environ.update(asked["environment"])
            code = _play(asked["argv"])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 — it is said, and nothing of it reaches the launcher
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _execute(self, asked: Mapping[str, Any]) -> int:
        with Path(asked["log"]).open("ab") as log:
            child = subprocess.Popen(
                asked["argv"],
                env={**os.environ, **asked["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=spawning.die_with_parent(signal.Signals(asked["death_signal"])),  # noqa: PLW1509
            )
        child.returncode = 0  # we reap it ourselves
        return child.pid

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._children.discard(pid)
            self._say(died=pid, code=os.waitstatus_to_exitcode(status))

    def _say(self, **told: Any) -> None:
        self._line.sendall(json.dumps(told).encode() + b"\n")


def load_the_desk() -> None:
    """Import all of it, so that a fork has nothing left to import."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    for name in WORLD:
        importlib.import_module(name)
    app = importlib.import_module("config.celery").app
    app.loader.import_default_modules()
    app.finalize()
    assert get_resolver().url_patterns


def _play(argv: Sequence[str]) -> int:
    """Run a module as `python -m` does, by a clock that is as wrong as asked."""
    skew = float(os.environ.get(SKEW, "0"))
    if skew:
        time_machine.travel(datetime.now(UTC) + timedelta(seconds=skew), tick=True).start()
    sys.argv = list(argv)
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    return 0


def _die_with(parent: int) -> None:
    spawning._libc.prctl(spawning.PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _speak_into(log: str) -> None:
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    os.close(nothing)


def main() -> None:
    """Load, sabotage, and launch what we are told to."""
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)
    load_the_desk()
    failpoints.install()
    if name := os.environ.get(MUTANT):
        mutants.install(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise SystemExit(f"{threads} threads run before the first fork.")
    gc.collect()
    gc.freeze()  # else each child copies what its collector touches
    Launcher(line).run()


if __name__ == "__main__":
    main()

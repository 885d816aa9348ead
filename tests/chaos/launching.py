"""Our end of `tests.chaos.sabotage`, which starts every process of a rig."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from embedded.lineup import CHECKOUT
from embedded.spawning import die_with_parent

ANSWER_WITHIN = 60.0  # seconds
STOP_WITHIN = 15.0


class Unstartable(Exception):
    """A program did not come up. Carries the end of what it said."""


class Launcher:
    """Has programs started, and hears of their ends. For many threads."""

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
                env={**clean(os.environ), **environment},
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
            self._changed.wait_for(lambda: self.ready or self.gone, ANSWER_WITHIN)
        if not self.ready:
            raise Unstartable(f"The launcher did not load the desk:\n{tail(self._log)}")

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
            self._changed.wait_for(lambda: number in self._answers or not self.ready, ANSWER_WITHIN)
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


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what was meant for another desk."""
    ours = ("DESK_", "DATABASE_", "REDIS_", "DJANGO_", "PYTEST_", "CHAOS_", "PG")
    kept = ("DESK_PG_BIN", "DESK_VALKEY_SERVER")
    return {
        name: value
        for name, value in environment.items()
        if name in kept or not name.startswith(ours)
    }


def tail(log: Path, characters: int = 4000) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-characters:] if log.exists() else ""

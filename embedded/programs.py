"""One program of the desk: how to start it, when it is ready, how to stop it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Ready = Callable[[], Awaitable[bool]]


async def at_once() -> bool:
    """Say that a program is ready as soon as it runs."""
    return True


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the supervisor keeps running, or runs once."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)  # on top of the launcher's own
    ready: Ready = at_once
    quiet: bool = False  # what it says is shown only if it ends unasked
    bare: bool = False  # what it says is for the person at the terminal: no name before it
    stop_signal: signal.Signals = signal.SIGTERM
    # What it gets if the launcher is killed. Ours are built to be killed at any moment, and a
    # worker that waits politely for a Valkey that has gone too would be an orphan.
    death_signal: signal.Signals = signal.SIGKILL


def http_answers(port: int, path: str, *, at_most: int) -> Ready:
    """Return a check that a local server answers with no worse a status than that."""

    async def ready() -> bool:
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
                    status = (await reader.readline()).split()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        return len(status) > 1 and int(status[1]) <= at_most

    return ready


def file_appears(path: Path) -> Ready:
    """Return a check that a program has made a file to say that it is at work."""

    async def ready() -> bool:
        return path.exists()

    return ready


def server_answers(answers: Callable[[], bool]) -> Ready:
    """Return a check that asks an embedded server; local and quick enough to wait for."""

    async def ready() -> bool:
        return answers()

    return ready

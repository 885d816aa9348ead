"""A bad network, on purpose: TCP links that can be slow, silent, refusing, reset or cut short.

    python -m tests.chaos.proxy CONTROL NAME=PORT:TARGET[,TARGET] ...

A link listens on a local port and carries each connection to one of its targets: the next in turn
that takes it, as a load balancer does. What is done to a link is asked for through `Hand`, over a
Unix socket. Bytes are never changed, only held back or lost with their connection.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvloop

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of nothing: closing sends RST, not FIN
CONNECT_WITHIN = 2.0  # seconds for a target to take a connection, before the next is tried
UP, DOWN = "up", "down"  # from the client to the target, and back


@dataclass(slots=True)
class Cut:
    """A connection's sentence: reset once so many bytes have gone one way."""

    after: int
    way: str


@dataclass
class Link:
    """One way between two places, and what is wrong with it."""

    name: str
    port: int
    targets: Sequence[int]
    delay: float = 0.0
    slow_until: float = 0.0
    silent_until: float = 0.0
    cuts: deque[Cut] = field(default_factory=deque)
    connections: set[Connection] = field(default_factory=set)
    carried: int = 0  # connections so far
    turn: int = 0
    server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections from now on."""
        if self.server is None:
            self.server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self).client, "127.0.0.1", self.port, backlog=512
            )

    def refuse(self, seconds: float) -> None:
        """Take no connections for a while, and reset those there are."""
        if self.server is not None:
            self.server.close()
            self.server = None
        self.reset()
        asyncio.get_running_loop().call_later(seconds, lambda: asyncio.ensure_future(self.listen()))

    def silence(self, seconds: float) -> None:
        """Let nothing through for a while. What was sent meanwhile arrives afterwards."""
        self.silent_until = max(self.silent_until, _clock() + seconds)

    def slow(self, delay: float, seconds: float) -> None:
        """Hold each chunk of bytes back by so much, for a while."""
        self.delay, self.slow_until = delay, _clock() + seconds

    def reset(self) -> int:
        """Reset every connection there is; return how many."""
        doomed = list(self.connections)
        for connection in doomed:
            connection.reset()
        return len(doomed)

    def heal(self) -> None:
        """Be a good link again, and let everything held back arrive."""
        self.cuts.clear()
        self.silent_until = self.slow_until = 0.0
        for connection in list(self.connections):
            for end in (connection.client, connection.target):
                end.waiting = deque((0.0, data) for _, data in end.waiting)
                end.flush()

    def due(self) -> float:
        """Return when bytes that arrive now may go on."""
        now = _clock()
        return max(now + (self.delay if now < self.slow_until else 0.0), self.silent_until)


class Connection:
    """Two sockets, and what is under way between them."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.client, self.target = End(self, UP), End(self, DOWN)
        self.client.other, self.target.other = self.target, self.client
        self.cut: Cut | None = None
        self.opening: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """A client is there: find it a target."""
        self.link.connections.add(self)
        self.link.carried += 1
        if self.link.cuts:
            self.cut = self.link.cuts.popleft()
        self.opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        loop, link = asyncio.get_running_loop(), self.link
        for _ in link.targets:
            port = link.targets[link.turn % len(link.targets)]
            link.turn += 1
            try:
                async with asyncio.timeout(CONNECT_WITHIN):
                    await loop.create_connection(lambda: self.target, "127.0.0.1", port)
            except (OSError, TimeoutError):
                continue
            self.target.flush()
            return
        self.reset()

    def reset(self) -> None:
        """End both sides with RST, and lose what is under way."""
        for end in (self.client, self.target):
            end.waiting.clear()
            end.abort()
        self.gone()

    def gone(self) -> None:
        """Forget it once neither side is there."""
        if self.client.transport is None and self.target.transport is None:
            self.link.connections.discard(self)


class End(asyncio.Protocol):
    """One socket. What it receives waits at the other end until it is due there."""

    other: End

    def __init__(self, connection: Connection, way: str) -> None:
        self.connection, self.way = connection, way
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[tuple[float, bytes | None]] = deque()  # for this socket; None is EOF
        self.counted = 0
        self.ended = False  # nothing more will be sent here
        self._planned = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one, and no subclass
        if self.way == UP:
            self.connection.begin()

    def data_received(self, data: bytes) -> None:
        cut = self.connection.cut
        if cut is not None and cut.way == self.way:
            data = data[: cut.after - self.counted]
            self.counted += len(data)
        self.other.take(data)
        if cut is not None and cut.way == self.way and self.counted >= cut.after:
            self.other.flush(at_once=True)
            # The bytes before the cut arrive: an abort at once might take them back.
            asyncio.get_running_loop().call_later(0.02, self.connection.reset)

    def eof_received(self) -> bool:
        self.other.take(None)
        return True  # the other direction is still open

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if exc is not None and self.other.transport is not None:
            self.other.abort()
        else:
            self.other.take(None)
        self.connection.gone()

    def take(self, data: bytes | None) -> None:
        """Send these bytes on when they are due."""
        self.waiting.append((self.connection.link.due(), data))
        self.flush()

    def flush(self, *, at_once: bool = False) -> None:
        """Send what is due, and come again for the rest."""
        if self.transport is None:
            return
        now = _clock()
        held = now < self.connection.link.silent_until and not at_once
        while (
            self.transport is not None
            and self.waiting
            and not held
            and (self.waiting[0][0] <= now or at_once)
        ):
            _, data = self.waiting.popleft()
            if data is not None:
                self.transport.write(data)
            else:
                self._finish()
        if self.waiting and not self._planned:
            self._planned = True
            due = max(self.waiting[0][0], self.connection.link.silent_until)
            asyncio.get_running_loop().call_later(max(due - now, 0.001), self._come_again)

    def _finish(self) -> None:
        """Pass an end on; once it has come from both sides, close both."""
        assert self.transport is not None
        self.ended = True
        if self.other.transport is None:
            self.transport.close()
        elif self.other.ended:
            self.transport.close()
            self.other.transport.close()
        elif self.transport.can_write_eof():
            with suppress(OSError):
                self.transport.write_eof()

    def abort(self) -> None:
        """Reset this socket, as far as it is there."""
        if self.transport is None:
            return
        wire = self.transport.get_extra_info("socket")
        if wire is not None:
            with suppress(OSError):
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

    def _come_again(self) -> None:
        self._planned = False
        self.flush()


class Network:
    """All links of a rig, and the socket on which their faults are asked for."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = {link.name: link for link in links}

    async def serve(self, control: Path) -> None:
        """Carry until told to stop by a signal."""
        for link in self.links.values():
            await link.listen()
        control.unlink(missing_ok=True)
        hearing = await asyncio.start_unix_server(self._hear, control)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        hearing.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(self._do(**json.loads(line))).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _do(self, link: str, do: str, **how: Any) -> dict[str, Any]:
        found = self.links[link]
        match do:
            case "reset":
                return {"reset": found.reset()}
            case "cut":
                found.cuts.extend(Cut(how["after"], how["way"]) for _ in range(how["times"]))
            case "look":
                pass
            case _:
                getattr(found, do)(**how)
        return {"open": len(found.connections), "carried": found.carried}


class Hand:
    """Asks a network for its faults, from any thread."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def do(self, link: str, do: str, **how: Any) -> dict[str, Any]:
        """Do something to a link, and return what is said of it. Raises OSError."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(str(self._control))
            line.sendall(json.dumps({"link": link, "do": do, **how}).encode() + b"\n")
            answer = line.makefile().readline()
        if not answer:
            raise OSError(f"The network did not take {do} for {link}.")
        told: dict[str, Any] = json.loads(answer)
        return told


def _clock() -> float:
    return time.monotonic()


def main(arguments: Sequence[str]) -> None:
    """Run a network."""
    control, *told = arguments
    links = []
    for one in told:
        name, _, way = one.partition("=")
        port, _, targets = way.partition(":")
        links.append(Link(name, int(port), [int(target) for target in targets.split(",")]))
    uvloop.run(Network(links).serve(Path(control)))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The one way this desk opens a websocket to a broker, and what going wrong there means.

No redirect is followed and no proxy is asked: our key is in the first frame, and it goes to the
account's own host or nowhere. A connection on which nobody answers our pings is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from brokers.streams import BrokerStream, Heard, Step

OPEN_WITHIN = 10.0  # seconds for TCP, TLS and the handshake
BEGIN_WITHIN = 10.0  # seconds from there until the broker tells its news
PING_EVERY = 10.0  # seconds
ANSWER_WITHIN = 20.0  # seconds for a ping's answer; then the connection is dead
LARGEST_FRAME = 1024 * 1024  # bytes
FRAMES_WAITING = 64  # then the broker has to wait too


class Lost(Exception):
    """There is no connection, or not any more. The message says what was wrong."""


class Crowded(Lost):
    """The broker has another connection of this account, or has not forgotten one yet."""


class Mute(Lost):
    """The broker let us in, or seemed to, and did not begin to tell its news."""


class Unwelcome(Lost):
    """The broker does not take our credentials."""


@dataclass(slots=True)
class Line:
    """An open connection on which the broker has begun to tell its news."""

    address: str
    _stream: BrokerStream
    _socket: ClientConnection
    _early: list[tuple[bytes, Heard]] = field(default_factory=list)

    async def frames(self) -> AsyncIterator[tuple[bytes, Heard]]:
        """Yield every frame as it came, and what it is, for as long as the connection holds.

        Raises Lost when it ends, however it ends.
        """
        for frame in self._early:
            yield frame
        while True:
            payload = await _receive(self._socket)
            heard = self._stream.hear(payload)
            if heard.step is Step.TURNED_AWAY:
                raise Unwelcome(heard.says)
            yield payload, heard


@asynccontextmanager
async def dial(
    stream: BrokerStream, *, base_url: str, credentials: Mapping[str, str], after: str = ""
) -> AsyncIterator[Line]:
    """Connect, say who we are, and ask for the account's news; hang up at the end of the block.

    `after` is the last event that was heard. A broker that remembers tells those since; one that
    does not know it is asked again without.

    What is told before the broker confirms is not lost: `Line.frames` begins with it. Raises Lost.
    """
    address = stream.address(base_url)
    try:
        greeting = stream.greeting(credentials)
    except KeyError as error:
        raise Unwelcome(f"The account has no credential {error}, or none we can read.") from error
    socket = await _open(address)
    try:
        yield Line(address, stream, socket, await _begin(stream, socket, greeting, after=after))
    finally:
        await socket.close()


async def _begin(
    stream: BrokerStream, socket: ClientConnection, greeting: str, *, after: str
) -> list[tuple[bytes, Heard]]:
    """Get as far as the broker telling its news. Returns what it told meanwhile."""
    early: list[tuple[bytes, Heard]] = []
    try:
        async with asyncio.timeout(BEGIN_WITHIN):
            await socket.send(greeting)
            while True:
                payload = await _receive(socket)
                heard = stream.hear(payload)
                match heard.step:
                    case Step.LET_IN:
                        await socket.send(stream.request(after=after))
                    case Step.COMPLAINT if after:
                        after = ""
                        await socket.send(stream.request(after=after))
                    case Step.COMPLAINT:
                        raise Mute(heard.says)
                    case Step.TURNED_AWAY:
                        raise Unwelcome(heard.says)
                    case Step.LISTENING:
                        return early
                    case Step.TOLD:
                        early.append((payload, heard))
    except TimeoutError as error:
        raise Mute(f"It did not begin to tell its news within {BEGIN_WITHIN:.0f} s.") from error
    except ConnectionClosed as error:
        raise Lost(_in_words(error)) from error


async def _receive(socket: ClientConnection) -> bytes:
    try:
        # As bytes, text too: a frame that is not UTF-8 is to be kept, and not the end of the talk.
        return await socket.recv(decode=False)
    except ConnectionClosed as error:
        raise Lost(_in_words(error)) from error


class _Direct(connect):
    """A connection to the address that was named, and to no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _open(address: str) -> ClientConnection:
    try:
        return await _Direct(
            address,
            compression=None,  # costs more memory than it saves time for a few events
            proxy=None,
            open_timeout=OPEN_WITHIN,
            ping_interval=PING_EVERY,
            ping_timeout=ANSWER_WITHIN,
            close_timeout=2,
            max_size=LARGEST_FRAME,
            max_queue=FRAMES_WAITING,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status == 429:
            raise Crowded(
                "It answered 429: another connection of this account is open, or was until now."
            ) from error
        if status in {401, 403}:
            raise Unwelcome(f"It answered {status} to the handshake.") from error
        raise Lost(f"It answered {status} to the handshake.") from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
        raise Lost(f"No connection: {str(error) or type(error).__name__}.") from error


def _in_words(error: ConnectionClosed) -> str:
    if error.rcvd is not None:
        reason = f" ({error.rcvd.reason})" if error.rcvd.reason else ""
        return f"The broker hung up with {error.rcvd.code}{reason}."
    if error.sent is not None and "ping" in error.sent.reason:
        return f"It answered no ping for {ANSWER_WITHIN:.0f} s."
    if error.sent is not None:
        return f"We hung up with {error.sent.code} ({error.sent.reason})."
    return "The connection broke off."

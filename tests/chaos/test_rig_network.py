"""The bad network, over the loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from tests.chaos.proxy import DOWN, UP, Cut, Link

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Place:
    """A server that notes what it is sent, and answers each line with its length."""

    def __init__(self) -> None:
        self.heard = b""
        self.resets = 0

    async def serve(self) -> None:
        self.server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.port = int(self.server.sockets[0].getsockname()[1])

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                self.heard += chunk
                writer.write(b"%d." % len(chunk))
                await writer.drain()
        except ConnectionResetError:
            self.resets += 1
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def link_to(*places: Place, ports: tuple[int, ...] = ()) -> AsyncIterator[Link]:
    for place in places:
        await place.serve()
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = int(probe.sockets[0].getsockname()[1])
    probe.close()
    await probe.wait_closed()
    link = Link("test", port, [*ports, *(place.port for place in places)])
    await link.listen()
    yield link
    link.reset()
    assert link.server is not None
    link.server.close()
    for place in places:
        place.server.close()


async def ask(streams: Streams, said: bytes) -> bytes:
    streams[1].write(said)
    return await asyncio.wait_for(streams[0].read(1000), 5)


async def until(so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not so():  # noqa: ASYNC110 — nobody tells us
            await asyncio.sleep(0.01)


async def test_a_good_link_carries_both_ways_and_forgets_what_has_ended() -> None:
    there = Place()
    async with link_to(there) as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        assert await ask(streams, b"hello") == b"5."
        assert await ask(streams, b"you") == b"3."

        streams[1].close()

        await until(lambda: not link.connections)
        assert there.heard == b"helloyou"
        assert link.carried == 1


async def test_what_was_sent_before_the_sender_left_arrives() -> None:
    there = Place()
    async with link_to(there) as link:
        _, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"last words")
        writer.close()

        await until(lambda: there.heard == b"last words")
        await until(lambda: not link.connections)


async def test_connections_go_round_and_pass_over_who_is_not_there() -> None:
    one, two = Place(), Place()
    async with link_to(one, two, ports=(1,)) as link:
        for _ in range(6):
            streams = await asyncio.open_connection("127.0.0.1", link.port)
            assert await ask(streams, b"x") == b"1."
            streams[1].close()

        assert (len(one.heard), len(two.heard)) in {(3, 3), (4, 2), (2, 4)}


async def test_nobody_at_the_other_end_is_a_reset() -> None:
    async with link_to(ports=(1,)) as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises(ConnectionResetError):
            await ask(streams, b"x")


async def test_a_slow_link_is_slow_both_ways_for_a_while() -> None:
    there = Place()
    async with link_to(there) as link:
        link.slow(0.15, 60)
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        began = time.monotonic()
        assert await ask(streams, b"x") == b"1."
        assert time.monotonic() - began >= 0.3

        link.heal()
        began = time.monotonic()
        assert await ask(streams, b"x") == b"1."
        assert time.monotonic() - began < 0.15
        streams[1].close()


async def test_a_silent_link_takes_everything_and_delivers_it_late() -> None:
    there = Place()
    async with link_to(there) as link:
        link.silence(0.4)
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        streams[1].write(b"anybody?")
        await asyncio.sleep(0.2)
        assert there.heard == b""

        assert await asyncio.wait_for(streams[0].read(10), 5) == b"8."
        streams[1].close()


async def test_a_link_that_is_healed_is_silent_no_longer() -> None:
    there = Place()
    async with link_to(there) as link:
        link.silence(60)
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        streams[1].write(b"x")
        await asyncio.sleep(0.05)

        link.heal()

        assert await asyncio.wait_for(streams[0].read(10), 5) == b"1."
        streams[1].close()


async def test_a_refusing_link_refuses_and_comes_back() -> None:
    there = Place()
    async with link_to(there) as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        assert await ask(streams, b"x") == b"1."

        link.refuse(0.3)

        with pytest.raises(ConnectionResetError):
            await ask(streams, b"x")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", link.port)
        await asyncio.sleep(0.4)
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        assert await ask(streams, b"x") == b"1."
        streams[1].close()


async def test_a_reset_is_felt_on_both_sides() -> None:
    there = Place()
    async with link_to(there) as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        assert await ask(streams, b"x") == b"1."

        assert link.reset() == 1

        with pytest.raises(ConnectionResetError):
            await ask(streams, b"x")
        await until(lambda: there.resets == 1)


async def test_a_request_cut_short_arrives_as_far_as_it_came() -> None:
    there = Place()
    async with link_to(there) as link:
        link.cuts.append(Cut(4, UP))
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises(ConnectionResetError):
            while await ask(streams, b"abcdefgh"):
                pass

        assert there.heard == b"abcd"
        whole = await asyncio.open_connection("127.0.0.1", link.port)
        assert await ask(whole, b"abcdefgh") == b"8."  # only the next connection was cut
        whole[1].close()


async def test_an_answer_cut_short_comes_after_the_whole_request() -> None:
    there = Place()
    async with link_to(there) as link:
        link.cuts.append(Cut(1, DOWN))
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        assert await ask(streams, b"twelve bytes") == b"1"
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(streams[0].read(10), 5)

        assert there.heard == b"twelve bytes"

"""Run one server for as long as a block lasts."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from signal import Signals
from typing import Protocol

from embedded.places import Unusable
from embedded.spawning import die_with_parent

START_WITHIN = 30  # seconds; a loaded machine may take ten
STOP_WITHIN = 10


class Server(Protocol):
    """What can be started, asked and stopped."""

    @property
    def stop_signal(self) -> Signals: ...
    def command(self) -> list[str]: ...
    def answers(self) -> bool: ...


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Start a server, wait until it answers, and stop it at the end of the block.

    Raises Unusable, with what the server said, if it does not come up.
    """
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            server.command(),
            stdout=said,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent(server.stop_signal),  # noqa: PLW1509 - calls only the kernel
        )
        try:
            deadline = time.monotonic() + START_WITHIN
            while not server.answers():
                if child.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    raise Unusable(f"{server.command()[0]} did not start:\n{said.read()}")
                time.sleep(0.02)
            yield
        finally:
            child.send_signal(server.stop_signal)
            try:
                child.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

"""One desk to a data directory, held by a lock that the kernel lets go of however we end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.places import Unusable, private_folder


@contextmanager
def only_desk_in(data: Path) -> Iterator[None]:
    """Hold the data directory, making it on the first run.

    Raises Unusable while another desk holds it.
    """
    private_folder(data)
    with (data / "desk.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Unusable(
                f"A desk is already running in {data} (process {lock.read().strip()}). "
                "For a second one, give it a place and a port: ./desk up --data DIR --port PORT"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def is_running(data: Path) -> bool:
    """Say whether a desk holds the directory."""
    try:
        with (data / "desk.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False

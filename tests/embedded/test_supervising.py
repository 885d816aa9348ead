"""The supervisor against real processes: order, crashes, and every way to end it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
GIVEN = ("DATABASE_URL", "REDIS_URL")


class SmallDesk:
    def __init__(self, folder: Path, scene: str) -> None:
        self.folder = folder
        environment = {name: value for name, value in os.environ.items() if name not in GIVEN}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.small_desk", str(folder), scene],
            cwd=CHECKOUT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def says(self, words: str) -> None:
        """Read on until the desk says this."""
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if words in line:
                return
        pytest.fail(f"never said {words!r}:\n{''.join(said)}")

    def log(self, word: str) -> dict[str, int]:
        """Return whom this happened to, in order, with their process ids."""
        lines = (self.folder / "log").read_text().splitlines()
        return {name: int(pid) for name, what, pid in map(str.split, lines) if what == word}

    def ends(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.read()
        return self.process.wait(10)

    def descendants(self) -> set[int]:
        """Return every process of ours: each child leads a session, so ask by parent."""
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return {int(pid) for pid in listed.stdout.split()}


@pytest.fixture
def small_desk(tmp_path: Path) -> Iterator[Callable[[str], SmallDesk]]:
    started: list[SmallDesk] = []

    def start(scene: str) -> SmallDesk:
        started.append(SmallDesk(tmp_path, scene))
        return started[-1]

    yield start
    for desk in started:
        desk.process.kill()
        desk.process.wait()
        assert desk.process.stdout is not None
        desk.process.stdout.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(truth: Callable[[], bool], *, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if truth():
            return True
        time.sleep(0.02)
    return False


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_stops_the_last_stage_first_and_ends_well(self, small_desk, number):
        desk = small_desk("plain")
        desk.says("ready")

        desk.process.send_signal(number)

        assert desk.ends() == 0
        assert set(list(desk.log("stopped"))[:2]) == {"web", "worker"}
        assert list(desk.log("stopped"))[2:] == ["store"]

    def test_a_second_ctrl_c_kills_what_will_not_stop(self, small_desk):
        desk = small_desk("stubborn")
        desk.says("ready")

        desk.process.send_signal(signal.SIGINT)
        desk.says("again to kill")
        desk.process.send_signal(signal.SIGINT)

        assert desk.ends() == 0
        assert not any(is_alive(pid) for pid in desk.log("started").values())

    def test_leaves_no_orphan_when_it_is_killed(self, small_desk):
        desk = small_desk("real servers")
        desk.says("ready")
        children = desk.descendants()
        assert len(children) == 5

        desk.process.kill()

        assert eventually(lambda: not any(is_alive(pid) for pid in children))


class TestCrashes:
    def test_names_what_does_not_become_ready(self, small_desk):
        desk = small_desk("slow")

        desk.says("Not ready after 0.3 s: late.")

        assert desk.ends() == 1

    def test_starts_again_what_has_crashed(self, small_desk):
        desk = small_desk("plain")
        desk.says("ready")
        first = desk.log("started")["web"]

        os.kill(first, signal.SIGKILL)

        desk.says("web was killed by SIGKILL; starting it again")
        assert eventually(lambda: desk.log("started")["web"] != first)

    def test_stops_everything_if_something_cannot_start(self, small_desk):
        desk = small_desk("broken")

        desk.says("late ended with status 3 before it was ready.")

        assert desk.ends() == 1
        assert not any(is_alive(pid) for pid in desk.log("started").values())


class TestNowAndThen:
    def test_runs_while_it_is_wanted_and_only_then(self, small_desk, tmp_path):
        desk = small_desk("now and then")
        desk.says("ready")
        assert "stream" not in desk.log("started")

        (tmp_path / "wanted").touch()
        assert eventually(lambda: "stream" in desk.log("started"))
        first = desk.log("started")["stream"]
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: desk.log("started")["stream"] != first)  # it had crashed

        (tmp_path / "wanted").unlink()
        desk.says("stream is not needed any more")
        second = desk.log("started")["stream"]
        assert eventually(lambda: not is_alive(second))

        (tmp_path / "wanted").touch()
        assert eventually(lambda: desk.log("started")["stream"] != second)
        desk.process.send_signal(signal.SIGINT)
        assert desk.ends() == 0
        assert not is_alive(desk.log("started")["stream"])

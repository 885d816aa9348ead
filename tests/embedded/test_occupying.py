"""What `up` refuses, and that it refuses before anything has started."""

import socket
import subprocess
from pathlib import Path

from embedded import up
from embedded.occupying import is_running, only_desk_in

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def test_a_second_desk_in_one_directory_is_refused(tmp_path, capsys):
    with only_desk_in(tmp_path):
        assert up.main(["--data", str(tmp_path)]) == 1

    assert "already running" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["desk.lock"]


def test_a_port_in_use_is_refused(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert up.main(["--data", str(tmp_path), "--port", str(port)]) == 1

    assert f"Port {port} is in use" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["desk.lock"]


def test_a_directory_is_free_again_once_its_desk_has_gone(tmp_path):
    with only_desk_in(tmp_path):
        assert is_running(tmp_path)

    assert not is_running(tmp_path)


def test_a_command_for_a_desk_that_is_not_running_says_so(tmp_path):
    for command in (["key"], ["manage", "check"]):
        done = subprocess.run(
            [CHECKOUT / "desk", *command, "--data", tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert f"No desk is running in {tmp_path}." in done.stderr

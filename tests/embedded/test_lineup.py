"""What makes up a desk, and as whom it runs."""

import os
import signal
import stat
import subprocess
import threading

import pytest

from embedded.environment import desk_environment, kept_port, kept_secrets, read_variables
from embedded.lineup import embedded_servers, programs
from embedded.places import Unusable, private_folder, socket_folder
from embedded.postgres import Postgres
from embedded.spawning import unprivileged


class TestEmbeddedServers:
    def test_are_not_started_where_others_are_given(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/desk")
        monkeypatch.setenv("REDIS_URL", "redis://redis.example/0")
        environment: dict[str, str] = {}

        assert list(embedded_servers(tmp_path, environment)) == []

        assert environment["DATABASE_URL"] == "postgresql://db.example/desk"
        assert environment["REDIS_URL"] == "redis://redis.example/0"
        assert list(tmp_path.iterdir()) == []

    def test_one_is_started_where_the_other_is_given(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/desk")
        monkeypatch.delenv("REDIS_URL", raising=False)

        assert [server.name for server in embedded_servers(tmp_path, {})] == ["valkey"]


class TestPostgres:
    def test_runs_as_nobody_for_root_and_dies_with_its_parent(self, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 0)

        command = unprivileged(["postgres"], with_signal=signal.SIGINT)

        assert command[0] == "setpriv"
        assert {"--reuid=65534", "--clear-groups", "--pdeathsig=INT"} <= set(command)
        assert command[-1] == "postgres"

    def test_runs_as_it_is_for_anybody_else(self, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 1000)

        assert unprivileged(["postgres", "-D"], with_signal=signal.SIGINT) == ["postgres", "-D"]

    def test_listens_on_no_port_and_keeps_what_it_is_told(self, tmp_path):
        command = Postgres(data=tmp_path).command()

        assert "listen_addresses=" in command
        assert "fsync=off" not in command

    def test_refuses_a_cluster_of_another_version_and_says_what_to_do(self, tmp_path):
        (tmp_path / "pg").mkdir()
        (tmp_path / "pg" / "PG_VERSION").write_text("13\n")

        with pytest.raises(Unusable, match=r"made by PostgreSQL 13.*pg_dump"):
            Postgres(data=tmp_path).prepare()

    def test_waits_for_a_server_that_lost_its_launcher_to_leave(self, tmp_path):
        (tmp_path / "pg").mkdir()
        (tmp_path / "pg" / "PG_VERSION").write_text("13\n")
        leaving = subprocess.Popen(["sleep", "30"])
        (tmp_path / "pg" / "postmaster.pid").write_text(f"{leaving.pid}\n/somewhere\n")
        threading.Timer(0.2, lambda: (leaving.kill(), leaving.wait())).start()

        with pytest.raises(Unusable, match="made by PostgreSQL 13"):
            Postgres(data=tmp_path).prepare()

        assert leaving.returncode is not None


class TestSockets:
    def test_lie_in_the_data_directory(self, tmp_path):
        assert socket_folder(tmp_path, longest_name="s") == tmp_path / "run"

    def test_lie_elsewhere_if_the_path_is_too_long_to_bind(self, tmp_path):
        deep = tmp_path / ("d" * 90)

        folder = socket_folder(deep, longest_name=".s.PGSQL.5432.lock")

        other = socket_folder(tmp_path / ("e" * 90), longest_name=".s.PGSQL.5432.lock")

        assert len(str(folder)) < 80
        assert folder != other
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder.rmdir()
        other.rmdir()

    def test_are_never_put_where_a_link_leads(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(Unusable, match="is not a directory of yours"):
            private_folder(tmp_path / "link")


class TestEnvironment:
    def test_secrets_are_made_once_and_are_for_their_owner_alone(self, tmp_path):
        first = kept_secrets(tmp_path)

        assert kept_secrets(tmp_path) == first
        assert len(set(first.values())) == 3
        assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600
        assert read_variables(tmp_path / "secrets.env") == first

    def test_what_is_given_wins_over_what_is_kept(self, tmp_path):
        given = {"DESK_SECRET_KEY": "given", "HOME": "/nowhere"}

        environment = desk_environment(tmp_path, port=8123, given=given)

        assert environment["DESK_SECRET_KEY"] == "given"
        assert environment["DESK_URL"] == "http://127.0.0.1:8123"
        assert "HOME" not in environment

    def test_the_exchange_keeps_its_port(self, tmp_path):
        assert kept_port(tmp_path / "port") == kept_port(tmp_path / "port")

    def test_no_secret_is_on_a_command_line(self, tmp_path):
        environment = desk_environment(tmp_path, port=8123, given={})
        secrets = kept_secrets(tmp_path).values()

        lines = [" ".join(p.command) for p in programs(tmp_path, environment, port=8123)]

        assert len(lines) == 4
        assert not any(secret in line for line in lines for secret in secrets)

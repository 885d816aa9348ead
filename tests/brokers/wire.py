"""A raw socket that answers as it is told: what brokers, proxies and cables really do."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Script = Callable[[socket.socket], None]
RESET = struct.pack("ii", 1, 0)


def answer(
    status: int, body: object = b"", *, kind: str = "application/json", **headers: str
) -> Script:
    """Give one whole answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def script(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status} Word\r\nContent-Type: {kind}\r\n{more}"
        head += f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + content)

    return script


def cut(status: int, body: Mapping[str, Any]) -> Script:
    """Promise a whole answer, send half of it, and hang up."""
    content = json.dumps(body).encode()

    def script(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status} Word\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content[: len(content) // 2])

    return script


def stay(status: int, body: object) -> tuple[Script, list[str]]:
    """Answer, keep the connection open, and note who closes it."""
    content = json.dumps(body).encode()
    closed: list[str] = []

    def script(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status} Word\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content)
        connection.settimeout(1)
        try:
            closed.append("the client" if connection.recv(1) == b"" else "nobody")
        except TimeoutError:
            closed.append("we")

    return script, closed


def hang_up(_connection: socket.socket) -> None:
    """Close without a word."""


def reset(connection: socket.socket) -> None:
    """Close with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def silence(connection: socket.socket) -> None:
    """Say nothing until the client leaves."""
    connection.settimeout(10)
    while connection.recv(1024):
        pass


def drip(connection: socket.socket) -> None:
    """Send a header letter by letter, never so slowly that one read times out."""
    try:
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 200:
            connection.sendall(bytes([letter]))
            time.sleep(0.05)
    except OSError:
        pass  # the client had enough


class Wire:
    """A listening socket. It does `script` to every request, and keeps what it was sent."""

    def __init__(self) -> None:
        self.script: Script = hang_up
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def bodies(self) -> list[Any]:
        """Return the JSON of each request."""
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.requests]

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(15)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    request = _whole_request(connection)
                    if request:
                        self.requests.append(request)
                        self.script(connection)
                except OSError:
                    continue  # the client left, as it may


def _whole_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return received
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body

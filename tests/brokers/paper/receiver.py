"""A webhook's receiver for tests: keeps what comes, answers as it is told."""

from __future__ import annotations

import base64
import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"a secret of the paper exchange").decode()


@dataclass(frozen=True)
class Received:
    """One delivery, as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Listens on a port of its own. `answers` gives the status for each delivery."""

    def __init__(self) -> None:
        self.answers: Callable[[Received], int] = lambda _: 204
        self._queue: queue.Queue[Received] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(headers, body)
                status = receiver.answers(received)
                receiver._queue.put(received)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/hook?x=1"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next(self, *, within: float = 10) -> Received:
        """Return the next delivery, waiting for it."""
        return self._queue.get(timeout=within)

    def take(self, count: int) -> list[Received]:
        """Return so many deliveries, waiting for them."""
        return [self.next() for _ in range(count)]

    @property
    def is_quiet(self) -> bool:
        """Nothing more has come, up to now."""
        return self._queue.empty()

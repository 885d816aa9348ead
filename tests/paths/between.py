"""What stands between two desks: it carries each request on, and loses what it is told to lose."""

from __future__ import annotations

import socket
from collections import deque

import httpx

from tests.brokers.wire import Script, Wire, answer, cut, reset

UNHEARD = "unheard"  # the request never arrives
LOST = "lost"  # it arrives, and its answer does not
HALF = "half"  # its answer is cut off
LATE = "late"  # it arrives, and somebody says that it did not come back in time
GARBLED = "garbled"  # it arrives, and its answer can't be read
PASSED_ON = {"content-type", "apca-api-key-id", "apca-api-secret-key"}
AFTER_ARRIVAL = (LOST, HALF, LATE, GARBLED)


class Between(Wire):
    """A wire to a desk. `faults` befall the next requests of a method, in turn."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target, self.faults = target, deque[tuple[str, str]]()
        self.script = self._carry
        self.seen: list[tuple[str, str]] = []

    def fails(self, method: str, fault: str, times: int = 1) -> None:
        """Let a fault befall the next requests of a method."""
        self.faults.extend([(method, fault)] * times)

    def count(self, method: str) -> int:
        """Return how many requests of a method were made."""
        return sum(seen == method for seen, _ in self.seen)

    def _carry(self, connection: socket.socket) -> None:
        head, _, body = self.requests[-1].partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        self.seen.append((method, path))
        fault = ""
        if self.faults and self.faults[0][0] == method:
            _, fault = self.faults.popleft()
        if fault == UNHEARD:
            reset(connection)
            return
        told = dict(line.split(": ", 1) for line in lines)
        headers = {name: value for name, value in told.items() if name.lower() in PASSED_ON}
        with httpx.Client(trust_env=False, timeout=20) as client:
            try:
                said = client.request(method, self.target + path, headers=headers, content=body)
            except httpx.HTTPError:
                reset(connection)
                return
        _script(fault, said)(connection)


def _script(fault: str, said: httpx.Response) -> Script:
    match fault:
        case "lost":
            return reset
        case "half":
            return cut(200, said.json())
        case "late":
            return answer(504, {"code": 50410000, "message": "gateway timeout"})
        case "garbled":
            return answer(200, b"<html>welcome</html>", kind="text/html")
        case _:
            return answer(said.status_code, said.content)

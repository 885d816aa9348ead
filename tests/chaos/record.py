"""What the driver was told and what the sampler read, on disk as it comes: it outlives a crash."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.checking.records import Answer, Halt, Push, Sample


class Record:
    """Everything seen from outside, in memory for the checks and in a file for whoever looks."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()
        self.answers: list[Answer] = []
        self.halts: list[Halt] = []
        self.pushes: list[Push] = []  # a forger's
        self.secrets_found: list[str] = []
        self._samples: dict[tuple[Any, ...], list[Sample]] = {}
        self.sampled = 0  # views, those included of which only the first and the last are kept

    def close(self) -> None:
        self._file.close()

    def note(self, line_of: str, **said: Any) -> None:
        """Write one line of a kind."""
        line = {"line": line_of, "at": datetime.now(UTC), **said}
        with self._lock:
            self._file.write(json.dumps(line, default=_plain) + "\n")

    def answered(self, answer: Answer, **more: Any) -> None:
        self.answers.append(answer)
        self.note("answer", **asdict(answer), **more)

    def halted(self, halt: Halt) -> None:
        self.halts.append(halt)
        self.note("halt", **asdict(halt))

    def pushed(self, push: Push) -> None:
        self.pushes.append(push)
        self.note("forgery", **asdict(push))

    def seen(self, sample: Sample) -> None:
        """Keep a view: of equal ones, the first and the last."""
        self.sampled += 1
        said = (sample.order_id, sample.seen_on, sample.submission, sample.status)
        shown = (sample.word, sample.filled, sample.is_qualified)
        kept = self._samples.setdefault((*said, *shown), [])
        if len(kept) == 2:
            kept.pop()
        else:
            self.note("view", **asdict(sample))
        kept.append(sample)

    def leaked(self, where: str) -> None:
        """Note that a secret was shown."""
        self.secrets_found.append(where)
        self.note("leak", where=where)

    @property
    def samples(self) -> list[Sample]:
        return [sample for kept in self._samples.values() for sample in kept]


def _plain(value: Any) -> str:
    match value:
        case datetime():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)

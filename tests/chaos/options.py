"""What a run is asked for, and what it came to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checking.world import World
from tests.chaos.mutants import MUTANTS, Aim


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    seed: int
    orders: int
    kills: int
    per_window: int
    rate: float  # orders a second
    quiet_for: float  # seconds, at most, for all to come right
    out: Path
    mutant: str | None = None  # of `mutants.MUTANTS`: its aim, and unless `sound` its defect
    sound: bool = False

    @property
    def aim(self) -> Aim | None:
        """What makes the mutant show itself; None for a desk with nothing wrong."""
        return MUTANTS[self.mutant].aim if self.mutant else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    options: Options
    world: World
    violations: dict[str, list[str]]
    seconds: dict[str, float]  # how long each part took
    sampled: int
    brokers: tuple[str, ...]
    wrongs: dict[str, int]  # what was done to the desk, and how often
    intents: dict[str, int]  # their numbers, by client order id

    @property
    def is_clean(self) -> bool:
        return not any(self.violations.values())


class Stopwatch:
    """How long each part of a run took."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.parts: dict[str, float] = {}

    def note(self, part: str) -> None:
        """Say that a part has just ended."""
        now = time.monotonic()
        self.parts[part], self._last = round(now - self._last, 1), now

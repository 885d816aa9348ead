"""Bars: what a chart shows. One symbol's past, full from the first second.

Prices are whole numbers of the instrument's increment throughout, times are
whole unix seconds: a bar starts at a multiple of its length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

FINE, COARSE = 5, 60  # seconds in a kept bar
FINE_KEPT = 2 * 3600 // FINE  # two hours of the one
COARSE_KEPT = 7 * 86400 // COARSE  # and a week of the other


@dataclass(slots=True)
class Bar:
    """Open, high, low and close of the interval that starts at `at`."""

    at: int
    open: int
    high: int
    low: int
    close: int

    def add(self, later: Bar) -> None:
        """Take in a bar that follows."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close


class Chart:
    """One symbol's bars. A past is made up when it is first asked for, and kept from then on."""

    def __init__(self, *, price: int, at: int, wiggle: int, random: Random) -> None:
        self._began_at, self._began_with = at, price
        self._wiggle, self._random = wiggle, random
        self._fine: deque[Bar] = deque(maxlen=FINE_KEPT)
        self._coarse: deque[Bar] = deque(maxlen=COARSE_KEPT)
        self._has_past = False

    def add(self, price: int, *, at: int) -> None:
        """Take in a price."""
        for bars, seconds in ((self._fine, FINE), (self._coarse, COARSE)):
            tick = Bar(at - at % seconds, price, price, price, price)
            if bars and bars[-1].at >= tick.at:
                bars[-1].add(tick)
            else:
                bars.append(tick)

    def bars(self, *, seconds: int, count: int) -> list[Bar]:
        """Return the latest `count` bars of an interval, oldest first."""
        if not self._has_past:
            self._make_past()
        return grouped(self._coarse if seconds % COARSE == 0 else self._fine, seconds)[-count:]

    def _make_past(self) -> None:
        """Walk backwards from where the chart began: two fine hours, then a coarse week."""
        self._has_past = True
        since = list(self._fine), list(self._coarse)
        until = self._began_at - self._began_at % COARSE
        fine, price = self._walk(until, FINE, FINE_KEPT, self._began_with, self._wiggle)
        coarse, _ = self._walk(
            until - FINE * FINE_KEPT, COARSE, COARSE_KEPT, price, self._wiggle * 3
        )
        self._fine.clear()
        self._fine.extend(fine + since[0])
        self._coarse.clear()
        self._coarse.extend(coarse + grouped(fine, COARSE) + since[1])

    def _walk(
        self, until: int, seconds: int, count: int, close: int, wiggle: int
    ) -> tuple[list[Bar], int]:
        draw = self._random.randint
        bars = []
        for step in range(1, count + 1):
            # Drawn towards where it began, or a week of steps would wander off to nothing.
            pull = (self._began_with - close) // 200
            start = max(wiggle + 1, close + pull + draw(-wiggle, wiggle))
            high = max(start, close) + draw(0, wiggle // 2)
            low = max(1, min(start, close) - draw(0, wiggle // 2))
            bars.append(Bar(until - step * seconds, start, high, low, close))
            close = start
        bars.reverse()
        return bars, close


def grouped(bars: Iterable[Bar], seconds: int) -> list[Bar]:
    """Return longer bars made of shorter ones."""
    longer: list[Bar] = []
    for bar in bars:
        start = bar.at - bar.at % seconds
        if longer and longer[-1].at == start:
            longer[-1].add(bar)
        else:
            longer.append(Bar(start, bar.open, bar.high, bar.low, bar.close))
    return longer

"""What one line of a dialect's table holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from string import Formatter

from brokers.reasons.codes import Reason


@dataclass(frozen=True, slots=True)
class Said:
    """A status, a code, and the text that tells where the code alone does not.

    A text has gaps such as `{symbol}`, which hold anything.
    """

    status: int
    code: str
    text: str = ""

    def is_in(self, message: str) -> bool:
        """Whether the telling text is part of a message, in whatever case."""
        return _pattern(self.text).search(message) is not None

    @property
    def weight(self) -> int:
        """How much it tells: of two that fit, the one that says more is meant."""
        return sum(len(words) for words, *_ in Formatter().parse(self.text))

    def filled(self, about: Mapping[str, str]) -> str:
        """Return the text with its gaps filled; a gap of which nothing is known stays empty."""
        return "".join(
            words + (about.get(gap, "") if gap else "")
            for words, gap, *_ in Formatter().parse(self.text)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a broker says each reason, and what else it is known to say.

    Where two lines of a table look alike, the broker can't tell them apart: what it says is taken
    for the first.
    """

    says: Mapping[Reason, Said]
    also: tuple[tuple[Said, Reason], ...] = field(default=())


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    parts = ((words, gap) for words, gap, *_ in Formatter().parse(text))
    told = "".join(re.escape(words) + ("" if gap is None else ".*?") for words, gap in parts)
    return re.compile(told, re.IGNORECASE | re.DOTALL)

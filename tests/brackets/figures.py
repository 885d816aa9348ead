"""Adds trials up, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What became of a trial."""

    seed: int
    strategy: str
    plan: str
    violations: list[str]
    was_bare: bool
    incidents: int
    oversold: int
    legs: int
    failed: int  # of the requests
    deaths: int
    told_unsaid: float  # seconds, the longest
    bare_unsaid: float
    story: list[str] = field(default_factory=list)


def table(outcomes: Sequence[Outcome], *, took: float) -> str:
    """Return what the trials came to, a line each."""
    rows = {
        "Trials": len(outcomes),
        "of which native / pairs / pending": " / ".join(
            str(sum(one.strategy == strategy for one in outcomes))
            for strategy in ("native", "native_oco", "pending")
        ),
        "Legs let out or told of": sum(one.legs for one in outcomes),
        "Requests refused, lost or unanswered": sum(one.failed for one in outcomes),
        "Times the desk was cut off": sum(one.deaths for one in outcomes),
        "Trials that lacked protection at some time": sum(one.was_bare for one in outcomes),
        "UNPROTECTED incidents": sum(one.incidents for one in outcomes),
        "OVERSOLD incidents": sum(one.oversold for one in outcomes),
        "Longest silence, from being told (s)": _longest(o.told_unsaid for o in outcomes),
        "Longest silence, from its being so (s)": _longest(o.bare_unsaid for o in outcomes),
        "Trials with a violation": sum(bool(one.violations) for one in outcomes),
        "Took (s)": f"{took:.0f}",
    }
    return "\n".join(f"{name:44} {value}" for name, value in rows.items())


def _longest(seconds: Iterable[float]) -> str:
    return f"{max(seconds, default=0.0):.1f}"

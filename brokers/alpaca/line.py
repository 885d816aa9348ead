"""One account's line to Alpaca: its key, its budget of requests, and what an answer proves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from brokers import http
from brokers.alpaca.words import REFUSALS, read_problem
from brokers.budgeting import MINUTE, Budget
from brokers.classifying import Problem, Verdict, classify, is_absence, raise_for
from brokers.errors import OutcomeUnknown, Postponed
from brokers.http import LARGEST_ANSWER, Answer
from brokers.parsing import MISSHAPEN
from brokers.terms import Need

Told = TypeVar("Told")

TOO_MANY = 429
REST = 5.0  # seconds, where it says that there were too many and not until when
FEW = 10  # requests left by its own count: they are for cancels


class Line:
    """Makes requests, each once, and reads what comes back."""

    def __init__(self, *, base_url: str, key: str, secret: str, budget: Budget) -> None:
        self._base_url, self._budget = base_url.rstrip("/"), budget
        self._headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}

    def ask(
        self,
        method: str,
        path: str,
        *,
        need: Need,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        """Make one request. Raises Postponed where there is no room for it, else as `http.call`."""
        if not self._budget.take(need):
            raise Postponed("It takes only so many requests in a minute: this one waits.")
        answer = http.call(
            method,
            self._base_url + path,
            headers=self._headers,
            params=params,
            body=body,
            largest=largest,
        )
        if (rest := _rest(answer)) is not None:
            self._budget.rest(rest)
        return answer

    def get(self, path: str, params: Mapping[str, str] | None = None, *, need: Need) -> Answer:
        """Make one request to read."""
        return self.ask("GET", path, need=need, params=params)

    def read(self, answer: Answer, translate: Callable[[Any], Told]) -> Told:
        """Return what an answer says, or raise what it proves."""
        problem = _problem(answer)
        verdict = classify(answer.status, problem, REFUSALS)
        if verdict is not Verdict.ANSWERED:
            raise_for(verdict, problem, call=answer.call, dialect=REFUSALS.dialect)
        return self.sense(answer, lambda: translate(answer.json()))

    def sense(self, answer: Answer, make: Callable[[], Told]) -> Told:
        """Return what is made of an answer. Raises OutcomeUnknown where it makes no sense."""
        try:
            return make()
        except MISSHAPEN as error:
            raise OutcomeUnknown(f"Unreadable answer: {error!r}", call=answer.call) from error

    def is_absent(self, answer: Answer) -> bool:
        """Whether it is Alpaca's own word that there is no such thing."""
        return is_absence(answer.status, _problem(answer), REFUSALS)


def each(translate: Callable[[Any], Told], told: Any) -> tuple[Told, ...]:
    """Read every item of a list. Raises TypeError for what is none."""
    if not isinstance(told, list):
        raise TypeError("not a list")
    return tuple(translate(item) for item in told)


def _problem(answer: Answer) -> Problem | None:
    try:
        return read_problem(answer.json())
    except ValueError:
        return None


def _rest(answer: Answer) -> float | None:
    """Return for how many seconds it wants no more; None if it does not mind."""
    until = _number(answer.headers.get("x-ratelimit-reset"))
    if answer.status == TOO_MANY:
        after = _number(answer.headers.get("retry-after"))
        if after is None and until is not None:
            after = until - time.time()
        return REST if after is None else min(max(after, 1.0), MINUTE)
    left = _number(answer.headers.get("x-ratelimit-remaining"))
    if left is None or left > FEW or until is None:
        return None
    return min(max(until - time.time(), 0.0), MINUTE)


def _number(header: str | None) -> float | None:
    if header is None or not header.isascii() or not header.isdigit():
        return None
    return float(header[:15])

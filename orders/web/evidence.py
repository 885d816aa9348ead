"""What an order's story rests on: requests and answers, and the broker's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orders.models import Attempt, Execution, Inquiry, SnapshotFact
from orders.models.facts import Heard
from orders.states import AttemptState


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Something a sentence rests on: a request and its answer, or the broker's own words."""

    name: str  # such as attempt:12
    title: str
    said: str = ""  # what we sent
    heard: str = ""  # what came back
    note: str = ""
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Books:
    """Everything kept about one order, by the names that the audit uses."""

    broker: str
    attempts: Mapping[str, Attempt]
    snapshots: Mapping[str, SnapshotFact]
    executions: Mapping[str, Execution]
    inquiries: Mapping[str, Inquiry]

    def evidence(self, name: str) -> Evidence | None:
        if name in self.attempts:
            return of_attempt(name, self.attempts[name])
        if name in self.inquiries:
            return of_inquiry(name, self.inquiries[name])
        if name in self.snapshots:
            said = self.snapshots[name]
            title = f"{self.broker} said “{said.raw_status}”"
            return Evidence(name=name, title=title, heard=said.raw, note=heard(said.heard))
        if name in self.executions:
            trade = self.executions[name]
            title = f"Execution {trade.execution_id}"
            return Evidence(name=name, title=title, heard=trade.raw, note=heard(trade.heard))
        kind, _, number = name.partition(":")
        return Evidence(name=name, title=f"Delivery {number}") if kind == "delivery" else None


def heard(door: str) -> str:
    """Write by which door a word came."""
    return {
        Heard.ANSWER: "in its answer",
        Heard.WEBHOOK: "by webhook",
        Heard.STREAM: "by stream",
        Heard.POLL: "when asked",
        Heard.PERSON: "as a person recorded",
    }.get(Heard(door), "")


def of_attempt(name: str, attempt: Attempt) -> Evidence:
    """Return a request that was to change something, and its answer."""
    took = "" if attempt.took_ms is None else f" in {attempt.took_ms} ms"
    answer = f" → {attempt.answer_status}{took}" if attempt.answer_status else ""
    what = f"{attempt.get_kind_display()} {attempt.number}"
    return Evidence(
        name=name,
        title=f"{what}: {attempt.method} {attempt.url}{answer}",
        said=attempt.request_body,
        heard=attempt.answer_body or attempt.failure,
        note=attempt.note,
        is_final=attempt.state != AttemptState.SENDING,
    )


def of_inquiry(name: str, inquiry: Inquiry) -> Evidence:
    """Return one way of asking, and its answer."""
    took = "" if inquiry.took_ms is None else f" in {inquiry.took_ms} ms"
    answer = f" → {inquiry.answer_status}{took}" if inquiry.answer_status else ""
    asked = f"{inquiry.method} {inquiry.url}{answer}".strip()
    return Evidence(
        name=name,
        title=asked or f"Asked by {inquiry.path}",
        heard=inquiry.answer_body or inquiry.failure,
        note=inquiry.get_result_display(),
    )

"""What is generated into the documents is what the code says."""

from __future__ import annotations

from pathlib import Path

from brokers import documenting
from orders.states import ATTEMPT_NEXT, NEXT

DOCS = Path(__file__).parent.parent / "docs"


def diagram(table: dict[str, list[str]]) -> str:
    lines = [
        f"    {before} --> {after}" for before, following in table.items() for after in following
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def states() -> str:
    """Return what docs/states.md should say."""
    submission = diagram({s.value: sorted(NEXT[s]) for s in NEXT})
    attempt = diagram({s.value: sorted(ATTEMPT_NEXT[s]) for s in ATTEMPT_NEXT})
    return (
        "# How far sending got\n\n"
        "Made from `orders/states.py` by `tests/test_documents.py`; the database's triggers hold"
        " the same tables.\n\n"
        f"## Submission of an order\n\n{submission}\n\n## One attempt\n\n{attempt}\n"
    )


def test_the_state_diagrams_are_the_tables() -> None:
    """To make them anew: python -m tests.test_documents"""
    assert (DOCS / "states.md").read_text() == states()


def test_the_brokers_terms_are_their_passports() -> None:
    """To make them anew: manage.py passports"""
    assert (DOCS / "brokers.md").read_text() == documenting.document()


if __name__ == "__main__":
    (DOCS / "states.md").write_text(states())

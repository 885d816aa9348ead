"""Every example in the brokers' own documents, as data, through the desk to the paper exchange.

Each file holds one document. An example says in which languages it is given, and in steps what it
asks for in the desk's words and what must come of it (`tests.examples.story`). One that is itself
wrong must be refused as it is written; `corrected` says why, and how it is meant. A `note` is for
people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.story import Story
from tests.paper_exchange import PaperExchange

pytestmark = pytest.mark.django_db

HERE = Path(__file__).parent


def examples() -> Iterator[Any]:
    """Yield each example, and each correction of one, with what exchange it is for."""
    for file in sorted(HERE.glob("*.json")):
        document = json.loads(file.read_text())
        for example in document["examples"]:
            named = f"{file.stem}: {example['name']}"
            yield pytest.param(document["personality"], example["steps"], id=named)
            if "corrected" in example:
                corrected = example["corrected"]["steps"]
                yield pytest.param(document["personality"], corrected, id=f"{named}, corrected")


@pytest.mark.parametrize(("personality", "steps"), list(examples()))
def test_example(paper: PaperExchange, personality: str, steps: list[dict[str, Any]]) -> None:
    story = Story(paper, personality)
    for step in steps:
        story.take(step)

"""Writes what the passports and the dialects say as one document, for those who read it without us.

`docs/brokers.md` is made by `manage.py passports`; a test holds it to the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from brokers import registry
from brokers.reasons import DIALECTS, Reason, cannot_tell, says

TITLE = "# Brokers\n\nMade by `manage.py passports`, from the passports that the desk goes by.\n"
TERMS = """## Terms

What each of them takes and promises. The desk refuses beforehand what a broker can't say
accurately, and names the field and the reason.
"""
REFUSALS = """## Refusals

One canonical reason for each way an order can't be, and how each broker says it. Where only the
text tells, it is in quotes; what is in brackets a broker can't tell apart from another reason, and
it is taken for that one.
"""


def document() -> str:
    """Return what docs/brokers.md should say."""
    passports = [broker.passport for broker in registry.BROKERS.values()]
    terms = {passport.broker: dict(passport.rows()) for passport in passports}
    headings = [heading for heading, _ in passports[0].rows()]
    table = _table(
        ["", *(passport.title for passport in passports)],
        ([heading, *(words[heading] for words in terms.values())] for heading in headings),
    )
    return "\n".join([TITLE, TERMS, table, REFUSALS, _table(["", *DIALECTS], _refusals())])


def _refusals() -> Iterator[list[str]]:
    untold = {dialect: cannot_tell(dialect) for dialect in DIALECTS}
    for reason in Reason:
        told = [_said(dialect, reason, told=reason not in untold[dialect]) for dialect in DIALECTS]
        yield [f"`{reason}`", *told]


def _said(dialect: str, reason: Reason, *, told: bool) -> str:
    status, code, _ = says(dialect, reason)
    text = DIALECTS[dialect].says[reason].text
    words = f"{status} {code}" if code != str(status) else code
    words += f" “{text}”" if text else ""
    return words if told else f"({words})"


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    told = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n".join(told) + "\n"

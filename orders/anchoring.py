"""Keeps the heads of the audit chains in a file outside the database: DESK_DATA/anchor.json.

A chain alone can't show that its tail was cut off. A database put back from a backup, or from a
copy of its files, is one that does not know the rows we have anchored. The file must not be put
back with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.db.models import Q

from orders.models import AuditChain, AuditEvent

log = structlog.get_logger(__name__)

PATIENCE = 0.2  # seconds for the file's lock: a stopped process that holds it stops nobody else


@dataclass(frozen=True, slots=True)
class Mark:
    """One row of a chain that the database once had."""

    sequence: int
    hash: str


def head(chain: str) -> Mark:
    """Return a chain's last row."""
    known = AuditChain.objects.filter(name=chain).values_list("sequence", "hash").first()
    return Mark(*known) if known else Mark(0, "")


def anchor(marks: Mapping[str, Mark], *, durably: bool = False) -> bool:
    """Raise the marks of some chains in the file. Never lowers one; returns whether it was done.

    It is a safety net, and no reason not to trade: what hinders it is logged, not raised.
    """
    try:
        with _locked():
            known = read()
            raised = {
                chain: mark
                for chain, mark in marks.items()
                if chain not in known or known[chain].sequence < mark.sequence
            }
            if raised:
                _write(known | raised, durably=durably)
    except OSError as error:
        log.warning("not_anchored", path=str(_path()), error=str(error))
        return False
    return True


def anchor_all() -> bool:
    """Raise the marks of every chain to its head. Returns whether it was done."""
    return anchor(_heads(), durably=True)


def begin_afresh() -> None:
    """Forget every mark that the database does not know, and take its heads as they are now."""
    try:
        with _locked():
            _write(_heads(), durably=True)
    except OSError as error:
        log.warning("not_anchored", path=str(_path()), error=str(error))


def forgotten(chain: str | None = None) -> list[str]:
    """Return the chains whose marked row this database does not have; of all, or of one."""
    marks = read()
    if chain is not None:
        marks = {chain: marks[chain]} if chain in marks else {}
    if not marks:
        return []
    rows = Q()
    for name, mark in marks.items():
        rows |= Q(chain=name, sequence=mark.sequence, hash=mark.hash)
    known = set(AuditEvent.objects.order_by().filter(rows).values_list("chain", flat=True))
    return sorted(marks.keys() - known)


def read() -> dict[str, Mark]:
    """Return the marks in the file; none if there is no such file, or nobody can read it."""
    try:
        told = json.loads(_path().read_text())
        return {name: Mark(int(at), str(seal)) for name, (at, seal) in told["chains"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("anchor_unreadable", path=str(_path()), error=repr(error))
        return {}


def _heads() -> dict[str, Mark]:
    heads = AuditChain.objects.filter(sequence__gt=0).values_list("name", "sequence", "hash")
    return {name: Mark(sequence, seal) for name, sequence, seal in heads}


def _path() -> Path:
    return settings.DESK_DATA / "anchor.json"


def _write(marks: Mapping[str, Mark], *, durably: bool) -> None:
    told = {"chains": {name: [mark.sequence, mark.hash] for name, mark in sorted(marks.items())}}
    draft = _path().with_suffix(".draft")  # one is enough: whoever writes holds the lock
    with draft.open("w") as file:
        json.dump(told, file, indent=1)
        if durably:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(_path())  # at once: whoever reads it sees the old one or the new one


@contextmanager
def _locked() -> Iterator[None]:
    settings.DESK_DATA.mkdir(parents=True, exist_ok=True)
    with _path().with_suffix(".lock").open("a") as lock:
        give_up_at = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.002)
        yield

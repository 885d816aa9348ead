"""Compares accounts with their brokers, now, and prints ours beside theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import balancing, connecting, timing
from orders.actors import component
from orders.models import Account, Reconciliation

BREAKS, SILENCE = 1, 2  # exit codes


class Command(BaseCommand):
    """`manage.py reconcile`: exit 1 if there are breaks or doubts, 2 if a broker did not answer."""

    help = "Compare orders, executions and positions with the broker's, account by account."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", nargs="*", help="its name; all of them, if none is named")
        parser.add_argument(
            "--since",
            metavar="TIME",
            help="orders and executions from here on, such as 2026-11-20 or 2026-11-20T14:30Z;"
            " this trading day's, if nothing is said",
        )
        parser.add_argument("--all", action="store_true", help="print what agrees, too")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        since = _since(options["since"])
        code = 0
        for account in _accounts(options["account"]):
            report = balancing.reconcile_account(
                account,
                actor=component("manage.py"),
                now=timing.database_now(),
                since=since,
            )
            if options["json"]:
                self.stdout.write(json.dumps(_told(report)))
            else:
                for line in _in_words(report, everything=options["all"]):
                    self.stdout.write(line)
            code = max(code, _code(report))
        if code:
            why = {BREAKS: "Ours and theirs differ.", SILENCE: "There is no verdict on everything."}
            raise CommandError(why[code], returncode=code)


def _code(report: Reconciliation) -> int:
    if report.failure:
        return SILENCE
    return BREAKS if report.breaks or report.doubts else 0


def _told(report: Reconciliation) -> dict[str, Any]:
    return {
        "account": report.account.name,
        "account_id": str(report.account_id),
        "since": report.since.isoformat(),
        "began_at": report.began_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "failure": report.failure,
        **{
            what: {
                "ours": getattr(report, f"{what}_ours"),
                "theirs": getattr(report, f"{what}_theirs"),
            }
            for what in ("orders", "executions", "positions")
        },
        "breaks": report.breaks,
        "doubts": report.doubts,
        "lines": report.lines,
    }


def _in_words(report: Reconciliation, *, everything: bool) -> Iterator[str]:
    broker = connecting.passport(report.account).title
    yield f"{report.account} at {broker}, since {report.since:%Y-%m-%d %H:%M} UTC"
    if report.failure:
        yield f"  {report.failure}"
    yield f"  {'':12}{'ours':>8}{'theirs':>8}"
    for what in ("orders", "executions", "positions"):
        ours, theirs = getattr(report, f"{what}_ours"), getattr(report, f"{what}_theirs")
        yield f"  {what:12}{ours:8}{theirs:8}"
    for line in report.lines if everything else ():
        yield from _beside(line, "agrees" if line["agrees"] else "differs")
    for found in report.breaks:
        age = report.ended_at - datetime.fromisoformat(found["first_seen_at"])
        yield from _beside(found, f"BREAK, {age.total_seconds():.0f} s old")
    for doubt in report.doubts:
        yield f"  order {doubt['name']}: IN DOUBT since {doubt['since']}. {doubt['says']}"
    if not (report.breaks or report.doubts or report.failure):
        yield "  They agree."


def _beside(line: dict[str, Any], verdict: str) -> Iterator[str]:
    yield f"  {line['what']} {line['name']}: {verdict}"
    yield f"    ours    {line['ours'] or 'nothing'}"
    yield f"    theirs  {line['theirs'] or 'nothing'}"


def _accounts(names: list[str]) -> list[Account]:
    if not names:
        return list(Account.objects.all())
    found = {account.name: account for account in Account.objects.filter(name__in=names)}
    for name in names:
        if name not in found:
            raise CommandError(f"There is no account {name!r}.")
    return [found[name] for name in names]


def _since(told: str | None) -> datetime | None:
    if told is None:
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError as error:
        raise CommandError(f"--since takes a date or a time, and not {told!r}.") from error
    return at.replace(tzinfo=at.tzinfo or UTC)

"""Opens accounts on the desk, says how it uses them, and changes that."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from getpass import getpass
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from brokers import registry
from brokers.addressing import Misaddressed
from brokers.vocabulary import Environment
from orders import arranging, connecting, opening, timing
from orders.actors import component
from orders.arranging import Arrangement
from orders.management.commands.halt import named
from orders.models import Account, Role
from orders.models.account import Unprotected
from orders.money import plain

HERE = component("manage.py")
LONGEST_NAME = 60
LONGEST = timedelta(days=7)


class Command(BaseCommand):
    """`manage.py account`."""

    help = "List the desk's accounts, open one, let people in, and change how it is used."

    def add_arguments(self, parser: CommandParser) -> None:
        does = parser.add_subparsers(
            dest="does", required=True, metavar="list|open|set|rekey|grant"
        )
        does.add_parser("list", help="say how each account is used")

        opens = does.add_parser("open", help="open an account on this desk")
        opens.add_argument("name", type=_name)
        opens.add_argument("--broker", required=True, choices=sorted(registry.BROKERS))
        opens.add_argument(
            "--environment", default="paper", choices=[word.value for word in Environment]
        )
        opens.add_argument("--url", help="where the broker is, if not at its own address")
        opens.add_argument("--grant", metavar="USER", help="who is to trade in it")

        sets = does.add_parser("set", help="change how an account is used")
        sets.add_argument("account", help="its name, or its id")
        for name, (reads, says) in SETTINGS.items():
            sets.add_argument(_option(name), type=reads, help=says, dest=name)

        rekeys = does.add_parser("rekey", help="give an account other credentials")
        rekeys.add_argument("account", help="its name, or its id")

        grants = does.add_parser("grant", help="let a person into an account")
        grants.add_argument("account", help="its name, or its id")
        grants.add_argument("user")
        grants.add_argument("--role", default=Role.TRADER.value, choices=list(Role.values))

    def handle(self, *_args: Any, **options: Any) -> None:
        does: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "open": self._open,
            "set": self._set,
            "rekey": self._rekey,
            "grant": self._grant,
        }
        try:
            does[options["does"]](options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def _list(self, _options: dict[str, Any]) -> None:
        for account in Account.objects.all():
            self.stdout.write(f"{account.name} ({account.id})")
            terms = f"{account.broker}, {account.environment}, at {account.base_url}"
            halted = f"; HALTED: {account.halt_reason}" if account.halted_at else ""
            self.stdout.write(f"  {terms}{halted}")
            for name in SETTINGS:
                self.stdout.write(f"  {_option(name)} {_shown(getattr(account, name))}")

    def _open(self, options: dict[str, Any]) -> None:
        broker, name, now = options["broker"], options["name"], timing.database_now()
        if Account.objects.filter(name=name).exists():
            raise CommandError(f"There is an account {name!r} already.")
        environment = Environment(options["environment"])
        url = options["url"] or registry.passport(broker).hosts.get(environment)
        if not url:
            raise CommandError("--url must say where the broker is.")
        _check_address(broker, url, environment)
        user = _user(options["grant"]) if options["grant"] else None
        credentials = _credentials(broker)
        arranging.check_credentials(broker, credentials)
        with transaction.atomic():
            account = opening.open_account(
                name=name,
                broker=broker,
                environment=environment,
                base_url=url,
                credentials=credentials,
                actor=HERE,
                now=now,
            )
            if user is not None:
                opening.grant(account, user, Role.TRADER, actor=HERE, now=now)
        self.stdout.write(f"{account.name} is open: {account.id}")

    def _set(self, options: dict[str, Any]) -> None:
        account = named(options["account"])
        wanted: Arrangement = {  # type: ignore[assignment]
            name: options[name] for name in SETTINGS if options[name] is not None
        }
        if not wanted:
            raise CommandError(f"Say what to change: {', '.join(map(_option, SETTINGS))}.")
        account = arranging.arrange(account.id, actor=HERE, now=timing.database_now(), **wanted)
        for name in wanted:
            self.stdout.write(f"{_option(name)} {_shown(getattr(account, name))}")

    def _rekey(self, options: dict[str, Any]) -> None:
        account = named(options["account"])
        credentials = _credentials(account.broker)
        arranging.rekey(account.id, credentials, actor=HERE, now=timing.database_now())
        self.stdout.write(f"{account.name} has other credentials.")

    def _grant(self, options: dict[str, Any]) -> None:
        account, user = named(options["account"]), _user(options["user"])
        opening.grant(account, user, options["role"], actor=HERE, now=timing.database_now())
        self.stdout.write(f"{user.get_username()} is a {options['role']} in {account.name}.")


def _check_address(broker: str, url: str, environment: Environment) -> None:
    try:
        connecting.check_address(registry.passport(broker), url, environment=environment)
    except Misaddressed as error:
        raise CommandError(str(error)) from error


def _credentials(broker: str) -> dict[str, str]:
    """Ask a person for credentials, or read them as JSON: never from the command line, where
    every process of the machine could see them."""
    wanted = registry.BROKERS[broker].credentials
    if sys.stdin.isatty():
        return {name: getpass(f"{name}: ") for name in wanted}
    try:
        told = json.load(sys.stdin)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not all(isinstance(one, str) for one in told.values()):
        example = json.dumps(dict.fromkeys(wanted, "…"), ensure_ascii=False)
        raise CommandError(f"Give the credentials to the standard input, as {example}")
    return told


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is nobody called {name!r}. ./desk manage createsuperuser")
    return user


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ArgumentTypeError(f"a name has 1 to {LONGEST_NAME} printable characters")
    return name


def _seconds(text: str) -> timedelta:
    try:
        seconds = int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no whole number of seconds") from None
    if not 0 < seconds <= LONGEST.total_seconds():
        raise ArgumentTypeError("between a second and a week, in seconds")
    return timedelta(seconds=seconds)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is no amount") from None
    if not amount.is_finite():
        raise ArgumentTypeError(f"{text!r} is no amount")
    return amount


def _yes_or_no(text: str) -> bool:
    if text.lower() not in {"yes", "no"}:
        raise ArgumentTypeError("yes or no")
    return text.lower() == "yes"


def _policy(text: str) -> str:
    if text not in Unprotected.values:
        raise ArgumentTypeError(" or ".join(Unprotected.values))
    return text


SETTINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    "market_submit_within": (_seconds, "seconds that a market order may wait for its broker"),
    "submit_within": (_seconds, "seconds that any other order may"),
    "second_person_above": (_amount, "a ruling on more than this takes two people"),
    "unprotected": (_policy, "for a position without its protection: escalate or flatten"),
    "answer_within": (_seconds, "seconds that a person has to acknowledge that"),
    "replays_duplicates": (_yes_or_no, "answer a repeated Alpaca order with the order: yes or no"),
}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(value: object) -> str:
    match value:
        case timedelta():
            return str(value // timedelta(seconds=1))
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return str(plain(value))
        case _:
            return str(value)

"""Where an account's requests may go. What is meant for paper must never reach a live account."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from brokers.terms import Terms
from brokers.vocabulary import Environment

PLAIN = {"http", "https"}


class Misaddressed(ValueError):
    """An account's address is none that this desk sends requests to: why."""


def check(
    terms: Terms, base_url: str, *, environment: Environment, trusted: Collection[str]
) -> None:
    """Raise Misaddressed for an address that does not go with a broker and an environment.

    A live account has its broker's own address and no other. One on paper may be somewhere else:
    on this machine, or on a host that is named as `trusted`, over https. Of a broker without hosts
    of its own, everything goes.
    """
    if not terms.hosts:
        return
    told = base_url.rstrip("/")
    if told == terms.hosts.get(environment):
        return
    if environment is not Environment.PAPER:
        raise Misaddressed(
            f"A live account at {terms.title} is at {terms.hosts.get(environment, 'no address')},"
            " and nowhere else."
        )
    parts = _parts(told)
    host = parts.hostname or ""
    if host in {urlsplit(one).hostname for one in terms.hosts.values()}:
        raise Misaddressed(
            f"An account on paper at {terms.title} is at {terms.hosts[Environment.PAPER]}."
        )
    if _is_this_machine(host):
        return
    if host not in trusted:
        raise Misaddressed(
            f"{host} is neither {terms.title} nor named in DESK_TRUSTED_BROKERS: it would be shown"
            " the account's key."
        )
    if parts.scheme != "https":
        raise Misaddressed("An account's key must not be read on the way: use https.")


def _parts(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        has_port = parts.port != 0
    except ValueError as error:
        raise Misaddressed(f"This is no address: {error}.") from error
    is_bare = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in PLAIN or not parts.hostname or not is_bare or not has_port:
        raise Misaddressed("An address is that of a host, such as https://desk.example/alpaca.")
    return parts


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

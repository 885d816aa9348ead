from __future__ import annotations

import pytest

from brokers import addressing, registry
from brokers.addressing import Misaddressed
from brokers.vocabulary import Environment

LIVE, PAPER = Environment.LIVE, Environment.PAPER
ALPACA = registry.passport("alpaca")
TRUSTED = ["desk.example", "api.alpaca.markets", "10.0.0.5"]


def check(base_url: str, environment: Environment) -> None:
    addressing.check(ALPACA, base_url, environment=environment, trusted=TRUSTED)


@pytest.mark.parametrize(
    ("environment", "base_url"),
    [
        (LIVE, "https://api.alpaca.markets"),
        (LIVE, "https://api.alpaca.markets/"),
        (PAPER, "https://paper-api.alpaca.markets"),
        (PAPER, "http://127.0.0.1:8000/alpaca"),
        (PAPER, "http://[::1]:8000/alpaca"),
        (PAPER, "http://localhost/alpaca"),
        (PAPER, "https://desk.example/alpaca"),
        (PAPER, "https://10.0.0.5:8443/alpaca"),
    ],
)
def test_takes_a_brokers_own_address_and_on_paper_one_that_is_trusted(environment, base_url):
    check(base_url, environment)


@pytest.mark.parametrize(
    ("environment", "base_url"),
    [
        # What is live is nowhere else, whoever is trusted.
        (LIVE, "https://paper-api.alpaca.markets"),
        (LIVE, "https://desk.example/alpaca"),
        (LIVE, "http://127.0.0.1:8000/alpaca"),
        (LIVE, "http://api.alpaca.markets"),
        (LIVE, "https://api.alpaca.markets.evil.example"),
        (LIVE, ""),
        # What is on paper is not live, however it is spelt.
        (PAPER, "https://api.alpaca.markets"),
        (PAPER, "https://API.alpaca.markets"),
        (PAPER, "https://api.alpaca.markets:443"),
        (PAPER, "https://api.alpaca.markets/v2"),
        (PAPER, "https://paper-api.alpaca.markets/v2"),
        (PAPER, "http://paper-api.alpaca.markets"),
        (PAPER, "https://evil.example"),
        (PAPER, "https://desk.example.evil.example"),
        (PAPER, "http://desk.example/alpaca"),
        (PAPER, "http://169.254.169.254/"),
        (PAPER, "https://user:word@desk.example"),
        (PAPER, "https://desk.example/?x=1"),
        (PAPER, "ftp://127.0.0.1"),
        (PAPER, "http://127.0.0.1:port"),
        (PAPER, "http://127.0.0.1:0"),
        (PAPER, "http://[::1"),
        (PAPER, "127.0.0.1"),
        (PAPER, ""),
    ],
)
def test_sends_nothing_anywhere_else(environment, base_url):
    with pytest.raises(Misaddressed):
        check(base_url, environment)


def test_a_broker_without_hosts_is_wherever_it_is():
    paper = registry.passport("paper")

    addressing.check(paper, "http://paper:9", environment=PAPER, trusted=[])


def test_no_passport_has_one_host_for_both():
    for broker in registry.BROKERS.values():
        hosts = list(broker.passport.hosts.values())
        assert len(set(hosts)) == len(hosts)

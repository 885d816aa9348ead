"""Plays a story of an account, step by step, through the API and the desk to the paper exchange.

A step has one verb:

    {"prices": {"SPY": "350"}}              the market stands there, from now on ("size": so much)
    {"close": "AMD"}, {"open": "AMD"}       its market, with the auction
    {"lose": "accept_then_504"}             one answer of the exchange's
    {"treat": {"active": false}}            the account at the exchange
    {"ask": "POST orders", "body": …}       the API, by the account's key
    {"exchange_has": {"id": 1}}             so many orders by this id

An ask says its status in `answers`, and where that is a refusal its `code` and `field`. `becomes`
is what the order then looks like once the desk has done its work, its legs in `legs`; `tells` is
what else is answered. Both name what matters and leave out the rest: fields, and with `"…"` as the
last of a list, more of its kind. `name` lets later steps say {name} for the order's id.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from orders import bracketing, reconciling, sending, sweeping, timing
from orders.ids import uuid7
from orders.models import Order
from orders.states import Submission
from tests.api.conftest import a_program
from tests.factories import AccountFactory
from tests.paper_exchange import PaperExchange

MOST_ROUNDS = 5


def within(wanted: Any, told: Any) -> Any:
    """Return what was told, as far as it is named: with equal lists, it is what is wanted."""
    if isinstance(wanted, dict) and isinstance(told, dict):
        return {name: within(value, told.get(name)) for name, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(told, list):
        if wanted[-1:] == ["…"]:
            named = [[within(one, other) for other in told] for one in wanted[:-1]]
            return [
                one if one in found else found for one, found in zip(wanted, named, strict=False)
            ] + ["…"]
        both = zip(wanted, told, strict=False)
        return [within(one, other) for one, other in both] + told[len(wanted) :]
    return told


class Story:
    """One example as it unfolds: a desk's account at an exchange, and a program with its key."""

    def __init__(self, paper: PaperExchange, personality: str) -> None:
        self.paper = paper
        self.theirs = paper.account(personality=personality)
        account = AccountFactory(broker=self.theirs.broker, base_url=paper.url)
        account.seal_credentials(self.theirs.credentials)
        account.save()
        self.account = account
        self.program = a_program(account)
        self.names: dict[str, str] = {}

    def take(self, step: dict[str, Any]) -> None:
        """Do one step, let the desk and the exchange work, and check what came of it."""
        match step:
            case {"prices": prices}:
                for symbol, price in prices.items():
                    self.paper.price(symbol, price, size=step.get("size", "1000000"))
            case {"close": symbol}:
                self.paper.open(symbol, is_open=False)
            case {"open": symbol}:
                self.paper.open(symbol)
            case {"lose": fault}:
                self.theirs.faults(**{fault: {"next": 1}})
            case {"treat": treatment}:
                self.paper.admin("PATCH", f"/admin/accounts/{self.theirs.key}", **treatment)
            case {"exchange_has": counts}:
                ids = [order["client_order_id"] for order in self.theirs.orders()]
                assert {name: ids.count(name) for name in counts} == counts
            case {"ask": _}:
                self.ask(step)
                return
            case _:
                pytest.fail(f"no such step: {step}")
        self.work()

    def ask(self, step: dict[str, Any]) -> None:
        """Make one request, and check its answer and what then becomes of its order."""
        method, path = step["ask"].split()
        body = step.get("body")
        headers = {}
        if body is not None and "client_order_id" not in body:
            headers["Idempotency-Key"] = str(uuid7())  # the desk asks for one; most examples don't
        answer = self.program.ask(method, path.format(**self.names), body, **headers)
        assert answer.status_code == step["answers"], answer.told
        assert {name: answer.told[name] for name in ("code", "field") if name in step} == {
            name: step[name] for name in ("code", "field") if name in step
        }
        if "name" in step:
            self.names[step["name"]] = answer.told["id"]
        self.work()
        if "becomes" in step:
            order = self.program.get(f"orders/{answer.told['id']}").told
            order["legs"] = [self.program.get(f"orders/{leg}").told for leg in order["legs"]]
            assert within(step["becomes"], order) == step["becomes"]
        if "tells" in step:
            answer = self.program.get(path.format(**self.names))  # as it is by now
            assert answer.status_code == 200, answer.told
            assert within(step["tells"], answer.told) == step["tells"]

    def work(self) -> None:
        """Have the desk do what its workers would, by its own code, and the market move on.

        Until nothing more comes of it: an entry, its legs, and what they then say.
        """
        for _ in range(MOST_ROUNDS):
            before = self.versions()
            self.round()
            if self.versions() == before:
                break

    def round(self) -> None:
        orders = Order.objects.filter(account=self.account).order_by("id")
        for order in orders.filter(submission=Submission.READY):
            sending.send(order.id)
        for order in orders.filter(cancel_at__isnull=False):
            sending.send_cancel(order.id)
        self.paper.step()
        now = timing.database_now()
        for order in orders.in_doubt():
            reconciling.reconcile(order.id, now=now)
        assert sweeping.sweep(self.account.id, now=now)
        bracketing.tend_due(now=now + timedelta(seconds=1))

    def versions(self) -> dict[UUID, int]:
        return dict(Order.objects.filter(account=self.account).values_list("id", "version"))

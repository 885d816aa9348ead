"""The launcher is told whether there are streams to keep."""

from __future__ import annotations

from typing import Any

import pytest

from embedded.lineup import stream
from orders.models import Account, Stream
from tests.factories import AccountFactory
from tests.fakes import ScriptedBroker
from webhooks.tasks import call_bridge

pytestmark = pytest.mark.django_db


def test_a_bridge_is_wanted_while_there_is_an_account_for_it(
    streaming: ScriptedBroker, settings: Any
) -> None:
    settings.DESK_DATA.joinpath("stream.wanted").touch()
    program, wanted = stream(settings.DESK_DATA, {})
    assert program.command[-1] == "stream"
    assert not wanted()  # what was said on another day says nothing

    AccountFactory(broker="paper")
    call_bridge()
    assert not wanted()

    account = AccountFactory()
    call_bridge()
    assert wanted()

    Stream.objects.create(account=account, since=account.created_at, state="live")
    Account.objects.update(is_open=False)
    call_bridge()
    assert wanted()  # until the bridge has said that it let go

    Stream.objects.update(state="unwanted")
    call_bridge()
    assert not wanted()

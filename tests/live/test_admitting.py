"""Nobody hears of what is not theirs: not a stranger, not after a grant or a session is gone."""

from __future__ import annotations

import json
import time

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone

from orders.models import Grant
from orders.web import hub, lines
from orders.web.sockets import NOTHING_TO_SAY
from tests.live.desk import a_person, an_account, grant, in_database, place
from tests.live.pages import Page, opened, session_of

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()


class TestAtTheDoor:
    async def test_somebody_signed_out_is_told_so_and_nothing_else(self):
        page = Page(None)
        await page.socket.connect(timeout=5)

        assert await page.closed_with() == hub.SIGNED_OUT
        await page.socket.disconnect()

    async def test_a_made_up_session_is_nobodys(self):
        page = Page("a" * 32)
        await page.socket.connect(timeout=5)

        assert await page.closed_with() == hub.SIGNED_OUT
        await page.socket.disconnect()

    async def test_a_person_without_accounts_hears_only_beats(self, often):
        async with opened(await a_person()) as page:
            beat = await page.next("beat")

        assert beat["accounts"] == {}

    @pytest.mark.parametrize("origin", ["http://elsewhere", "http://testserver:8001", "null", ""])
    async def test_a_page_from_elsewhere_is_refused(self, origin):
        page = Page(None, origin=origin)

        accepted, _ = await page.socket.connect(timeout=5)

        assert not accepted
        await page.socket.wait()

    async def test_an_unknown_path_is_refused(self):
        page = Page(None, path="/live/more/")

        accepted, _ = await page.socket.connect(timeout=5)

        assert not accepted
        await page.socket.wait()


class TestWhatAPageSays:
    @pytest.mark.parametrize(
        "said", ["{}", '{"type": "subscribe", "account": "x"}', "x" * 5_000, "["]
    )
    async def test_closes_its_socket(self, said):
        async with opened(await a_person()) as page:
            await page.socket.send_to(text_data=said)

            assert await page.closed_with() == NOTHING_TO_SAY

    async def test_in_bytes_does_so_too(self):
        async with opened(await a_person()) as page:
            await page.socket.send_to(bytes_data=b"\xff\x00")
            await page.socket.send_to(bytes_data=b"\xff\x00")

            assert await page.closed_with() == NOTHING_TO_SAY


class TestAGrantTakenAway:
    async def test_goes_silent_within_five_seconds(self, drawn):
        """At the pace of a real desk: nothing here is made to happen more often."""
        leaver, trader = await a_person(), await a_person()
        account = await an_account(trader=trader)
        await grant(account, leaver)

        async with opened(trader) as desk, opened(leaver) as page:
            await in_database(Grant.objects.filter(user=leaver).delete)()
            deadline = time.monotonic() + 5
            await page.next("stale")
            await page.next("beat", lambda beat: beat["accounts"] == {})
            assert time.monotonic() < deadline

            await place(account)
            await desk.next("changed")
            heard = await page.heard(within=1)

        assert {frame["type"] for frame in heard} <= {"beat"}
        assert str(account.id) not in json.dumps(heard)

    async def test_takes_back_what_was_about_to_be_sent(self):
        line = lines.Line(None)  # type: ignore[arg-type]
        line.put("a row of that account")

        line.start_over()

        assert await anext(line) == '{"type": "stale"}'
        assert not line._frames

    async def test_that_cannot_be_checked_holds_changes_back(self, often, drawn, monkeypatch):
        trader = await a_person()
        account = await an_account(trader=trader)

        async with opened(trader) as page:
            with monkeypatch.context() as unchecked:
                unchecked.setattr(hub, "TRUSTED", -1)
                order = await place(account)
                heard = await page.heard(within=0.6)
            frame = await page.next("changed")

        assert {told["type"] for told in heard} == {"beat"}
        assert frame["order"] == str(order.id)

    async def test_that_becomes_another_role_is_drawn_for_that_role(self, often, drawn):
        person = await a_person()
        account = await an_account(trader=person)

        async with opened(person) as page:
            await in_database(Grant.objects.filter(user=person).update)(role="viewer")
            await page.next("stale")
            order = await place(account)
            await page.next("changed")

        assert drawn == [(order.id, False)]

    async def test_and_one_newly_given_is_heard_without_coming_back(self, often, drawn):
        person = await a_person()
        account = await an_account()

        async with opened(person) as page:
            await grant(account, person)
            await page.next("stale")
            order = await place(account)

            assert (await page.next("changed"))["order"] == str(order.id)


class TestAPersonWhoLeaves:
    async def test_by_signing_out_is_cut_off(self, often):
        async with opened(await a_person()) as page:
            await in_database(Session.objects.all().delete)()

            assert await page.closed_with() == hub.SIGNED_OUT

    async def test_by_letting_the_session_run_out_is_cut_off(self, often):
        async with opened(await a_person()) as page:
            await in_database(Session.objects.update)(expire_date=timezone.now())

            assert await page.closed_with() == hub.SIGNED_OUT

    async def test_because_they_were_barred_is_cut_off(self, often):
        async with opened(await a_person()) as page:
            await in_database(User.objects.update)(is_active=False)

            assert await page.closed_with() == hub.SIGNED_OUT

    async def test_because_their_password_changed_is_cut_off(self, often):
        person = await a_person()
        async with opened(person) as page:
            person.set_password("another horse entirely")
            await in_database(person.save)()

            assert await page.closed_with() == hub.SIGNED_OUT

    async def test_takes_nobody_else_along(self, often):
        leaver, stayer = await a_person(), await a_person()
        async with opened(leaver) as page, opened(stayer) as other:
            await in_database(User.objects.filter(pk=leaver.pk).update)(is_active=False)
            await page.closed_with()
            closed_at = timezone.now().isoformat()

            beat = await other.next("beat", lambda beat: beat["at"] > closed_at)
            assert beat["type"] == "beat"

    async def test_before_the_hub_knows_them_leaves_nothing_behind(self):
        page = Page(await session_of(await a_person()))
        await page.socket.connect(timeout=5)

        await page.socket.disconnect()

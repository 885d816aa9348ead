"""What changes reaches every page that may see it, read and drawn once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from redis.asyncio import Redis

from orders import actors, auditing
from orders.announcing import channel_of
from orders.models import Account
from orders.web import hub, lines, rereading
from tests.live.desk import a_person, an_account, grant, in_database, place, visitor, withdraw
from tests.live.pages import opened

pytestmark = pytest.mark.django_db(transaction=True)


class TestAChange:
    async def test_reaches_all_pages_with_one_drawing(self, seldom, drawn):
        trader, colleague = await a_person(), await a_person()
        account = await an_account(trader=trader)
        await grant(account, colleague)

        async with opened(trader) as one, opened(trader) as two, opened(colleague) as three:
            order = await place(account)
            frames = [await page.next("changed") for page in (one, two, three)]

        assert frames[0] == frames[1] == frames[2]
        assert frames[0]["order"] == str(order.id)
        assert frames[0]["account"] == str(account.id)
        assert f'id="order-{order.id}"' in frames[0]["row"]
        assert drawn == [(order.id, True)]

    async def test_is_drawn_apart_for_those_who_may_only_look(self, seldom, drawn):
        trader, viewer = await a_person(), await a_person()
        account = await an_account(trader=trader, viewer=viewer)

        async with opened(trader) as desk, opened(viewer) as glass:
            order = await place(account)
            await desk.next("changed")
            await glass.next("changed")

        assert sorted(drawn) == [(order.id, False), (order.id, True)]

    async def test_of_somebody_elses_account_is_never_heard(self, often, drawn):
        trader, stranger = await a_person(), await a_person()
        account = await an_account(trader=trader)
        await an_account(trader=stranger)

        async with opened(trader) as desk, opened(stranger) as elsewhere:
            await place(account)
            await desk.next("changed")
            heard = await elsewhere.heard(within=1)

        assert {frame["type"] for frame in heard} == {"beat"}
        assert str(account.id) not in str([elsewhere.hello, *heard])

    async def test_is_drawn_as_the_page_draws_it(self, seldom):
        trader = await a_person()
        account = await an_account(trader=trader)

        async with opened(trader) as desk:
            order = await place(account)
            row = (await desk.next("changed"))["row"]

        assert f'id="order-{order.id}"' in row
        assert 'data-version="' in row

    async def test_of_the_account_alone_comes_without_an_order(self, often, drawn):
        trader = await a_person()
        account = await an_account(trader=trader)

        async with opened(trader) as desk:
            await note(account)
            frame = await desk.next("changed")

        assert (frame["order"], frame["row"], drawn) == (None, None, [])

    async def test_that_comes_while_another_is_drawn_is_drawn_with_all_others_since(
        self, seldom, monkeypatch
    ):
        trader = await a_person()
        account = await an_account(trader=trader)
        reads = Reads(monkeypatch)

        async with opened(trader) as desk:
            first = await place(account)
            await asyncio.to_thread(reads.begun.acquire, timeout=5)
            later = [await place(account) for _ in range(3)]
            await withdraw(first)
            await asyncio.sleep(0.2)
            reads.go_on.release(9)
            frames = [await desk.next("changed") for _ in range(5)]

        assert reads.count == 2
        assert [frame["order"] for frame in frames] == [
            str(order.id) for order in (first, *later, first)
        ]
        assert [frame["sequence"] for frame in frames] == [1, 1, 1, 1, 5]
        assert [frame["after"] for frame in frames] == [0, 1, 1, 1, 1]

    async def test_that_cannot_be_drawn_still_tells_the_page_to_look(self, seldom, monkeypatch):
        trader = await a_person()
        account = await an_account(trader=trader)
        monkeypatch.setattr(rereading, "render_to_string", lambda *args: 1 / 0)

        async with opened(trader) as desk:
            order = await place(account)
            frame = await desk.next("changed")

        assert (frame["order"], frame["row"], frame["sequence"]) == (str(order.id), None, 1)


class TestANudge:
    async def test_lost_is_made_up_for_by_the_next_one(self, seldom, drawn, monkeypatch):
        trader = await a_person()
        account = await an_account(trader=trader)

        async with opened(trader) as desk:
            with monkeypatch.context() as deaf:
                deaf.setattr("orders.announcing._publish", lambda *args: None)
                missed = await place(account)
            heard = await place(account)
            frames = [await desk.next("changed") for _ in range(2)]

        assert [frame["order"] for frame in frames] == [str(missed.id), str(heard.id)]
        assert frames[-1]["sequence"] == 2

    async def test_lost_is_made_up_for_by_the_next_round(self, often, drawn, monkeypatch):
        trader = await a_person()
        account = await an_account(trader=trader)

        async with opened(trader) as desk:
            with monkeypatch.context() as deaf:
                deaf.setattr("orders.announcing._publish", lambda *args: None)
                missed = await place(account)
            frame = await desk.next("changed")

        assert frame["order"] == str(missed.id)

    async def test_that_is_made_up_or_unreadable_tells_nothing(self, often, drawn):
        trader, stranger = await a_person(), await a_person()
        mine, theirs = await an_account(trader=trader), await an_account(trader=stranger)
        secret = await place(theirs)

        async with opened(trader) as desk, Redis.from_url(settings.REDIS.client) as redis:
            for nudge in ("{", "[]", '{"sequence": null}', '{"sequence": 1e999}'):
                await redis.publish(channel_of(mine.id), nudge)
            forged = f'{{"order": "{secret.id}", "sequence": 999}}'
            await redis.publish(channel_of(mine.id), forged)
            order = await place(mine)
            frame = await desk.next("changed")

        assert (frame["order"], frame["sequence"]) == (str(order.id), 1)
        assert drawn == [(order.id, True)]


class TestTooMuch:
    async def test_a_page_too_slow_for_it_starts_over(self):
        line = lines.Line(None)  # type: ignore[arg-type]
        for number in range(1_000):
            line.put(f"frame {number}")
            assert len(line._frames) <= lines.LONGEST

        frames = [await anext(line) for _ in range(len(line._frames))]

        assert frames[0] == '{"type": "stale"}'
        assert frames[-1] == "frame 999"
        assert frames.count('{"type": "stale"}') == 1

    async def test_more_changes_than_are_worth_drawing_make_pages_start_over(
        self, often, drawn, monkeypatch
    ):
        trader = await a_person()
        account = await an_account(trader=trader)
        monkeypatch.setattr(rereading, "MOST", 3)

        async with opened(trader) as desk:
            with monkeypatch.context() as deaf:
                deaf.setattr("orders.announcing._publish", lambda *args: None)
                deaf.setattr(hub, "TRUSTED", -1)  # nothing is handed out for now
                for _ in range(5):
                    await place(account)
            await desk.next("stale")
            order = await place(account)
            frame = await desk.next("changed")

        assert frame["order"] == str(order.id)
        assert frame["after"] == 5

    async def test_a_page_that_does_not_read_holds_up_no_other(self, often, drawn, monkeypatch):
        slow, quick = await a_person(), await a_person()
        account = await an_account(trader=quick, viewer=slow)
        monkeypatch.setattr(lines, "LONGEST", 4)

        async with opened(quick) as desk, opened(slow) as stuck:
            reads_on = stuck.stop_reading()
            for _ in range(8):
                order = await place(account)
                # One at a time: this page's own line is as short.
                await desk.next("changed", lambda frame, at=order.id: frame["order"] == str(at))
            reads_on()
            await stuck.next("stale")
            order = await place(account)
            await stuck.next("changed", lambda frame: frame["order"] == str(order.id))


class TestHello:
    async def test_says_from_where_on_nothing_is_left_out(self, seldom, drawn):
        trader = await a_person()
        account, quiet = await an_account(trader=trader), await an_account(trader=trader)
        await place(account)
        await place(account)

        async with opened(trader) as desk:
            hello = desk.hello

        assert hello["accounts"] == {str(account.id): 2, str(quiet.id): 0}
        assert hello["delayed"] is False

    async def test_is_followed_by_beats(self, often, drawn):
        trader = await a_person()
        account = await an_account(trader=trader)

        async with opened(trader) as desk:
            await place(account)
            beat = await desk.next("beat", lambda beat: beat["accounts"][str(account.id)] == 1)

        assert beat["delayed"] is False

    async def test_the_questions_are_few_however_many_pages_there_are(
        self, django_assert_max_num_queries
    ):
        people = [await a_person() for _ in range(5)]
        account = await an_account()
        for person in people:
            await grant(account, person)
        visitors = {await visitor(person) for person in people}

        def ask() -> set[rereading.Visitor]:
            with django_assert_max_num_queries(4):
                return set(rereading.standing(visitors).seats)

        assert await in_database(ask)() == visitors


async def test_two_processes_worth_of_hubs_tell_the_same(seldom, drawn):
    """A hub hears all nudges, whichever process changed the order."""
    trader = await a_person()
    account = await an_account(trader=trader)

    async with opened(trader) as here:
        frame = asyncio.create_task(here.next("changed"))
        await asyncio.to_thread(asyncio.run, another_process(trader, account))

        assert (await frame)["sequence"] == 1


async def another_process(trader: Any, account: Account) -> None:
    async with opened(trader) as there:
        await place(account)
        await there.next("changed")


@in_database
@transaction.atomic
def note(account: Account) -> None:
    """Write into an account's record what concerns none of its orders."""
    auditing.write(
        account.id, action="account.noted", actor=actors.component("test"), now=timezone.now()
    )


class Reads:
    """Reads of changes, each held back until told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self._read = rereading.changes_since
        monkeypatch.setattr(rereading, "changes_since", self)

    def __call__(self, *args: Any, **kwargs: Any) -> rereading.Changes:
        changes = self._read(*args, **kwargs)
        self.count += 1
        self.begun.release()
        assert self.go_on.acquire(timeout=10)
        return changes

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.classifying import Problem, Refusals, Verdict, classify, is_absence, raise_for
from brokers.errors import AuthRefused, DuplicateId, OutcomeUnknown, Refused
from brokers.messages import Call
from brokers.paper.dialects import GATEWAY
from brokers.reasons import Reason

REFUSALS = Refusals(
    definitive=frozenset({"no_funds"}),
    duplicate=frozenset({"taken"}),
    absent=frozenset({"not_here"}),
)
CALL = Call(method="POST", url="u", request_body="", started_at=datetime.now(UTC), took_ms=1)
V = Verdict

# status, the code in the body (None: no structured body) → what it proves
TABLE = [
    (200, None, V.ANSWERED),
    (201, None, V.ANSWERED),
    (202, None, V.ANSWERED),
    (299, None, V.ANSWERED),
    (100, None, V.UNKNOWN),
    (301, None, V.UNKNOWN),
    (304, "no_funds", V.UNKNOWN),
    (400, None, V.UNKNOWN),
    (400, "no_funds", V.REFUSED),
    (400, "unheard_of", V.UNKNOWN),
    (401, None, V.UNKNOWN),  # a page of some proxy's; the broker may have the request
    (403, None, V.UNKNOWN),
    (401, "unheard_of", V.AUTH_REFUSED),
    (403, "unheard_of", V.AUTH_REFUSED),
    (403, "no_funds", V.REFUSED),  # some brokers say 403 to an order they can't carry
    (404, None, V.UNKNOWN),
    (404, "not_here", V.UNKNOWN),  # to a write it proves nothing unless it is on the other list
    (408, "no_funds", V.UNKNOWN),
    (409, None, V.UNKNOWN),
    (409, "no_funds", V.UNKNOWN),
    (409, "taken", V.DUPLICATE),
    (422, "taken", V.DUPLICATE),
    (500, "taken", V.DUPLICATE),
    (422, "no_funds", V.REFUSED),
    (425, "no_funds", V.UNKNOWN),
    (429, "no_funds", V.UNKNOWN),
    (500, "no_funds", V.UNKNOWN),
    (502, None, V.UNKNOWN),
    (504, None, V.UNKNOWN),
    (599, None, V.UNKNOWN),
]


@pytest.mark.parametrize(("status", "code", "verdict"), TABLE)
def test_table(status, code, verdict):
    problem = None if code is None else Problem(code, "words")

    assert classify(status, problem, REFUSALS) is verdict


@pytest.mark.parametrize(
    ("status", "verdict"), [(401, V.AUTH_REFUSED), (403, V.UNKNOWN), (422, V.UNKNOWN)]
)
def test_what_one_between_us_and_the_broker_forbids_proves_nothing(status, verdict):
    relayed = Problem("ORDER_REJECTED", "insufficient buying power")

    assert classify(status, relayed, GATEWAY.refusals) is verdict


@given(
    status=st.integers(100, 599),
    code=st.none() | st.sampled_from(["no_funds", "taken", "not_here", "unheard_of", ""]),
)
def test_nothing_but_the_brokers_own_words_in_a_4xx_refuses(status, code):
    problem = None if code is None else Problem(code, "words")

    if classify(status, problem, REFUSALS) is V.REFUSED:
        assert 400 <= status < 500
        assert code == "no_funds"


@pytest.mark.parametrize(
    ("status", "code", "absent"),
    [(404, "not_here", True), (404, None, False), (404, "x", False), (400, "not_here", False)],
)
def test_absence_is_the_brokers_own_404(status, code, absent):
    problem = None if code is None else Problem(code, "words")

    assert is_absence(status, problem, REFUSALS) is absent


@pytest.mark.parametrize(
    ("verdict", "error"),
    [
        (V.REFUSED, Refused),
        (V.AUTH_REFUSED, AuthRefused),
        (V.DUPLICATE, DuplicateId),
        (V.UNKNOWN, OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("problem", [None, Problem("no_funds", "You have none.")])
def test_each_verdict_is_raised_with_its_evidence(verdict, error, problem):
    with pytest.raises(error) as caught:
        raise_for(verdict, problem, call=CALL)

    assert type(caught.value) is error
    assert caught.value.call is CALL


@pytest.mark.parametrize(
    ("dialect", "problem", "reason"),
    [
        ("alpaca", Problem("40310000", "insufficient buying power"), "insufficient_buying_power"),
        ("tapp", Problem("MARKET_CLOSED", "Come back tomorrow."), "market_closed"),
        ("paper", Problem("too_late", "It has ended."), "too_late"),
        ("paper", Problem("solar_flare", "Who knows."), "declined"),
        ("", Problem("too_late", "It has ended."), "declined"),
    ],
)
def test_a_refusal_says_why_in_our_words(dialect, problem, reason):
    with pytest.raises(Refused) as caught:
        raise_for(V.REFUSED, problem, call=CALL, dialect=dialect)

    assert caught.value.reason is Reason(reason)
    assert (caught.value.code, str(caught.value)) == (problem.code, problem.message)


def test_credentials_refused_are_always_unauthorized():
    with pytest.raises(AuthRefused) as caught:
        raise_for(V.AUTH_REFUSED, Problem("weird", "No."), call=CALL, dialect="alpaca")

    assert caught.value.reason is Reason.UNAUTHORIZED

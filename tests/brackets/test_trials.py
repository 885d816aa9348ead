"""A few of the trials, for every change: `python -m tests.brackets` runs a thousand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.brackets import sabotage, trial

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("seed", range(1, 17))
def test_nothing_is_bare_in_silence(seed: int) -> None:
    outcome = trial.run(seed)
    assert not outcome.violations, "\n".join(map(str, [*outcome.violations, outcome.plan]))


@pytest.mark.parametrize("name", sabotage.MUTANTS)
def test_a_defect_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The witness has to be able to see it: else its silence would mean nothing."""
    monkeypatch.setattr(trial, "SETTLED", timedelta(minutes=2))  # what is broken never settles
    with sabotage.as_told(name):
        assert any(trial.run(seed).violations for seed in sabotage.SEEDS[name])

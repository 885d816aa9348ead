"""Who meets which faults: the settings of every account, and the dice. `mishaps` is the table.

Faults are set per account, with a probability, a count of requests to come, or
both, while the exchange runs. The same seed and the same requests meet the same faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from brokers.paper.amounts import ZERO, write_amount
from brokers.paper.mishaps import FAULTS, Fault, Point
from brokers.paper.reading import check_fields
from brokers.paper.refusals import Refusal

FINEST = 1_000_000  # probabilities are drawn to this many parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How one fault is set for one account."""

    probability: Decimal = ZERO
    next: int = 0  # it strikes this many times from now on, whatever the probability
    seconds: Decimal = ZERO
    times: int = 0
    fired: int = 0


class Faults:
    """The settings of every account, and the dice."""

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._settings: dict[tuple[str, str], Setting] = {}
        self._dice: dict[str, Random] = {}

    def first(self, account: str, point: Point) -> str | None:
        """Return the fault that strikes here, if one does; the table's order decides."""
        for name, fault in FAULTS.items():
            if fault.point is point and self.strikes(account, name):
                return name
        return None

    def strikes(self, account: str, name: str) -> Setting | None:
        """Say whether a fault strikes now, and how it is set. Each call throws the dice."""
        setting = self._settings.get((account, name))
        if setting is None:
            return None
        dice = self._dice_of(account)
        if setting.next:
            struck = replace(setting, next=setting.next - 1, fired=setting.fired + 1)
        elif dice.randrange(FINEST) < setting.probability * FINEST:
            struck = replace(setting, fired=setting.fired + 1)
        else:
            return None
        self._settings[account, name] = struck
        return struck

    def within(self, account: str, seconds: Decimal) -> timedelta:
        """Return some time up to so many seconds."""
        return timedelta(seconds=float(seconds) * self._dice_of(account).random())

    def one_in(self, account: str, count: int) -> bool:
        """Say yes once in so many times."""
        return not self._dice_of(account).randrange(count)

    def setting(self, account: str, name: str) -> Setting:
        """Return how a fault is set."""
        return self._settings.get((account, name), _unset(FAULTS[name]))

    def set(self, account: str, told: Mapping[str, Any]) -> None:
        """Set an account's faults; those not named are taken off. Raises Refusal, with none set."""
        settings = {name: _read(name, setting) for name, setting in told.items()}
        for name in FAULTS:
            fired = self.setting(account, name).fired
            self._settings[account, name] = replace(
                settings.get(name, _unset(FAULTS[name])), fired=fired
            )

    def _dice_of(self, account: str) -> Random:
        if account not in self._dice:
            seed = f"{self._seed}:{account}:faults"
            self._dice[account] = Random(seed)  # noqa: S311  (repeatable on purpose)
        return self._dice[account]

    def json(self, account: str) -> dict[str, dict[str, Any]]:
        """Return the whole table as it is set for an account."""
        return {
            name: {
                "point": fault.point.value,
                "says": fault.says,
                **_json(fault, self.setting(account, name)),
            }
            for name, fault in FAULTS.items()
        }

    def record(self, account: str) -> dict[str, dict[str, Any]]:
        """Return what is kept over a restart, fit for `set`: counts of requests to come are not."""
        kept = {}
        for name, fault in FAULTS.items():
            setting = self.setting(account, name)
            if setting.probability:
                told = _json(fault, setting)
                kept[name] = {key: told[key] for key in told if key not in ("next", "fired")}
        return kept


def _unset(fault: Fault) -> Setting:
    return Setting(seconds=fault.seconds or ZERO, times=fault.times or 0)


def _json(fault: Fault, setting: Setting) -> dict[str, Any]:
    told: dict[str, Any] = {
        "probability": write_amount(setting.probability),
        "next": setting.next,
        "fired": setting.fired,
    }
    if fault.seconds is not None:
        told["seconds"] = write_amount(setting.seconds)
    if fault.times is not None:
        told["times"] = setting.times
    return told


def _read(name: str, told: object) -> Setting:
    fault = FAULTS.get(name)
    if fault is None:
        raise Refusal("invalid_parameter", "There is no such fault.", field=name[:64])
    if not isinstance(told, dict):
        raise Refusal("invalid_parameter", "A fault is set with an object.", field=name)
    takes = ["probability", "next"]
    takes += ["seconds"] if fault.seconds is not None else []
    takes += ["times"] if fault.times is not None else []
    check_fields(told, required=(), optional=tuple(takes))
    unset = _unset(fault)
    return Setting(
        probability=_number(told, "probability", ZERO, most=1),
        next=int(_number(told, "next", ZERO, most=1_000_000)),
        seconds=_number(told, "seconds", unset.seconds, most=fault.longest),
        times=int(_number(told, "times", Decimal(unset.times), most=100)),
    )


def _number(told: Mapping[str, Any], field: str, default: Decimal, *, most: int) -> Decimal:
    value = told.get(field)
    if value is None:
        return default
    text = str(value) if type(value) in (int, float, str) else ""
    whole, _, part = text.partition(".")
    if not (text.isascii() and whole.isdigit() and (part.isdigit() or part == "")):
        raise Refusal("invalid_parameter", f"{field} must be a number.", field=field)
    if len(text) > 12 or not Decimal(text) <= most:
        raise Refusal("invalid_parameter", f"{field} must be from 0 to {most}.", field=field)
    if field in ("next", "times") and part:
        raise Refusal("invalid_parameter", f"{field} must be a whole number.", field=field)
    return Decimal(text)

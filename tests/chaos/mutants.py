"""Desks that are wrong on purpose, each in one way, to see that a run would have caught it.

    mutants.MUTANTS["no_claim"].says      # what is wrong with it
    ChaosDesk(directory, seed=1, mutant="no_claim")

This is the catalogue; what is done to the desk's functions is in `mutilating`, which imports the
desk and so runs only inside its processes. Some of these bugs the database itself would refuse:
then `guards` are what stands in its way, and the rig takes them down first (`prepare`), because
here it is the checks that are tested, not the triggers.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

Trouble = tuple[str, Mapping[str, Any]]  # a method of `ChaosDesk`, and what it is called with
Dials = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What makes a mutant show itself soon: the terms of a small run.

    `dials` are set at every account for the whole run, and the weather stays away. Each of
    `trouble` is done again and again, every `every` orders (`nemesis.aimed`).
    """

    orders: int = 80
    dials: Dials = field(default_factory=dict)
    brokers: tuple[str, ...] = ("paper",)  # empty: all
    cancels: float = 0.15
    replaces: float = 0.0
    brackets: float = 0.1  # of what programs place
    every: int = 12
    trouble: tuple[Trouble, ...] = ()
    halts: bool = False
    forgeries: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One way of being wrong."""

    says: str
    expected: tuple[str, ...]  # checks of which at least one must fail
    aim: Aim = Aim()
    guards: tuple[str, ...] = ()  # SQL that takes down what would refuse it


def dial(probability: str, **more: str) -> Mapping[str, str]:
    """Return one fault's dial."""
    return {"probability": probability, **more}


SILENT = {"webhook_drop": dial("1")}
LOST = {"accept_then_504": dial("0.3"), "accept_then_reset": dial("0.3")}
ONE_ATTEMPT = (
    "DROP TRIGGER {on_proof_only} ON orders_attempt",
    "DROP INDEX attempt_one_live",
    "ALTER TABLE orders_attempt DROP CONSTRAINT attempt_numbered",
)

MUTANTS: Mapping[str, Mutant] = {
    "no_claim": Mutant(
        says="A worker looks whether an order is ready and sends it; SENDING is not committed.",
        expected=("C1",),
        aim=Aim(dials=LOST),
        guards=ONE_ATTEMPT,
    ),
    "send_on_found_sending": Mutant(
        says="Who finds an order in SENDING after its lease takes it for never sent, and sends it.",
        expected=("C1", "C4", "C6"),
        aim=Aim(
            trouble=(("arm", {"point": "after_write"}), ("arm", {"point": "mid_write"})),
            dials=SILENT,
        ),
    ),
    "resend_after_lease": Mutant(
        says="A sender that died is replaced by another: what it armed is sent again.",
        expected=("C1", "C4", "C6"),
        aim=Aim(
            trouble=(("arm", {"point": "after_write"}), ("arm", {"point": "after_response"})),
            dials=SILENT,
        ),
        guards=("DROP TRIGGER {steps} ON orders_order",),
    ),
    "retry_post": Mutant(
        says="A POST that got no whole answer, or a 5xx, is made once more.",
        expected=("C1",),
        aim=Aim(dials=LOST),
    ),
    "new_id_per_attempt": Mutant(
        says="An order that got no answer is sent again at once, under another id.",
        expected=("C2",),
        aim=Aim(dials=LOST),
    ),
    "duplicate_is_reject": Mutant(
        says="A broker's answer that it has an order by this id is taken for a refusal.",
        expected=("C4", "C6"),
        aim=Aim(dials={"double_retry": dial("0.6"), **SILENT}),
    ),
    "reject_on_timeout": Mutant(
        says="No answer, or half of one, is taken for a refusal.",
        expected=("C6",),
        aim=Aim(dials=LOST | SILENT),
    ),
    "one_404_is_absent": Mutant(
        says="One answer that there is no such order proves it absent.",
        expected=("C4", "C6"),
        aim=Aim(dials={"late_accept": dial("0.6", seconds="4"), **SILENT}),
    ),
    "transport_error_is_absent": Mutant(
        says="A look that fails is counted as a look that found nothing.",
        expected=("C4", "C6"),
        aim=Aim(
            # Long enough for absence to be concluded of what was sent before.
            orders=260,
            dials=LOST | SILENT,
            every=25,
            trouble=(("partition", {"link": "broker", "seconds": 45, "how": "refuse"}),),
        ),
    ),
    "doubt_is_looked_into_once": Mutant(
        says="An order in doubt is looked for once, and then no more.",
        expected=("C5", "C4"),
        aim=Aim(dials={"read_5xx": dial("0.7"), **LOST, **SILENT}),
    ),
    "last_write_wins_by_arrival": Mutant(
        says="What came last is believed, not what the broker said last.",
        expected=("C4", "C6"),
        aim=Aim(
            cancels=0.6,
            dials={"webhook_delay": dial("0.5", seconds="6"), "webhook_duplicate": dial("0.3")},
        ),
    ),
    "drop_unmatched_fills": Mutant(
        says="A fill that no order matches yet is thrown away, and polls bring no fills.",
        expected=("C3", "C4", "C10"),
        aim=Aim(dials={"webhook_before_answer": dial("1", seconds="2")}),
    ),
    "ignore_fills_after_cancel": Mutant(
        says="An order that is cancelled takes no fills any more.",
        expected=("C3", "C10"),
        aim=Aim(
            cancels=0.7,
            dials={
                "fill_after_cancel_ack": dial("0.4"),
                "fill_after_cancelled": dial("0.4", seconds="2"),
                "webhook_delay": dial("0.3", seconds="5"),
            },
        ),
    ),
    "fill_counted_twice": Mutant(
        says="A trade's identity is the message that told of it, not what the broker calls it.",
        expected=("C3", "C10"),
        aim=Aim(orders=60, dials={"webhook_delay": dial("0.6", seconds="20")}),
    ),
    "float_vwap": Mutant(
        says="What trades are worth is reckoned in binary floating point.",
        expected=("C3",),
        aim=Aim(orders=60),
    ),
    "no_poll_while_webhooks_healthy": Mutant(
        says="While webhooks come, working orders and accounts are not asked after.",
        expected=("C3", "C4"),
        aim=Aim(dials={"webhook_drop": dial("0.3")}),
    ),
    "cancel_2xx_is_cancelled": Mutant(
        says="A cancel that the broker took is shown as carried out.",
        expected=("C6",),
        aim=Aim(
            cancels=0.8,
            dials={
                "fill_after_cancel_ack": dial("0.6"),
                "webhook_delay": dial("1", seconds="8"),
            },
        ),
    ),
    "ack_before_commit": Mutant(
        says="A delivery is answered with a 2xx, and written down a moment later.",
        expected=("C7",),
        aim=Aim(every=6, trouble=(("kill", {"kind": "web"}),)),
    ),
    "audit_skipped": Mutant(
        says="An order that comes into doubt leaves no row in the audit.",
        expected=("C8",),
        aim=Aim(dials=LOST, orders=60),
    ),
    "halt_ignored": Mutant(
        says="A claim does not ask whether the account is halted.",
        expected=("C9",),
        aim=Aim(
            halts=True,
            orders=120,
            every=20,
            trouble=(("arm", {"point": "before_claim_commit", "dawdle": 3.0}),),
        ),
    ),
    "account_scope_forgotten": Mutant(
        says="A delivery may speak of any account's orders.",
        expected=("C11", "C2", "C3"),
        aim=Aim(dials={"webhook_foreign": dial("0.6")}, brokers=()),
    ),
    "verify_signature_skipped": Mutant(
        says="A delivery's signature is not looked at.",
        expected=("C11",),
        aim=Aim(dials={"webhook_bad_signature": dial("0.3")}, forgeries=True, orders=60),
    ),
    "secret_in_the_log": Mutant(
        says="What is sent to a broker is logged with the account's credentials.",
        expected=("C12",),
        aim=Aim(orders=60),
    ),
    "submit_by_ignored": Mutant(
        says="An order that waited behind an outage is sent whenever the outage ends.",
        expected=("C13",),
        aim=Aim(
            every=40, trouble=(("partition", {"link": "broker", "seconds": 45, "how": "refuse"}),)
        ),
    ),
    "brackets_untended": Mutant(
        says="Once a bracket's entry is placed, nobody looks after its legs.",
        expected=("C15",),
        aim=Aim(orders=120, brokers=(), brackets=0.5, cancels=0.0),
    ),
    "connections_leak": Mutant(
        says="Each request to a broker leaves a connection to PostgreSQL open.",
        expected=("C14",),
        aim=Aim(orders=150),
    ),
}


def install(name: str) -> None:
    """Make the desk in this process wrong in one way. Raises KeyError for a way there is not."""
    if name not in MUTANTS:
        raise KeyError(f"There is no mutant {name!r}: {', '.join(MUTANTS)}.")
    importlib.import_module("tests.chaos.mutilating").MUTILATIONS[name]()


def prepare(name: str, connection: psycopg.Connection[Any]) -> None:
    """Take down what in the database would refuse a mutant. Raises if it is not there."""
    for guard in MUTANTS[name].guards:
        connection.execute(_named(guard, connection).encode())


def _named(statement: str, connection: psycopg.Connection[Any]) -> str:
    """Put a trigger's whole name in the place of its short one: pgtrigger adds to them."""
    before, brace, rest = statement.partition("{")
    if not brace:
        return statement
    short, _, after = rest.partition("}")
    table = after.split()[-1]
    found = connection.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE %s",
        [table, f"pgtrigger\\_{short.replace('_', chr(92) + '_')}\\_%"],
    ).fetchall()
    assert len(found) == 1, f"{short} on {table}: {found}"
    return f'{before}"{found[0][0]}"{after}'

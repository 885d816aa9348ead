"""Triggers shared by the tables whose rows are evidence."""

from collections.abc import Iterable

import pgtrigger


def grow_only() -> list[pgtrigger.Trigger]:
    """Refuse UPDATE, DELETE and TRUNCATE: a fact, once kept, is kept as it came."""
    return [
        pgtrigger.Protect(name="grow_only", operation=pgtrigger.Update | pgtrigger.Delete),
        keep_all(),
    ]


def keep_all() -> pgtrigger.Trigger:
    """Refuse TRUNCATE."""
    return pgtrigger.Trigger(
        name="no_truncate",
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        func="RAISE EXCEPTION 'no_truncate: % keeps its rows', TG_TABLE_NAME;",
    )


def frozen(*columns: str, name: str = "frozen_columns") -> pgtrigger.Trigger:
    """Refuse a change of any of these columns once a row is written."""
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=f"""
            IF {changed} THEN
                RAISE EXCEPTION '{name}: % of % can not be changed', OLD.id, TG_TABLE_NAME;
            END IF;
            RETURN NEW;
        """,
    )


def steps(column: str, table: dict[str, list[str]], *, name: str = "steps") -> pgtrigger.Trigger:
    """Refuse a change of `column` that the transition table does not allow."""
    allowed = " OR ".join(
        f"(OLD.{column} = '{before}' AND NEW.{column} IN ({in_sql(after)}))"
        for before, after in table.items()
        if after
    )
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=f"""
            IF OLD.{column} <> NEW.{column} AND NOT ({allowed}) THEN
                RAISE EXCEPTION '{name}: {column} of % can not go from % to %',
                    OLD.id, OLD.{column}, NEW.{column};
            END IF;
            RETURN NEW;
        """,
    )


def in_sql(words: Iterable[str]) -> str:
    """Return words of ours as SQL has them between the brackets of IN: in one order, always."""
    return ", ".join(f"'{word!s}'" for word in sorted(words))

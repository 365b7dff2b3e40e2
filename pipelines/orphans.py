"""Rows whose reference is overdue, as a build found them: told once a pair of feeds, kept in its ledger event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb


def overdue(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """For each pair of feeds with an overdue row how many there are, and the one that has waited longest.

    What it refers to is left out where that is a customer: the ledger outlives an erasure.
    """
    rows = connection.execute(
        """
        select feed, referenced_feed, count(*), first(row_id order by known_on, row_id),
            first(
                case when referenced_feed <> 'customers' then referenced_id end order by known_on, row_id
            ), max(days_waiting)
        from marts.mart_orphans where is_overdue group by all order by all
        """
    ).fetchall()
    names = ("feed", "referenced_feed", "rows", "first_row", "first_referenced", "days_waiting")
    return [dict(zip(names, row, strict=True)) for row in rows]


def told(pair: Mapping[str, Any]) -> str:
    """One line of a pair."""
    rows = f"{pair['rows']:,} {'row' if pair['rows'] == 1 else 'rows'}"
    missing = pair["first_referenced"] or "its customer"
    return (
        f"orphans: {rows} of {pair['feed']} without their {pair['referenced_feed']}, first {pair['first_row']} "
        f"({missing} is not there after {pair['days_waiting']} days); see marts.mart_orphans"
    )

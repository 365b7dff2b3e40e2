"""Which carts a night gave to which group: events of `decisions/`, so that who was to be written to is never guessed.

One Parquet file a night, written before the export becomes visible and named by its rows: the same night again adds
nothing.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from pipelines.delivered_sql import identifier, literal
from pipelines.home import Home, move_durably
from pipelines.ledger import file_sha256

EXPORT = "cart_recovery"
_COLUMNS = {
    "as_of": "DATE",
    **dict.fromkeys(("cart_id", "visitor_id", "customer_id", "experiment_group"), "VARCHAR"),
    "propensity": "DOUBLE",
    "salt": "VARCHAR",
}


def folder(home: Home) -> Path:
    return home.decisions / EXPORT


def relation(home: Home) -> str:
    """All assignments as a table of SQL; a cart that was given to a group twice is as it was given first."""
    if not any(folder(home).glob("as_of=*/*.parquet")):
        empty = ", ".join(f"NULL::{kind} as {identifier(name)}" for name, kind in _COLUMNS.items())
        return f"(select {empty} where false)"
    files = literal(str(folder(home) / "as_of=*" / "*.parquet"))
    return (
        f"(select * from read_parquet({files}, hive_partitioning=false) "
        "qualify row_number() over (partition by cart_id order by as_of) = 1)"
    )


def record(home: Home, connection: duckdb.DuckDBPyConnection, as_of: date, salt: str) -> Path:
    """Write down the assignments of the built export, by cart."""
    target = folder(home) / f"as_of={as_of}"
    target.mkdir(parents=True, exist_ok=True)
    beside = target / ".being-written"
    rows = (
        f"select as_of, cart_id, visitor_id, customer_id, experiment_group, propensity, {literal(salt)} as salt "
        f"from exports.exp_{EXPORT} where experiment_group is not null order by cart_id"
    )
    connection.execute(f"copy ({rows}) to {literal(str(beside))} (format parquet)")
    path = target / f"{file_sha256(beside)[:16]}.parquet"
    if path.exists():
        beside.unlink()
    else:
        move_durably(beside, path)
    return path

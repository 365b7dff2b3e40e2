"""The published warehouse of a night, by itself and beside the truth of the simulated store and the raw feeds."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd


class Night:
    """The published warehouse with the truth, `truth_<name>`, and the raw feeds, `raw_<feed>`, beside it."""

    def __init__(self, home: Path) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(f"attach '{home / 'published' / 'warehouse.duckdb'}' as published (read_only)")
        for path in (home / "truth").glob("*.parquet"):
            self._connection.execute(f"create view truth_{path.stem} as from '{path}'")
        for feed in ("orders", "order_lines", "products", "events"):
            self._connection.execute(f"create view raw_{feed} as from '{home}/raw/{feed}/*/data.parquet'")
        self._connection.execute("use published")

    def frame(self, query: str) -> pd.DataFrame:
        return self._connection.execute(query.replace("truth_", "memory.truth_").replace("raw_", "memory.raw_")).df()

    def differences(self, made: str, true: str) -> list[tuple[object, ...]]:
        """Rows of one query that the other does not have, with the side they are from."""
        both = f"select 'warehouse' as side, * from ({made} except all {true})"
        query = f"{both} union all select 'truth', * from ({true} except all {made}) limit 20"
        return [tuple(row) for row in self.frame(query).itertuples(index=False)]


def exports_and_completeness(home: Path) -> tuple[set[str], str]:
    """The tables of `exports` that are published, and what `meta` says of the night."""
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute("select table_name from duckdb_tables() where schema_name = 'exports'").fetchall()
        ((said,),) = connection.execute("select value from meta where name = 'completeness'").fetchall()
    return {name for (name,) in tables}, said

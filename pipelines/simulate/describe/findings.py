"""What the truth of a simulated store says, asked of its Parquet files."""

from __future__ import annotations

import glob
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

TABLES = ("sku", "sku_day", "line", "session", "cart")
# A drop may hold broken rows: what cannot be split is left out, a price that is none is not shown.
PRODUCT_READERS = {
    ".csv.gz": "read_csv($path, header = true, all_varchar = true, ignore_errors = true, "
    "delim = ',', quote = '\"', escape = '\"')",
    ".parquet": "read_parquet($path)",
}
OTHERS = "all others"
Row = tuple[Any, ...]


class Findings:
    """The truth tables that are there, as views, and the newest drop of products, if there is one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, landing: Path, truth: Path) -> None:
        self._connection = connection
        self._there = {table for table in TABLES if (truth / f"{table}.parquet").exists()}
        for table in self._there:
            connection.read_parquet(glob.escape(str(truth / f"{table}.parquet"))).create_view(table)
        self.products_ds = _newest_products(connection, landing)

    def missing(self, *tables: str) -> list[str]:
        return [table for table in tables if table not in self._there]

    def rows(self, sql: str) -> list[Row]:
        return self._connection.execute(sql).fetchall()

    def row(self, sql: str) -> Row:
        return self.rows(sql)[0]


@contextmanager
def findings(landing: Path, truth: Path) -> Iterator[Findings]:
    """Bounded in memory, and on one thread, so that floating-point sums come out the same every time."""
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"threads": 1, "memory_limit": "1GB", "temp_directory": spill}) as connection,
    ):
        yield Findings(connection, landing, truth)


def _newest_products(connection: duckdb.DuckDBPyConnection, landing: Path) -> str | None:
    """Make `product` (sku, title, list_price) of the newest drop and return its day; without a drop it is empty."""
    drops = {
        path.name.removesuffix(kind): (path, reader)
        for kind, reader in PRODUCT_READERS.items()
        for path in (landing / "products").glob(f"????-??-??{kind}")
    }
    connection.execute("create table product (sku varchar, title varchar, list_price double)")
    if not drops:
        return None
    ds = max(drops)
    path, reader = drops[ds]
    connection.execute(
        "insert into product select sku, min(title), min(try_cast(list_price as double)) "
        f"from {reader} group by sku order by sku",
        {"path": glob.escape(str(path))},
    )
    return ds


@dataclass(frozen=True)
class StoreDay:
    """Units sold and on hand at close, the share of SKUs out of stock; `_week` is over the seven days up to it."""

    on: date
    sold: float
    on_hand: float
    out_share: float
    sold_week: float
    lost_share_week: float


def daily(found: Findings) -> list[StoreDay]:
    rows = found.rows(
        """
        with day as (
            select sold_on, sum(sold_units)::double as sold, sum(closing_units)::double as on_hand,
                avg((not is_in_stock)::int) as out_share, sum(true_lost_units)::double as lost,
                sum(true_demand_units)::double as wanted
            from sku_day group by sold_on
        )
        select sold_on, sold, on_hand, out_share, avg(sold) over week,
            coalesce(sum(lost) over week / nullif(sum(wanted) over week, 0), 0)
        from day
        window week as (order by sold_on range between interval 6 days preceding and current row)
        order by sold_on
        """
    )
    return [StoreDay(*row) for row in rows]


def by_department(found: Findings, most: int) -> dict[str, list[tuple[Any, float]]]:
    """Units a day, as a mean over seven days, of the departments that sell most; the rest as one."""
    rows = found.rows(
        f"""
        with sold as (
            select coalesce(department, 'none') as department, sold_on, sum(sold_units) as units
            from sku_day left join sku using (sku) group by all
        ),
        ranked as (
            select department, count(*) over () as departments,
                row_number() over (order by sum(units) desc, department) as place
            from sold group by department
        ),
        named as (
            select least(place, {most}) as place, sold_on, sum(units) as units,
                case when place < {most} or departments = place then department else '{OTHERS}' end as name
            from sold join ranked using (department) group by all
        )
        select name, sold_on, avg(units) over (
            partition by name order by sold_on range between interval 6 days preceding and current row
        )
        from named order by place, sold_on
        """
    )
    return {name: [row[1:] for row in rows if row[0] == name] for name in dict.fromkeys(row[0] for row in rows)}


def return_shares(found: Findings, most_departments: int, most_causes: int) -> tuple[list[str], dict[str, list[float]]]:
    """The departments with most lines, and for each cause the share of their lines that came back for it."""
    rows = found.rows(
        """
        select coalesce(department, 'none'), coalesce(return_reason, 'none given'),
            count(*) filter (is_returned), count(*)
        from line left join sku using (sku) where not is_cancelled group by all order by all
        """
    )
    lines: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    for department, reason, back, number in rows:
        lines[department] += number
        returned.update({reason: back} if back else {})
    departments = [name for name, _ in lines.most_common(most_departments)]
    leading = [name for name, _ in returned.most_common(most_causes)]
    if len(leading) < len(returned):
        leading[-1] = OTHERS
    shares = {reason: dict.fromkeys(departments, 0.0) for reason in leading}
    for department, reason, back, _ in rows:
        if back and department in departments:
            shares[reason if reason in shares else OTHERS][department] += back / lines[department]
    return departments, {reason: list(of.values()) for reason, of in shares.items()}

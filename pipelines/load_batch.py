"""One batch of deliveries inside a DuckDB of its own: read as text, typed, judged row by row, written beside.

Mapping expressions are the operator's code, so the database they run in can see the deliveries and this feed's own
raw folder only, and can change no setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from glob import escape
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from pipelines import suppression
from pipelines.batch_judging import DUPLICATE, EXCLUDED, REFUSED, mark_duplicates, number_lines
from pipelines.batch_reading import read_files
from pipelines.delivered_sql import identifier, literal
from pipelines.feeds import Feed
from pipelines.personal_data import PersonalDataKey
from pipelines.settings import Settings
from pipelines.sources import Source, Store
from pipelines.whole_files import DeliveredFile


@dataclass(frozen=True)
class DayCounts:
    """The account of one business day: rows_in = rows_loaded + rows_duplicate + rows_quarantined."""

    ds: date
    rows_in: int
    rows_loaded: int
    rows_duplicate: int
    rows_quarantined: int
    rows_excluded: int


class Batch:
    """The table `checked` of `connection` holds the rows once they are read."""

    def __init__(
        self,
        settings: Settings,
        feed: Feed,
        source: Source,
        store: Store,
        key: PersonalDataKey,
        delivered: Sequence[Path],
        staging: Path,
    ) -> None:
        self.feed, self.source, self.store, self.staging = feed, source, store, staging
        self._suppressed = key.suppressed
        self.files: Sequence[DeliveredFile] = ()
        self.connection = duckdb.connect()
        key.prepare(self.connection)
        seen = {str(path) for folder in delivered for path in (folder, folder.resolve())} | {str(staging.parent)}
        # Files are read by patterns in which what would be a wildcard is escaped.
        seen |= {escape(path) for path in seen}
        for statement in (
            f"set TimeZone = {literal(store.timezone)}",
            # Several threads would write the rows of a day in another order each time.
            "set threads = 1",
            # A day is written at once, or its row groups would depend on the days beside it.
            f"set partitioned_write_flush_threshold = {1 << 62}",
            f"set memory_limit = {literal(settings.memory_limit)}",
            f"set temp_directory = {literal(str(staging / 'spill'))}",
            f"set allowed_directories = [{', '.join(map(literal, sorted(seen)))}]",
            "set enable_external_access = false",
            "set lock_configuration = true",
        ):
            self.connection.execute(statement)

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def read(self, files: Mapping[DeliveredFile, date | None], retired: Sequence[date] = ()) -> None:
        """Fill `checked`: typed rows, each with its day and, when refused, `reason:column`, its text and line.

        `retired` are days that an earlier bulk history had; those that this one has no row of become empty.
        """
        self.files = tuple(files)
        self.connection.execute(
            "create temp table delivered_days as "
            "select unnest($paths::VARCHAR[]) as delivered_file, unnest($days::DATE[]) as ds",
            {
                "paths": [str(file.path) for file in files] + [""] * len(retired),
                "days": [ds or self.source.ds for ds in files.values()] + list(retired),
            },
        )
        read_files(self)
        suppression.apply(self.connection, self.feed, self._suppressed)
        mark_duplicates(self)
        number_lines(self)

    def erased_rows(self) -> list[tuple[str, int | None, str]]:
        """File, place in the delivery and effect of the rows that name an erased person; see `suppression.apply`."""
        return self.connection.execute(
            "select delivered_file, delivered_row, effect from checked join erased_rows on checked.rowid = row "
            "order by all"
        ).fetchall()

    def counts(self) -> list[DayCounts]:
        """One account a business day, in order; days of files without rows included."""
        rows = self.connection.execute(
            f"""
            with days as (
                select distinct ds from checked where ds is not null
                union select ds from delivered_days where ds is not null
            )
            select days.ds,
                count(rows.ds) filter (where kind <> '{EXCLUDED}'),
                count(*) filter (where kind = 'loaded'),
                count(*) filter (where kind = '{DUPLICATE}'),
                count(*) filter (where kind = 'quarantined'),
                count(*) filter (where kind = '{EXCLUDED}')
            from days left join (
                select ds, case when refusal is null then 'loaded' when {REFUSED} then 'quarantined'
                    else refusal end as kind
                from checked
            ) as rows using (ds)
            group by days.ds order by days.ds
            """
        ).fetchall()
        counts = [DayCounts(*row) for row in rows]
        for day in counts:
            if day.rows_in != day.rows_loaded + day.rows_duplicate + day.rows_quarantined:
                raise AssertionError(f"{self.feed.name} {day}: rows in are not loaded + duplicate + quarantined")
        return counts

    def top_reasons(self, ds: date) -> list[tuple[str, int]]:
        return self.connection.execute(
            f"select replace(rtrim(refusal, ':'), ':', ' '), count(*) from checked where ds = $ds and {REFUSED} "
            "group by 1 order by 2 desc, 1 limit 3",
            {"ds": ds},
        ).fetchall()

    def first_accepted(self, rows: int) -> list[dict[str, Any]]:
        """The first rows about to be loaded, in the order of the delivery."""
        columns = ", ".join(identifier(name) for name in self.feed.column_names)
        found = self.connection.execute(
            f"select {columns} from checked where refusal is null order by delivered_file, delivered_row limit $rows",
            {"rows": rows},
        ).fetchall()
        return [dict(zip(self.feed.column_names, row, strict=True)) for row in found]

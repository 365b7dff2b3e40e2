"""One batch of deliveries inside DuckDB: read as text, typed, judged row by row, written beside.

Mapping expressions are the operator's code, so the database they run in can see the landing folder and this
feed's own raw folder only, and can change no setting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from glob import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines import contract_sql
from pipelines.contract_sql import Reason, SteadyClock, steady_clocks
from pipelines.delivered_sql import (
    REJECT_SCANS,
    REJECTS,
    delivered_relation,
    identifier,
    inner_newlines,
    literal,
    no_rows,
    plain_json_lines,
)
from pipelines.deliveries import DeliveredFile
from pipelines.errors import NightshiftError
from pipelines.feeds import LINEAGE_COLUMNS, TOMBSTONE, Feed
from pipelines.number_sql import mapped_expression
from pipelines.personal_data import PersonalDataKey
from pipelines.settings import Settings
from pipelines.sources import Source, Store
from pipelines.touched import touched_dates

if TYPE_CHECKING:
    import pandas as pd

# Most rows of a drop speak of the days around it.
DAYS_BEFORE_A_DROP, DAYS_AFTER_A_DROP = timedelta(days=30), timedelta(days=2)
_DUPLICATE = "duplicate"
_EXCLUDED = "excluded"
_REFUSED = f"refusal is not null and refusal not in ('{_DUPLICATE}', '{_EXCLUDED}')"
_QUERY = (r"\?[^\s\"'',;<>]+", "?[query]")
_EMAIL = (r"[^\s\"'',;:<>]+@[^\s\"'',;<>]+", "[email]")
_PHONE = (r"\+?\d(?:[ ()/.-]*\d){8,}", "[number]")


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
    """A DuckDB of its own for the length of one load."""

    def __init__(
        self,
        settings: Settings,
        feed: Feed,
        source: Source,
        store: Store,
        key: PersonalDataKey,
        landing: Path,
        staging: Path,
    ) -> None:
        self.feed, self.source, self.landing, self.staging = feed, source, landing, staging
        self._store = store
        self._files: Sequence[DeliveredFile] = ()
        self._has_lines = False
        self._connection = duckdb.connect()
        self._connection.execute("set variable hmac_inner = $inner", {"inner": key.inner})
        self._connection.execute("set variable hmac_outer = $outer", {"outer": key.outer})
        # Files are read by patterns in which what would be a wildcard is escaped.
        folders = [str(path) for path in (landing, landing.resolve(), staging.parent)]
        seen = ", ".join(literal(path) for path in dict.fromkeys([*folders, *map(escape, folders)]))
        for statement in (
            f"set TimeZone = {literal(store.timezone)}",
            f"set threads = {settings.threads}",
            f"set memory_limit = {literal(settings.memory_limit)}",
            f"set temp_directory = {literal(str(staging / 'spill'))}",
            f"set allowed_directories = [{seen}]",
            "set enable_external_access = false",
            "set lock_configuration = true",
        ):
            self._connection.execute(statement)

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def read(
        self, files: Sequence[DeliveredFile], days: Mapping[Path, date | None], retired: Sequence[date] = ()
    ) -> None:
        """Fill `checked`: typed rows, each with its day and, when refused, `reason:column` and its text.

        `retired` are days that an earlier bulk history had; those that this one has no row of become empty.
        """
        self._files = files
        self._connection.execute("create temp table delivered_days (delivered_file VARCHAR, ds DATE)")
        self._connection.executemany(
            "insert into delivered_days values ($path, $ds)",
            [{"path": str(path), "ds": ds or self.source.ds} for path, ds in days.items()]
            + [{"path": "", "ds": day} for day in retired],
        )
        if not files:
            self._connection.execute(f"create temp table checked as {no_rows(self.feed)}")
            return
        if not self._read_plain_json_lines(files):
            relation = delivered_relation(self._connection, self.feed.name, self.source, files)
            self._connection.execute(f"create temp table checked as {self._checked(relation)}")
            self._add_rejected_lines()
        self._refuse_swallowed_lines()
        self._give_undated_rows_a_day()

    def _read_plain_json_lines(self, files: Sequence[DeliveredFile]) -> bool:
        """Fill `checked` the short way; False, and nothing done, when a line needs a closer look."""
        if self.source.format != "jsonl" or any(file.empty_lines for file in files):
            return False
        relation = plain_json_lines(self.feed.name, self.source, files)
        try:
            self._connection.execute(f"create temp table checked as {self._checked(relation)}")
        except duckdb.Error:
            return False
        # A line that says no more than null would pass for a row without values.
        rows = self._connection.execute(
            f"select delivered_file, count(*) from checked where not starts_with(coalesce(refusal, ''), "
            f"'{Reason.MISSING_VALUE}:') group by 1"
        ).fetchall()
        seen = dict(rows)
        if any(seen.get(str(file.path), 0) != file.newlines for file in files):
            self._connection.execute("drop table checked")
            return False
        return True

    def _checked(self, relation: str) -> str:
        feed, source = self.feed, self.source
        expressions = source.expressions(feed.name)
        mapped = ", ".join(
            f"{mapped_expression(source, column, expressions.get(column.name, 'NULL::VARCHAR'))}"
            f" as {contract_sql.mapped(column.name)}"
            for column in feed.columns
        )
        present = ", ".join(
            f"{contract_sql.present_expression(column)} as {contract_sql.mapped(column.name)}"
            for column in feed.columns
        )
        typed = ", ".join(f'{contract_sql.typed_expression(column)} as "{column.name}"' for column in feed.columns)
        reason = contract_sql.reason_expression(feed, source.is_bulk)
        own_instant = contract_sql.own_instant(feed)
        instant_day = contract_sql.business_day(own_instant, self._steady_clocks())
        has_update = "updated_at" in feed.column_names
        default_update = f" replace ({contract_sql.defaulted_update(feed)} as updated_at)" if has_update else ""
        days = f"select *, {contract_sql.ahead_from('ds', source.is_bulk)} as ahead_from from delivered_days"
        if source.is_bulk and not feed.is_snapshot:
            latest_day = contract_sql.business_day(contract_sql.latest_instant(feed))
            ds, known_on = "business_date", f"coalesce({latest_day}, business_date)"
        else:
            ds = known_on = "delivered_ds"
        is_bulk = str(source.is_bulk).lower()
        columns = ", ".join(identifier(column.name) for column in (*feed.columns, *LINEAGE_COLUMNS))
        return f"""
            with delivered as ({relation}),
            mapped as (
                select {mapped},
                    ({source.where or "true"}\n) as is_kept, delivered_source is null as is_malformed,
                    delivered_source, delivered_text, delivered_file, delivered_row
                from (select unnest(delivered_source), * from delivered)
            ),
            present as (
                select mapped.* replace ({present}) from mapped
            ),
            typed as (
                select present.*, {typed} from present
            ),
            dated as (
                select typed.*{default_update}, days.ds as delivered_ds, days.ahead_from,
                    coalesce({instant_day}, days.ds) as business_date
                from typed join ({days}) as days using (delivered_file)
            ),
            judged as (
                select *, {ds} as ds, {known_on} as known_on, {is_bulk} as is_known_on_approximate,
                    case when is_malformed then '{Reason.MALFORMED_LINE}:'
                        when is_kept is not true then '{_EXCLUDED}' else {reason} end as refusal
                from dated
            )
            select {columns}, ds, refusal, delivered_file, delivered_row, NULL::BIGINT as line,
                case when refusal <> '{_EXCLUDED}'
                    then case when is_malformed then delivered_text else to_json(delivered_source)::VARCHAR end
                end as raw_text
            from judged
        """

    def _steady_clocks(self) -> list[SteadyClock]:
        """Around the days of daily drops; bulk history may hold any instant."""
        first, last = self._connection.execute("select min(ds), max(ds) from delivered_days").fetchall()[0]
        if self.source.is_bulk or not self.feed.instants or first is None:
            return []
        return steady_clocks(self._store.zone, first - DAYS_BEFORE_A_DROP, last + DAYS_AFTER_A_DROP)

    def _add_rejected_lines(self) -> None:
        """Lines that are no CSV record at all come from DuckDB's own account of what it rejected."""
        if self.source.format == "parquet":
            return
        self._connection.execute(
            f"""
            insert into checked by name
            select distinct on (scans.file_path, rejects.line)
                scans.file_path as delivered_file, days.ds, days.ds as business_date, days.ds as known_on,
                '{Reason.MALFORMED_LINE}:' as refusal, rejects.csv_line as raw_text, rejects.line::BIGINT as line
            from {REJECTS} as rejects
            join {REJECT_SCANS} as scans using (scan_id, file_id)
            join delivered_days as days on days.delivered_file = scans.file_path
            order by scans.file_path, rejects.line, rejects.column_idx
            """
        )

    def _refuse_swallowed_lines(self) -> None:
        """A quotation mark that is never closed hides all lines behind it from DuckDB's own account too."""
        if self.source.format != "csv":
            return
        rows = self._connection.execute(
            "select delivered_file, count(*), coalesce(max(line) filter (where delivered_row is null), 1) "
            "from checked group by all"
        ).fetchall()
        found = {path: (count, line) for path, count, line in rows}
        for file in self._files:
            count, line = found.get(str(file.path), (0, 1))
            unseen = file.newlines - 1 - count - file.empty_lines
            if unseen > 0:
                counted = self._connection.execute(f"select {inner_newlines(file, self.source.delimiter)}")
                inner = counted.fetchall()[0][0]
                if unseen > inner:
                    raise NightshiftError(
                        f"{file.path.name}: {unseen - inner:,} of its lines vanish behind a quotation mark that is not "
                        f"closed, near line {line}; mend the file and deliver it again"
                    )

    def _give_undated_rows_a_day(self) -> None:
        """Bulk rows whose day cannot be read are quarantined with the history's last day."""
        if self.source.is_bulk:
            self._connection.execute(
                "update checked set ds = (select coalesce(max(ds), current_date) from checked where refusal is null) "
                f"where ds is null or ({_REFUSED})"
            )

    def mark_duplicates(self) -> None:
        """Keep one row a key and day: the latest state; the same content again counts as duplicate.

        Rows of one key, one instant and different content contradict each other: the first in the delivery is
        kept, the others go to quarantine. A tombstone without an instant is the day's last word.
        """
        names = self.feed.column_names
        keys = ", ".join(identifier(name) for name in self.feed.key)
        content = f"hash({', '.join(identifier(name) for name in names)})"
        updated = "updated_at" if "updated_at" in names else "NULL::TIMESTAMP"
        is_last = contract_sql.last_word(self.feed)
        named = [identifier(name) for name in ("ds", *self.feed.key)]
        same = [f"checked.{name} is not distinct from repeated_keys.{name}" for name in named]
        self._connection.execute(
            f"""
            create temp table repeated as
            with repeated_keys as (
                select ds, {keys} from checked where refusal is null group by all having count(*) > 1
            ),
            ranked as (
                select checked.rowid as row, {content} as content, {updated} as updated,
                    row_number() over newest as place, first_value({content}) over newest as kept_content,
                    first_value({updated}) over newest as kept_updated,
                    {is_last} as is_last, first_value({is_last}) over newest as is_kept_last
                from checked
                semi join repeated_keys
                    on {" and ".join(same)}
                where refusal is null
                window newest as (
                    partition by ds, {keys}
                    order by {is_last} desc, {updated} desc nulls last, delivered_file, delivered_row
                )
            )
            select row, case when content = kept_content or updated < kept_updated or is_last < is_kept_last
                then '{_DUPLICATE}' else '{Reason.CONFLICTING_KEY}:{self.feed.key[0]}' end as refusal
            from ranked where place > 1
            """
        )
        self._connection.execute(
            "update checked set refusal = repeated.refusal from repeated where checked.rowid = repeated.row"
        )

    def counts(self) -> list[DayCounts]:
        """One account a business day, in order; days of files without rows included."""
        rows = self._connection.execute(
            f"""
            with days as (
                select distinct ds from checked where ds is not null
                union select ds from delivered_days where ds is not null
            )
            select days.ds,
                count(rows.ds) filter (where kind <> '{_EXCLUDED}'),
                count(*) filter (where kind = 'loaded'),
                count(*) filter (where kind = '{_DUPLICATE}'),
                count(*) filter (where kind = 'quarantined'),
                count(*) filter (where kind = '{_EXCLUDED}')
            from days left join (
                select ds, case when refusal is null then 'loaded' when {_REFUSED} then 'quarantined'
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
        return self._connection.execute(
            f"select replace(rtrim(refusal, ':'), ':', ' '), count(*) from checked where ds = $ds and {_REFUSED} "
            "group by 1 order by 2 desc, 1 limit 3",
            {"ds": ds},
        ).fetchall()

    def accepted(self) -> pd.DataFrame:
        """The rows about to be loaded, tombstones apart, as a frame of the contract's columns."""
        columns = ", ".join(identifier(name) for name in self.feed.column_names)
        stands = f" and {TOMBSTONE} is not true" if self.feed.has_tombstones else ""
        return self._connection.execute(f"select {columns} from checked where refusal is null{stands}").df()

    def first_accepted(self, rows: int) -> list[dict[str, Any]]:
        """The first rows about to be loaded, in the order of the delivery."""
        columns = ", ".join(identifier(name) for name in self.feed.column_names)
        found = self._connection.execute(
            f"select {columns} from checked where refusal is null order by delivered_file, delivered_row limit $rows",
            {"rows": rows},
        ).fetchall()
        return [dict(zip(self.feed.column_names, row, strict=True)) for row in found]

    def write(self, counts: Sequence[DayCounts]) -> list[dict[str, Any]]:
        """Write each day's Parquet and quarantine into staging; ordered by key, so equal rows give equal bytes."""
        columns = ", ".join(identifier(column.name) for column in (*self.feed.columns, *LINEAGE_COLUMNS))
        keys = ", ".join(identifier(name) for name in self.feed.key)
        # Daily drops lie in the batch day by day; a history may be in any order, and no day should scan all of it.
        kind, order = ("table", " order by ds") if self.source.is_bulk else ("view", "")
        self._connection.execute(
            f"create temp {kind} accepted as select ds, {columns} from checked where refusal is null{order}"
        )
        touched = touched_dates(self._connection, self.feed, self.staging.parent, [day.ds for day in counts])
        entries = []
        for day in counts:
            path = self.staging / f"{day.ds}.parquet"
            self._copy(f"select {columns} from accepted where ds = DATE '{day.ds}' order by {keys}", path)
            if day.rows_quarantined:
                self.write_quarantine(day.ds)
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            entry = {**asdict(day), "ds": str(day.ds), "sha256": sha256, "touched": touched.get(day.ds, [])}
            entries.append(entry)
        return entries

    def write_quarantine(self, ds: date) -> Path:
        """Write the day's refused rows: file, line where it is known, reason, column, masked text."""
        self._number_lines()
        fields = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in self.feed.column_names)
        text = f"coalesce(raw_text, to_json(struct_pack({fields}))::VARCHAR)"
        for pattern, mask in (_QUERY, _EMAIL):
            text = f"regexp_replace({text}, {literal(pattern)}, {literal(mask)}, 'g')"
        # A line that cannot be told into columns may hold anything; elsewhere long numbers are ids and instants.
        may_hold_phones = "true" if "phone" in self.feed.column_names else f"refusal = '{Reason.MALFORMED_LINE}:'"
        without_phones = f"regexp_replace({text}, {literal(_PHONE[0])}, {literal(_PHONE[1])}, 'g')"
        text = f"case when {may_hold_phones} then {without_phones} else {text} end"
        path = self.staging / f"quarantine-{ds}.parquet"
        self._copy(
            f"""
            select '{self.feed.name}' as feed, ds, parse_filename(delivered_file) as file, line,
                split_part(refusal, ':', 1) as reason, nullif(split_part(refusal, ':', 2), '') as column_name,
                {text} as raw_text
            from checked where ds = DATE '{ds}' and {_REFUSED}
            order by file, line, delivered_row, raw_text
            """,
            path,
        )
        return path

    def _copy(self, select: str, path: Path) -> None:
        self._connection.execute(f"copy ({select}) to {literal(str(path))} (format parquet, compression snappy)")

    def _number_lines(self) -> None:
        """Give refused rows their line in the file, where every record is known to be one line."""
        if self._has_lines:
            return
        self._has_lines = True
        records_before = 0
        for file in self._files:
            rejected = self._lines_rejected(file)
            if self.source.format == "jsonl":
                self._set_lines(file, first=records_before + 1, header=0, rejected=rejected)
            records_before += file.newlines - len(rejected)
            if self.source.format == "csv":
                count, first = self._connection.execute(
                    "select count(delivered_row), min(delivered_row) from checked where delivered_file = $path",
                    {"path": str(file.path)},
                ).fetchall()[0]
                if file.newlines == count + len(rejected) + 1:
                    self._set_lines(file, first, header=1, rejected=rejected)

    def _lines_rejected(self, file: DeliveredFile) -> list[int]:
        rows = self._connection.execute(
            "select line from checked where delivered_file = $path and delivered_row is null order by line",
            {"path": str(file.path)},
        ).fetchall()
        return [row[0] for row in rows]

    def _set_lines(self, file: DeliveredFile, first: int, header: int, rejected: Sequence[int]) -> None:
        refused = self._connection.execute(
            f"select rowid, delivered_row from checked where delivered_file = $path and {_REFUSED} "
            "and delivered_row is not null and line is null order by delivered_row",
            {"path": str(file.path)},
        ).fetchall()
        for row, position in refused:
            line = position - first + 1 + header
            for other in rejected:
                line += other <= line
            self._connection.execute("update checked set line = $line where rowid = $row", {"line": line, "row": row})

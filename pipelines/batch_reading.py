"""Delivered files to the table `checked`: one row a delivered record, typed, with its day and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb

from pipelines import contract_sql
from pipelines.batch_judging import EXCLUDED, REFUSED
from pipelines.contract_sql import Reason, SteadyClock, steady_clocks
from pipelines.delivered_sql import (
    REJECT_SCANS,
    REJECTS,
    delivered_relation,
    identifier,
    inner_newlines,
    no_rows,
    plain_json_lines,
)
from pipelines.errors import NightshiftError
from pipelines.feeds import LINEAGE_COLUMNS
from pipelines.number_sql import mapped_expression

if TYPE_CHECKING:
    from pipelines.load_batch import Batch

# Most rows of a drop speak of the days around it.
DAYS_BEFORE_A_DROP, DAYS_AFTER_A_DROP = timedelta(days=30), timedelta(days=2)


def read_files(batch: Batch) -> None:
    """Fill `checked` from the batch's files; it reads the table `delivered_days`, the day of each file."""
    if not batch.files:
        batch.connection.execute(f"create temp table checked as {no_rows(batch.feed)}")
        return
    if not _read_plain_json_lines(batch):
        relation = delivered_relation(batch.connection, batch.feed.name, batch.source, batch.files)
        batch.connection.execute(f"create temp table checked as {_checked(batch, relation)}")
        _add_rejected_lines(batch)
    _refuse_swallowed_lines(batch)
    _give_undated_rows_a_day(batch)


def _read_plain_json_lines(batch: Batch) -> bool:
    """Fill `checked` the short way; False, and nothing done, when a line needs a closer look."""
    if batch.source.format != "jsonl" or any(file.empty_lines for file in batch.files):
        return False
    relation = plain_json_lines(batch.feed.name, batch.source, batch.files)
    try:
        batch.connection.execute(f"create temp table checked as {_checked(batch, relation)}")
    except (duckdb.InvalidInputException, duckdb.BinderException, duckdb.ConversionException):
        return False
    # A line that says no more than null would pass for a row without values.
    rows = batch.connection.execute(
        f"select delivered_file, count(*) from checked where not starts_with(coalesce(refusal, ''), "
        f"'{Reason.MISSING_VALUE}:') group by 1"
    ).fetchall()
    seen = dict(rows)
    if any(seen.get(str(file.path), 0) != file.newlines for file in batch.files):
        batch.connection.execute("drop table checked")
        return False
    return True


def _checked(batch: Batch, relation: str) -> str:
    feed, source = batch.feed, batch.source
    expressions = source.expressions(feed.name)
    mapped = ", ".join(
        f"{mapped_expression(source, column, expressions.get(column.name, 'NULL::VARCHAR'))}"
        f" as {contract_sql.mapped(column.name)}"
        for column in feed.columns
    )
    present = ", ".join(
        f"{contract_sql.present_expression(column)} as {contract_sql.mapped(column.name)}" for column in feed.columns
    )
    typed = ", ".join(f'{contract_sql.typed_expression(column)} as "{column.name}"' for column in feed.columns)
    reason = contract_sql.reason_expression(feed, source.is_bulk)
    own_instant = contract_sql.own_instant(feed)
    instant_day = contract_sql.business_day(own_instant, _steady_clocks(batch))
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
                    when is_kept is not true then '{EXCLUDED}' else {reason} end as refusal
            from dated
        )
        select {columns}, ds, refusal, delivered_file, delivered_row, NULL::BIGINT as line,
            case when refusal <> '{EXCLUDED}'
                then case when is_malformed then delivered_text else to_json(delivered_source)::VARCHAR end
            end as raw_text
        from judged
    """


def _steady_clocks(batch: Batch) -> Sequence[SteadyClock]:
    """Around the days of daily drops; bulk history may hold any instant."""
    first, last = batch.connection.execute("select min(ds), max(ds) from delivered_days").fetchall()[0]
    if batch.source.is_bulk or not batch.feed.instants or first is None:
        return ()
    return steady_clocks(batch.store.zone, first - DAYS_BEFORE_A_DROP, last + DAYS_AFTER_A_DROP)


def _add_rejected_lines(batch: Batch) -> None:
    """Lines that are no CSV record at all come from DuckDB's own account of what it rejected."""
    if batch.source.format == "parquet":
        return
    batch.connection.execute(
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


def _refuse_swallowed_lines(batch: Batch) -> None:
    """A quotation mark that is never closed hides all lines behind it from DuckDB's own account too."""
    if batch.source.format != "csv":
        return
    rows = batch.connection.execute(
        "select delivered_file, count(*), coalesce(max(line) filter (where delivered_row is null), 1) "
        "from checked group by all"
    ).fetchall()
    found = {path: (count, line) for path, count, line in rows}
    for file in batch.files:
        count, line = found.get(str(file.path), (0, 1))
        unseen = file.newlines - 1 - count - file.empty_lines
        if unseen > 0:
            counted = batch.connection.execute(f"select {inner_newlines(file, batch.source.delimiter)}")
            inner = counted.fetchall()[0][0]
            if unseen > inner:
                raise NightshiftError(
                    f"{file.path.name}: {unseen - inner:,} of its lines vanish behind a quotation mark that is not "
                    f"closed, near line {line}; mend the file and deliver it again"
                )


def _give_undated_rows_a_day(batch: Batch) -> None:
    """Bulk rows whose day cannot be read are quarantined with the history's last day."""
    if batch.source.is_bulk:
        batch.connection.execute(
            "update checked set ds = (select coalesce(max(ds), current_date) from checked where refusal is null) "
            f"where ds is null or ({REFUSED})"
        )

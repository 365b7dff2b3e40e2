"""The SQL that reads delivered files as rows of text, one relation whatever the format.

Every relation has `delivered_source` (a struct of the file's columns, or NULL where the line cannot be read),
`delivered_text` (the line itself, for JSON Lines), `delivered_file` and `delivered_row` (order in the delivery).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from glob import escape
from pathlib import Path

import duckdb

from pipelines.feeds import DATE, LINEAGE_COLUMNS, TEXT, Column, Feed
from pipelines.mapping_sql import column_structure
from pipelines.masking import mask
from pipelines.sources import Source
from pipelines.whole_files import DeliveredFile

REJECTS = "csv_rejects"
REJECT_SCANS = "csv_reject_scans"
# A byte that no valid delivery holds as such: a control character cannot stand in JSON text unescaped.
_NO_DELIMITER = "\x01"
# What DuckDB's CSV reader says of a line end that is not the one it took the file's first lines to end with.
_MIXED_LINE_ENDS = "state machine reached an invalid state"
_MAX_LINE_BYTES = 16 << 20


def literal(text: str) -> str:
    """A SQL string literal of text that we chose ourselves (paths, column names)."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def delivered_relation(
    connection: duckdb.DuckDBPyConnection, feed: str, source: Source, files: Sequence[DeliveredFile]
) -> str:
    """A select over the files; a column that the mapping reads and a file lacks is NULL there."""
    match source.format:
        case "csv":
            return _csv(feed, source, files)
        case "jsonl":
            return _json_lines(feed, source, files)
        case "parquet" | "postgres":
            return _parquet(connection, feed, source, files)


def plain_json_lines(feed: str, source: Source, files: Sequence[DeliveredFile]) -> str:
    """The same relation for JSON Lines that are all good, at less than half the cost.

    It fails on the first line that is no JSON; whether it saw every line is for the caller to count.
    """
    names = source.referenced_columns(feed)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    paths = ", ".join(literal(escape(str(file.path))) for file in files)
    read = (
        f"read_json([{paths}], format='newline_delimited', records=true, filename=true, "
        f"maximum_object_size={_MAX_LINE_BYTES}, compression='uncompressed', columns={{{columns}}})"
    )
    fields = ", ".join(f"{identifier(name)} := read.{identifier(name)}" for name in names)
    return _select(f"struct_pack({fields})", read)


def no_rows(feed: Feed) -> str:
    """The checked rows of days without a file: none."""
    columns = (
        *feed.columns,
        *LINEAGE_COLUMNS,
        Column("ds", DATE),
        Column("refusal", TEXT),
        Column("delivered_file", TEXT),
    )
    lines = (Column("delivered_row", "BIGINT"), Column("line", "BIGINT"), Column("raw_text", TEXT))
    empty = ", ".join(f"NULL::{column.type} as {identifier(column.name)}" for column in (*columns, *lines))
    return f"select {empty} where false"


def inner_newlines(file: DeliveredFile, delimiter: str) -> str:
    """A scalar query: how many line ends stand inside the quoted values of a CSV file's readable records."""
    text = f"concat_ws('', {', '.join(identifier(name) for name in file.header)})"
    return (
        f"(select coalesce(sum(length({text}) - length(replace({text}, chr(10), ''))), 0)::BIGINT "
        f"from {_read_csv([file], _csv_dialect(file.header, delimiter), is_keeping_rejects=False)})"
    )


def one_line(error: duckdb.Error) -> str:
    """What DuckDB says, without the options and remedies that it lists on lines of their own; values masked."""
    return mask(str(error).splitlines()[0])


def is_out_of_space(error: duckdb.Error) -> bool:
    """Whether a disk was full: that of a file being written, or that of what does not fit into memory."""
    return any(sign in str(error) for sign in ("No space left on device", "max_temp_directory_size"))


def mixed_line_ends(error: duckdb.Error) -> str | None:
    """The file whose lines do not all end alike, and the remedy, if that is what DuckDB stumbled over."""
    file = re.search(r"^\s*file = (.+)$", str(error), re.MULTILINE)
    if _MIXED_LINE_ENDS not in str(error) or file is None:
        return None
    return (
        f"{Path(file[1]).name}: its lines end in different ways (LF, CR LF, CR) outside of quotation marks; "
        "write it with one line end and deliver it again"
    )


def _csv_dialect(header: Sequence[str], delimiter: str) -> str:
    columns = "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header) + "}"
    return f"columns={columns}, delim={literal(delimiter)}, quote='\"', escape='\"', header=true"


def _csv(feed: str, source: Source, files: Sequence[DeliveredFile]) -> str:
    by_header: dict[tuple[str, ...], list[DeliveredFile]] = {}
    for file in files:
        by_header.setdefault(file.header, []).append(file)
    selects = []
    for header, members in by_header.items():
        read = _read_csv(members, _csv_dialect(header, source.delimiter))
        selects.append(_select(_struct(feed, source, header), read))
    return " union all by name ".join(selects)


def _json_lines(feed: str, source: Source, files: Sequence[DeliveredFile]) -> str:
    structure = literal(json.dumps(column_structure(source.referenced_paths(feed))))
    dialect = f"columns={{'line': 'VARCHAR'}}, delim={literal(_NO_DELIMITER)}, quote='', escape='', header=false"
    parsed = f"case when ltrim(read.line) like '{{%' then try(from_json(read.line, {structure})) end"
    lines = _select(parsed, _read_csv(files, dialect), text="read.line")
    return f"select * from ({lines}) where delivered_text is not null"


def _parquet(connection: duckdb.DuckDBPyConnection, feed: str, source: Source, files: Sequence[DeliveredFile]) -> str:
    paths = ", ".join(literal(escape(str(file.path))) for file in files)
    read = f"read_parquet([{paths}], filename=true, union_by_name=true)"
    names = [row[0] for row in connection.execute(f"describe from {read}").fetchall() if row[0] != "filename"]
    return _select(_struct(feed, source, names), read)


def _select(fields: str, read: str, text: str = "NULL::VARCHAR") -> str:
    return (
        f"select {fields} as delivered_source, {text} as delivered_text, read.filename as delivered_file, "
        f"row_number() over () as delivered_row from {read} as read"
    )


def _struct(feed: str, source: Source, available: Sequence[str]) -> str:
    present = {name.lower() for name in available}
    absent = [name for name in source.referenced_columns(feed) if name.lower() not in present]
    # Only what the mapping reads: other columns of the file may be personal data, and quarantine keeps this struct.
    read = {name.lower() for name in source.referenced_columns(feed)}
    fields = [f"{identifier(name)} := read.{identifier(name)}" for name in available if name.lower() in read]
    # Text in CSV; an untyped NULL fits whatever an expression does with a typed column.
    null = "NULL::VARCHAR" if source.format == "csv" else "NULL"
    fields += [f"{identifier(name)} := {null}" for name in absent]
    return f"struct_pack({', '.join(fields)})"


def _read_csv(files: Sequence[DeliveredFile], dialect: str, is_keeping_rejects: bool = True) -> str:
    paths = ", ".join(literal(escape(str(file.path))) for file in files)
    tables = f"store_rejects=true, rejects_table='{REJECTS}', rejects_scan='{REJECT_SCANS}', "
    rejects = tables if is_keeping_rejects else ""
    return (
        f"read_csv([{paths}], {dialect}, auto_detect=false, filename=true, ignore_errors=true, {rejects}"
        f"compression='none', max_line_size={_MAX_LINE_BYTES})"
    )

"""Whether a copy of an export is what its manifest says; needs nothing but the copy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from pipelines.delivered_sql import identifier, literal, one_line
from pipelines.errors import NightshiftError
from pipelines.export_files import CHANGES, parquet
from pipelines.export_night import LATEST, MANIFEST, SCHEMA_FILE, Night
from pipelines.ledger import file_sha256


def verify(path: Path) -> Iterator[Night]:
    """Check a night's folder, or a version's with `latest.json` and all nights in it; yields each night that is right.

    Raises `NightshiftError` at the first thing that is not: a file missing or of other bytes, columns or rows that the
    manifest does not tell, a key twice or null, changed keys that do not fit the rows.
    """
    folders = [path] if (path / MANIFEST).exists() else sorted(p.parent for p in path.glob(f"as_of=*/{MANIFEST}"))
    if not folders:
        raise NightshiftError(f"{path} holds no {MANIFEST} and no as_of=... folder with one")
    for folder in folders:
        night = Night(folder)
        try:
            _check(night)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise NightshiftError(f"{folder / MANIFEST} is damaged: what it has to say is missing or no such") from None
        except duckdb.Error as error:
            raise NightshiftError(f"{folder}: cannot be read: {one_line(error)}") from None
        yield night
    if (path / LATEST).exists():
        _check_latest(path)


def _check(night: Night) -> None:
    for file in night.files:
        if Path(file["name"]).name != file["name"]:
            raise NightshiftError(f"{night.folder / MANIFEST} names a file elsewhere: {file['name']}")
    night.refuse_damaged()
    with duckdb.connect() as connection:
        _check_schema(connection, night)
        _check_rows(connection, night)
        _check_csv(connection, night)
        if night.delta_file:
            _check_delta(connection, night, night.delta_file)


def _check_schema(connection: duckdb.DuckDBPyConnection, night: Night) -> None:
    found = [
        {"name": row[0], "type": row[1]}
        for row in connection.execute(f"describe from {parquet(night.rows)}").fetchall()
    ]
    _expect(night.rows, "columns", night.manifest["schema"], found)
    promised = {column.name: column.type for column in night.contract.columns}
    _expect(
        night.folder.parent / SCHEMA_FILE,
        "types",
        {c["name"]: promised.get(c["name"]) for c in found},
        {c["name"]: c["type"] for c in found},
    )


def _check_rows(connection: duckdb.DuckDBPyConnection, night: Night) -> None:
    keys = [identifier(name) for name in night.manifest["key"]]
    missing = " or ".join(f"{key} is null" for key in keys)
    count, distinct, nulls, strangers = connection.execute(
        f"select count(*), (select count(*) from (select distinct {', '.join(keys)} from {parquet(night.rows)})), "
        f"count(*) filter (where {missing}), count(*) filter (where as_of <> $as_of) from {parquet(night.rows)}",
        {"as_of": night.as_of},
    ).fetchall()[0]
    _expect(night.rows, "rows", night.manifest["row_count"], count)
    _expect(night.rows, "rows with a null in the key", 0, nulls)
    _expect(night.rows, "different keys", count, distinct)
    _expect(night.rows, f"rows of another day than {night.as_of}", 0, strangers)


def _check_csv(connection: duckdb.DuckDBPyConnection, night: Night) -> None:
    for file in night.manifest["files"][1:]:
        path = night.folder / file["name"]
        read = f"read_csv({literal(str(path))}, header=true, all_varchar=true, delim=',', quote='\"', escape='\"')"
        _expect(
            path,
            "columns",
            list(night.column_names),
            [row[0] for row in connection.execute(f"describe from {read}").fetchall()],
        )
        _expect(
            path,
            "rows",
            night.manifest["row_count"],
            connection.execute(f"select count(*) from {read}").fetchall()[0][0],
        )


def _check_delta(connection: duckdb.DuckDBPyConnection, night: Night, file: Path) -> None:
    keys = ", ".join(map(identifier, night.contract.row_key))
    counts = dict.fromkeys(CHANGES, 0) | dict(
        connection.execute(f"select change, count(*) from {parquet(file)} group by change").fetchall()
    )
    _expect(file, "changes", {name: night.manifest["delta"][name] for name in CHANGES}, counts)
    is_there = f"select change from {parquet(file)} as f semi join {parquet(night.rows)} as r using ({keys})"
    there = connection.execute(f"select count(*) from ({is_there}) where change <> 'deleted'").fetchall()[0][0]
    _expect(file, "inserted and updated keys among the rows", counts["inserted"] + counts["updated"], there)
    gone = connection.execute(f"select count(*) from ({is_there}) where change = 'deleted'").fetchall()[0][0]
    _expect(file, "deleted keys among the rows", 0, gone)


def _check_latest(folder: Path) -> None:
    path = folder / LATEST
    try:
        latest: dict[str, Any] = json.loads(path.read_bytes())
        manifest, sha256 = folder / latest["manifest"], latest["manifest_sha256"]
    except (KeyError, TypeError, ValueError):
        raise NightshiftError(f"{path} is damaged") from None
    if not manifest.exists():
        raise NightshiftError(f"{path} points to {latest['manifest']}, which is not in this copy")
    _expect(manifest, f"SHA-256 that {LATEST} names", sha256, file_sha256(manifest))


def _expect(path: Path, what: str, wanted: object, found: object) -> None:
    if wanted != found:
        raise NightshiftError(f"{path}: {what}: {found}, expected {wanted}")

"""What an export promises is defined once, told in every form, and changed only by a new major version."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import jsonschema
import pytest
from planted_exports import COLUMNS, PLAN, deliver, folder_of, manifest_of

from pipelines.errors import NightshiftError
from pipelines.export_contract import Contract, ExportColumn
from pipelines.home import Home
from pipelines.sinks.postgres_schema import ddl

DAY, NEXT_DAY = date(2025, 3, 28), date(2025, 3, 29)
ROWS = [("a", 3, "1.50", "low stock"), ("b", None, None, None)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def _files(home: Home) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.exports.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({name: kind for name, kind in COLUMNS.items() if name != "reason"}, "column reason is gone"),
        (COLUMNS | {"margin_amount": "DOUBLE"}, "column margin_amount was DECIMAL(18,2), is DOUBLE"),
        (COLUMNS | {"reason": "VARCHAR NOT NULL"}, "column reason was allowed to be null"),
        ({"note": "VARCHAR"} | COLUMNS, "its columns stand in another order; a new one comes last"),
        (COLUMNS | {"note": "VARCHAR NOT NULL"}, "column note is new and not nullable"),
    ],
)
def test_a_changed_contract_is_refused_without_a_new_version(home: Home, columns: dict[str, str], told: str) -> None:
    deliver(home, DAY, ROWS)
    before = _files(home)
    with pytest.raises(NightshiftError) as caught:
        deliver(home, NEXT_DAY, [], columns)
    assert str(caught.value).startswith(f"export plan v1: {told}. A reader of v1 relies on it: raise the version")
    assert _files(home) == before
    # As the next version, beside the one that is, it is welcome.
    report = deliver(home, NEXT_DAY, [], columns, replace(PLAN, version=2))
    assert (manifest_of(report)["version"], manifest_of(report)["delta"]["against"]) == (2, None)
    after = _files(home)
    assert {path: after[path] for path in before} == before
    assert {path.name for path in folder_of(home, 2).iterdir()} == {
        "latest.json",
        "schema.json",
        "postgres.sql",
        f"as_of={NEXT_DAY}",
    }


def test_another_key_is_another_contract(home: Home) -> None:
    deliver(home, DAY, ROWS)
    with pytest.raises(NightshiftError, match="the key was as_of, level, key, is as_of, key;"):
        deliver(home, NEXT_DAY, ROWS, table=replace(PLAN, key=("as_of", "key")))


def test_a_nullable_column_may_come_last(home: Home) -> None:
    deliver(home, DAY, ROWS)
    manifest = manifest_of(deliver(home, NEXT_DAY, ROWS, COLUMNS | {"note": "VARCHAR"}))
    assert manifest["schema"][-1] == {"name": "note", "type": "VARCHAR"}
    # In the night before there was none: where it is null nothing has changed.
    counts = {name: manifest["delta"][name] for name in ("inserted", "updated", "deleted")}
    assert counts == {"inserted": 0, "updated": 0, "deleted": 0}
    assert json.loads((folder_of(home) / "schema.json").read_text())["properties"]["note"]["type"] == ["string", "null"]
    # From now on it is promised.
    with pytest.raises(NightshiftError, match="column note is gone"):
        deliver(home, NEXT_DAY, ROWS)


def test_a_type_that_no_reader_expects_is_refused(home: Home) -> None:
    with pytest.raises(NightshiftError, match=r"export plan v1: column note is VARCHAR\[\]; an export has BOOLEAN, "):
        deliver(home, DAY, ROWS, COLUMNS | {"note": "VARCHAR[]"})


def test_every_row_obeys_the_json_schema_and_a_wrong_one_does_not(home: Home) -> None:
    report = deliver(home, DAY, ROWS)
    schema = json.loads((folder_of(home) / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    texts = duckdb.sql(f"select to_json(r)::varchar from read_parquet('{report.path}', hive_partitioning=false) r")
    rows = [json.loads(text) for (text,) in texts.fetchall()]
    assert len(rows) == 2
    for row in rows:
        validator.validate(row)
    for wrong in ({"key": None}, {"as_of": "28 March"}, {"order_quantity": 1.5}, {"more": 1}):
        assert not validator.is_valid(rows[0] | wrong), wrong


CONTRACT = Contract(
    "plan",
    1,
    ("as_of", "key"),
    (
        ExportColumn("as_of", "DATE", False, "The day's end."),
        ExportColumn("key", "VARCHAR", False, ""),
        ExportColumn('odd "name"', "DECIMAL(18,4)", True, "It's so."),
    ),
)


def test_the_contract_is_read_back_from_its_json_schema() -> None:
    assert Contract.of_json_schema(CONTRACT.json_schema()) == CONTRACT


def test_the_ddl_quotes_names_and_keys_rows_within_a_night() -> None:
    text = ddl(CONTRACT)
    assert (
        'create table if not exists "nightshift"."plan_v1" (\n'
        '    "as_of" date not null,\n'
        '    "key" text not null,\n'
        '    "odd ""name""" numeric(18,4),\n'
        '    primary key ("key")\n);'
    ) in text
    assert "is 'It''s so.';" in text

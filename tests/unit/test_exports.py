"""An export is what its manifest says, the same each time, and tells what changed since the day before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from pipelines.exports import EXPORTS, ExportReport, export_table, valid_until
from pipelines.home import Home, write_atomically
from pipelines.settings import Settings
from pipelines.sources import Store
from pipelines.warehouse import Warehouse

LONDON = ZoneInfo("Europe/London")
STORE = Store(name="s", timezone="Europe/London", currency="GBP", country="GB")
DAY = date(2025, 3, 28)
Row = tuple[str, date, str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def _export(home: Home, as_of: date, rows: Sequence[Row], late: Sequence[str] = ()) -> ExportReport:
    """Deliver rows of (sku, forecast_date, units_mean) as a night's forecast."""
    home.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create schema exports")
        connection.execute(
            "create table exports.exp_demand_forecast (as_of DATE, sku VARCHAR, location_id VARCHAR, "
            "forecast_date DATE, horizon_days INTEGER, units_mean DECIMAL(18,4), "
            "method VARCHAR, model_version VARCHAR, run_id VARCHAR)"
        )
        for sku, day, units in rows:
            connection.execute(
                "insert into exports.exp_demand_forecast values ($1, $2, 'main', $3, $4, $5, 'lightgbm', 'abc', $6)",
                [as_of, sku, day, (day - as_of).days, units, f"run-{as_of}"],
            )
    state = {"as_of": str(as_of), "inputs": "i", "snapshot": "s"}
    write_atomically(home.root / "warehouse.json", json.dumps(state).encode())
    warehouse = Warehouse(home, Settings.load(home=home.root), STORE, as_of)
    return export_table(warehouse, EXPORTS["demand_forecast"], list(late), lambda line: None)


def _manifest(report: ExportReport) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((report.path.parent / "manifest.json").read_text())
    return content


def _folder(home: Home, as_of: date) -> Path:
    return home.exports / "demand_forecast" / "v1" / f"as_of={as_of}"


def _latest(home: Home) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((home.exports / "demand_forecast" / "v1" / "latest.json").read_text())
    return content


ROWS = [("b", date(2025, 3, 29), "1.5"), ("a", date(2025, 3, 29), "2"), ("a", date(2025, 3, 30), "3")]


def test_the_manifest_names_the_file_its_hash_its_rows_and_its_schema(home: Home) -> None:
    report = _export(home, DAY, ROWS)
    manifest = _manifest(report)
    (file,) = manifest["files"]
    data = report.path.parent / file["name"]
    assert hashlib.sha256(data.read_bytes()).hexdigest() == file["sha256"]
    assert (manifest["row_count"], manifest["run_id"], manifest["snapshot"]) == (3, f"run-{DAY}", "s")
    assert {"name": "units_mean", "type": "DECIMAL(18,4)"} in manifest["schema"]
    assert manifest["completeness"] == "complete"
    # Rows lie in the order of the key.
    assert duckdb.sql(f"select sku, units_mean::double from '{data}'").fetchall() == [("a", 2), ("a", 3), ("b", 1.5)]
    pointer = report.path.parent.parent / _latest(home)["manifest"]
    assert hashlib.sha256(pointer.read_bytes()).hexdigest() == _latest(home)["manifest_sha256"]


def test_the_same_night_exported_twice_is_the_same_bytes(home: Home) -> None:
    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in home.exports.rglob("*") if path.is_file()}

    assert _export(home, DAY, ROWS).status == "written"
    before = files()
    assert _export(home, DAY, list(reversed(ROWS))).status == "unchanged"
    assert files() == before


def test_the_delta_counts_keys_against_the_day_before(home: Home) -> None:
    _export(home, DAY, ROWS)
    next_day = DAY + timedelta(days=1)
    rows = [
        ("a", date(2025, 3, 30), "3"),  # as it was, though a day nearer
        ("b", date(2025, 3, 29), "9"),  # updated
        ("c", date(2025, 3, 30), "1"),  # inserted
        ("c", date(2025, 3, 31), "1"),  # inserted; and (a, 29 March) is gone
    ]
    report = _export(home, next_day, rows)
    delta = _manifest(report)["delta"]
    assert [delta[name] for name in ("against", "inserted", "updated", "deleted")] == [str(DAY), 2, 1, 1]
    before = _folder(home, DAY)
    assert delta["against_sha256"] == json.loads((before / "manifest.json").read_text())["files"][0]["sha256"]
    file = report.path.parent / delta["file"]["name"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == delta["file"]["sha256"]
    read = f"read_parquet('{file}', hive_partitioning=false)"
    assert duckdb.sql(f"select * from {read} order by all").fetchall() == [
        ("deleted", "a", "main", date(2025, 3, 29)),
        ("inserted", "c", "main", date(2025, 3, 30)),
        ("inserted", "c", "main", date(2025, 3, 31)),
        ("updated", "b", "main", date(2025, 3, 29)),
    ]


def test_the_first_night_has_no_file_of_changed_keys(home: Home) -> None:
    delta = _manifest(_export(home, DAY, ROWS))["delta"]
    assert (delta["against"], delta["inserted"], delta["file"]) == (None, 3, None)


def test_a_night_with_late_feeds_says_so(home: Home) -> None:
    manifest = _manifest(_export(home, DAY, ROWS, late=["events"]))
    assert (manifest["completeness"], manifest["late_feeds"]) == ("partial", ["events"])


def test_an_earlier_day_exported_later_does_not_move_latest_back(home: Home) -> None:
    _export(home, DAY, ROWS)
    (home.root / "warehouse.json").unlink()
    _export(home, DAY - timedelta(days=5), ROWS)
    assert _latest(home)["as_of"] == str(DAY)


def test_a_redelivered_night_leaves_one_file(home: Home) -> None:
    first = _export(home, DAY, ROWS)
    second = _export(home, DAY, ROWS[:2])
    assert first.path != second.path
    assert [path.name for path in second.path.parent.glob("*.parquet")] == [second.path.name]


def test_an_export_is_valid_until_noon_of_the_day_its_successor_is_due() -> None:
    # The night of 28 March delivers on the 29th, the next one on the 30th; clocks go forward that day.
    assert valid_until(DAY, LONDON) == datetime(2025, 3, 30, 12, tzinfo=LONDON)
    assert valid_until(DAY, LONDON).isoformat() == "2025-03-30T12:00:00+01:00"


def test_an_erasure_from_an_earlier_export_of_the_day_stays_in_its_manifest(home: Home) -> None:
    report = _export(home, DAY, ROWS)
    erasures = [{"customer": "ab" * 32, "rows": 1}]
    (report.path.parent / "manifest.json").write_text(json.dumps({**_manifest(report), "erasures": erasures}))
    again = _export(home, DAY, ROWS[1:])
    assert (_manifest(again)["row_count"], _manifest(again)["erasures"]) == (2, erasures)
    assert "erasures" not in _manifest(_export(home, DAY + timedelta(days=1), ROWS))

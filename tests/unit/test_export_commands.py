"""A copy of an export is proven or refused by name; a past night comes again byte by byte; a list tells all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from planted_exports import Row, deliver, folder_of

from pipelines.cli import cli
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.ledger import file_sha256
from pipelines.settings import Settings

D1, D2, D3 = date(2025, 3, 1), date(2025, 3, 2), date(2025, 3, 3)
NIGHTS: dict[date, list[Row]] = {
    D1: [("a", 1, "1.00", "low"), ("b", 2, "2.00", None)],
    D2: [("a", 1, "1.00", "low"), ("b", 3, "2.00", None), ("c", 3, "3.00", "=1+1")],
    D3: [("a", 1, "1.00", "low")],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three nights; tests only read it."""
    home = Home.create(tmp_path_factory.mktemp("exported") / "home")
    for day, rows in NIGHTS.items():
        deliver(home, day, rows, settings=Settings(home=home.root, export_csv=True))
    return home


@pytest.fixture
def copied(home: Home, tmp_path: Path) -> Path:
    return shutil.copytree(folder_of(home), tmp_path / "copy")


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if done.exception:
        raise done.exception
    return done.stdout


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_whole_copy_is_right(copied: Path) -> None:
    assert _run("export", "--verify", copied).splitlines() == [
        f"plan v1 as of {day}: right, {len(rows):,} rows" for day, rows in NIGHTS.items()
    ]
    assert _run("export", "--verify", copied / f"as_of={D2}") == f"plan v1 as of {D2}: right, 3 rows\n"


def _change(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def _replace(folder: Path, kind: str, select: str) -> None:
    """Other rows in a file, and a manifest that tells their SHA-256."""
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = {"rows": manifest["files"][0], "delta": manifest["delta"]["file"]}[kind]
    path = folder / entry["name"]
    read = f"read_parquet('{path}', hive_partitioning=false)"
    duckdb.execute(f"copy ({select.format(read=read)}) to '{path}.new' (format parquet)")
    Path(f"{path}.new").replace(path)
    entry["sha256"] = file_sha256(path)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def _damaged(folder: Path) -> None:
    path = next(folder.glob("plan-*[0-9a-f].parquet"))
    path.write_bytes(path.read_bytes()[:-1])


BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (_damaged, "has not the SHA-256 of its manifest"),
    (lambda folder: next(folder.glob("*.csv")).unlink(), r"\.csv is missing, its manifest names it"),
    (lambda folder: (folder / "manifest.json").unlink(), "holds no manifest.json and no as_of="),
    (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is damaged: it is no JSON"),
    (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json is damaged: what it has to say"),
    (lambda folder: _change(folder, lambda m: m.update(row_count=4)), "rows: 3, expected 4"),
    (lambda folder: _change(folder, lambda m: m["schema"].pop()), "columns: "),
    (lambda folder: _change(folder, lambda m: m["files"][0].update(name="../x")), r"names a file elsewhere: \.\./x"),
    (
        lambda folder: _change(folder, lambda m: m.update(as_of=str(D3))),
        f"rows of another day than {D3}: 3, expected 0",
    ),
    (lambda folder: _replace(folder, "rows", "select * from {read} limit 2"), "rows: 2, expected 3"),
    (
        lambda folder: _replace(folder, "rows", "select * replace ('a' as key) from {read}"),
        "different keys: 1, expected 3",
    ),
    (
        lambda folder: _replace(folder, "rows", "select * replace (nullif(key, 'a') as key) from {read}"),
        "rows with a null in the key: 1, expected 0",
    ),
    (
        lambda folder: _replace(
            folder, "rows", "select * replace (order_quantity::bigint as order_quantity) from {read}"
        ),
        "columns: ",
    ),
    (lambda folder: _replace(folder, "delta", "select * from {read} limit 1"), "changes: "),
    (
        lambda folder: _replace(folder, "delta", "select * replace ('x' || key as key) from {read}"),
        "inserted and updated keys among the rows: 0, expected 2",
    ),
]


@pytest.mark.parametrize(("damage", "told"), BROKEN)
def test_a_copy_that_is_not_whole_is_refused(copied: Path, damage: Callable[[Path], object], told: str) -> None:
    folder = copied / f"as_of={D2}"
    damage(folder)
    with pytest.raises(NightshiftError, match=told) as caught:
        _run("export", "--verify", folder)
    assert "\n" not in str(caught.value)


def test_a_latest_that_points_elsewhere_is_refused(copied: Path) -> None:
    shutil.rmtree(copied / f"as_of={D3}")
    with pytest.raises(NightshiftError, match=rf"latest.json points to as_of={D3}/manifest.json, which is not in this"):
        _run("export", "--verify", copied)


def test_a_replayed_night_is_the_same_bytes(home: Home, tmp_path: Path) -> None:
    said = _run("replay", "plan", "--as-of", D1, "--to", tmp_path, "--home", home.root)
    folder = tmp_path / "plan" / "v1" / f"as_of={D1}"
    assert said == f"plan v1 as of {D1}: {folder}\n"
    assert _files(folder) == _files(folder_of(home) / f"as_of={D1}")
    assert json.loads((folder.parent / "latest.json").read_text())["as_of"] == str(D1)
    assert _run("export", "--verify", folder.parent) == f"plan v1 as of {D1}: right, 2 rows\n"
    # Again, and a night before: the newest is what was asked for last.
    before = _files(tmp_path)
    _run("replay", "plan", "--as-of", D1, "--to", tmp_path, "--home", home.root)
    assert _files(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (("plan", "--as-of", D1), UsageError, "say where to: --to FOLDER, or --database"),
        (("plan", "--as-of", D1, "--database"), UsageError, "set NIGHTSHIFT_EXPORT_CONNECTION to a connection's name"),
        (("other", "--as-of", D1, "--to", "x"), UsageError, "there is no export other; there are: plan"),
        (
            ("plan", "--as-of", D1, "--version", 2, "--to", "x"),
            UsageError,
            "there is no export plan v2; there are: plan",
        ),
        (
            ("plan", "--as-of", "2024-01-01", "--to", "x"),
            NightshiftError,
            rf"not kept; the kept days are {D1} to {D3}; make it again: nightshift run --as-of 2024-01-01",
        ),
    ],
)
def test_what_cannot_be_replayed_is_told(
    home: Home, arguments: tuple[object, ...], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        _run("replay", *arguments, "--home", home.root)


def test_a_damaged_night_is_not_replayed(home: Home, tmp_path: Path) -> None:
    copy = Home(shutil.copytree(home.root, tmp_path / "home"))
    _damaged(folder_of(copy) / f"as_of={D1}")
    with pytest.raises(NightshiftError, match="has not the SHA-256 of its manifest"):
        _run("replay", "plan", "--as-of", D1, "--to", tmp_path / "out", "--home", copy.root)
    with pytest.raises(UsageError, match="is where the night lies already"):
        _run("replay", "plan", "--as-of", D2, "--to", copy.exports, "--home", copy.root)


def test_the_list_tells_every_night(home: Home, tmp_path: Path) -> None:
    assert _run("export", "--list", "--home", home.root).splitlines() == [
        f"plan v1 as of {D1}: complete, 2 rows, 2 inserted, 0 updated, 0 deleted; in files",
        f"plan v1 as of {D2}: complete, 3 rows, 1 inserted, 1 updated, 0 deleted; in files",
        f"plan v1 as of {D3}: complete, 1 rows, 0 inserted, 0 updated, 2 deleted; in files",
    ]
    empty = Home.create(tmp_path / "empty")
    assert _run("export", "--list", "--home", empty.root).startswith("nothing is exported in ")

"""dbt's page of the project: it explains every table, is silent to other hosts and tells nothing of this machine."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import duckdb
import pytest
from shop import nightshift

SECRETS = ("NIGHTSHIFT_CONNECTION_SHOP", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def home(night_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("docs") / "home"
    shutil.copytree(night_home, copy, symlinks=True)
    return copy


def _page(home: Path) -> Path:
    return home / "published" / "dbt_docs" / "index.html"


def test_every_published_table_and_column_is_explained(home: Path) -> None:
    page = _page(home).read_text()
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        said = connection.execute(
            "select comment from duckdb_tables() where schema_name <> 'main' "
            "union all select comment from duckdb_columns() where schema_name in ('marts', 'features', 'exports')"
        ).fetchall()
    assert len(said) > 300
    # The page holds its data as JSON.
    assert [text for (text,) in said if json.dumps(text)[1:-1] not in page] == []


def test_no_path_of_this_machine_and_no_secret_is_in_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "canary-of-a-secret")
    _page(home).unlink()
    assert nightshift(home, "publish").returncode == 0
    page = _page(home).read_text()
    key = (home / "pii.key").read_text().strip()
    places = (str(home), str(Path(__file__).parents[2]), sys.prefix, str(Path.home()))
    assert [text for text in (*places, key, "canary-of-a-secret") if text in page] == []
    assert _page(home).stat().st_mode & 0o077 == 0
    assert not (home / "dbt" / "docs").exists()


def test_a_browser_may_fetch_nothing_and_send_nothing(home: Path) -> None:
    head = _page(home).read_text()[:1_000]
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', head)
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert allowed.pop("default-src") == "'none'"
    assert {source for sources in allowed.values() for source in sources.split()} == {
        "'unsafe-inline'",
        "'unsafe-eval'",
        "data:",
    }
    # The policy holds from where it stands, so no script comes before it.
    assert "<script" not in head.partition("Content-Security-Policy")[0]


def test_it_is_drawn_again_only_for_another_project(home: Path) -> None:
    drawn = _page(home).stat().st_ino
    (home / "ledger" / "publishes").rename(home / "ledger" / "publishes-forgotten")
    assert nightshift(home, "publish").returncode == 0
    assert _page(home).stat().st_ino == drawn
    text = _page(home).read_text()
    _page(home).write_text(re.sub(r'(name="nightshift-project" content=)"\w+"', r'\1"0"', text))
    assert nightshift(home, "publish").returncode == 0
    assert _page(home).read_text()[:1_000] == text[:1_000]

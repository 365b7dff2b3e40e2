"""Where a number came from is told from what a night left: row, rule, speaker, features, deliveries and code."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from planted_exports import deliver, export_planted, folder_of, plant

from pipelines import export_ledger, ledger
from pipelines.cli import cli
from pipelines.decisions import PROMOTION, REFUSAL, Decision, Version, decide
from pipelines.errors import NightshiftError, UsageError
from pipelines.export_night import Night
from pipelines.home import Home, write_atomically

D1, D2 = date(2025, 3, 1), date(2025, 3, 2)
ROWS: list[Any] = [
    ("a", 5, "1.00", "2 in stock, 7 expected: order 5"),
    ("b", None, None, None),
    ("b2\x1b[2J", 1, "1.00", "x"),
]


def _snapshot(home: Home) -> str:
    """Stock of `a` on five days and of `b` on one; the store's own day."""
    folder = home.snapshots / "made"
    folder.mkdir()
    days = ", ".join(f"('a', date '2025-02-{20 + n}', {n})" for n in range(5))
    duckdb.execute(
        f"copy (from (values {days}, ('b', date '2025-02-20', 77)) as t(key, stock_on, units)) "
        f"to '{folder}/feat_stock.parquet'"
    )
    duckdb.execute(f"copy (select date '{D2}' as as_of, 3 as shops) to '{folder}/feat_night.parquet'")
    duckdb.execute(f"copy (select 'x' as region from range(4)) to '{folder}/feat_region.parquet'")
    name = ledger.folder_fingerprint(folder)
    folder.rename(home.snapshots / name)
    return name


def _version(model_version: str, number: str) -> Version:
    return Version(
        "demand", number, model_version, "lightgbm", "2025-02-20", "snap", "{}", "mlflow/m", {}, "r1", "c0de"
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The nights D1 and D2; v2, who speaks on D2, was refused first and promoted then. Tests only read it."""
    home = Home.create(tmp_path_factory.mktemp("explained") / "home")
    deliver(home, D1, ROWS[:1])
    plant(home, D2, ROWS)
    state = {"as_of": str(D2), "inputs": "1nputs", "snapshot": _snapshot(home)}
    write_atomically(home.root / "warehouse.json", json.dumps(state).encode())
    report = export_planted(home, D2)
    for kind, number, why in ((REFUSAL, "1", "no better"), (PROMOTION, "2", "better by 5 %"), (REFUSAL, "3", "worse")):
        decide(home, Decision(kind, "gate", _version("v2", number), why, {}))
    ledger.append(home, "builds", state)
    export_ledger.record_made(home, Night(report.path.parent), "1nputs", "f00d")
    return home


def _explained(home: Home, *arguments: object) -> list[str]:
    done = CliRunner().invoke(cli, ["explain", *map(str, arguments), "--home", str(home.root)])
    if done.exception:
        raise done.exception
    return done.stdout.splitlines()


def test_everything_behind_a_row_is_told(home: Home) -> None:
    snapshot = json.loads((folder_of(home) / f"as_of={D2}" / "manifest.json").read_text())["snapshot"]
    said = _explained(home, "plan", "sku", "a")
    assert said[0] == f"plan v1 as of {D2}, complete: level sku, key a"
    text = "\n".join(said)
    assert "what it says\n  days_left       2\n  order_quantity  5\n  margin_amount   1.00\nwhy\n  reason" in text
    assert "reason  2 in stock, 7 expected: order 5" in text
    assert "  lightgbm, model_version v2\n  demand version 2 (lightgbm, v2): learned up to 2025-02-20" in text
    assert "code commit c0de, MLflow run r1; mlflow/m" in text
    assert "by gate: better by 5 %" in text
    # Of five days of `a` the newest three; nothing of `b`.
    assert f"what went in: snapshot {snapshot}" in text
    assert "  feat_stock: 5 rows by key; the newest 3\n    - key a, stock_on 2025-02-24, units 4\n" in text
    assert "units 77" not in text
    assert f"  feat_night: 1 row by as_of\n    - as_of {D2}, shops 3" in text
    assert "  feat_region: all 4 rows; none is of this key alone" in text
    assert f"run run-{D2}\n  code commit f00d, exported " in text


def test_the_day_and_the_version_are_chosen_and_a_lonely_row_needs_no_whole_key(home: Home) -> None:
    said = "\n".join(_explained(home, "plan", "sku", "--as-of", D1))
    assert said.startswith(f"plan v1 as of {D1}, complete: level sku, key a\n")
    assert "it is not kept any more; make it again with: nightshift build --as-of 2025-03-01" in said
    assert "no registered version: a baseline" in said
    assert "the ledger does not tell by which code it was made" in said


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (("plan", "sku"), UsageError, r"plan has several rows with level sku; say key too: a; b; b2\\x1b\[2J$"),
        (("plan", "sku", "z"), UsageError, r"has no row with level sku, key z; its key is level, key"),
        (("plan", "sku", "a", "b"), UsageError, "the key of plan is level, key; 3 values are more than that"),
        (("other", "a"), UsageError, "there is no export other; there are: plan"),
        (("plan", "a", "--as-of", "2024-01-01"), NightshiftError, f"not kept; the kept days are {D1} to {D2}"),
    ],
)
def test_what_cannot_be_explained_is_told(
    home: Home, arguments: tuple[str, ...], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        _explained(home, *arguments)


def test_a_home_without_exports_says_so(tmp_path: Path) -> None:
    with pytest.raises(NightshiftError, match=r"nothing is exported in .* yet; run: nightshift run"):
        _explained(Home.create(tmp_path / "home"), "plan", "a")


def test_what_a_row_holds_cannot_steer_the_terminal(home: Home) -> None:
    assert _explained(home, "plan", "sku", "b2\x1b[2J")[0].endswith(r"key b2\x1b[2J")


def test_the_same_export_again_is_no_event(home: Home) -> None:
    count = len(list(ledger.events(home, "exports")))
    export_ledger.record_made(home, Night(folder_of(home) / f"as_of={D2}"), "1nputs", "f00d")
    assert len(list(ledger.events(home, "exports"))) == count == 1

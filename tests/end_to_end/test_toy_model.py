"""A model that is a folder, a description, features and an export: in a project of its own, through whole nights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import LAST_DAY

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with the toy model laid over it and its name in the list of models, committed."""
    project = tmp_path_factory.mktemp("toy") / "project"
    for name in ("models", "pipelines", "dbt_project", "expectations"):
        unwanted = shutil.ignore_patterns("__pycache__", "target", "logs")
        shutil.copytree(ROOT / name, project / name, ignore=unwanted)
    shutil.copytree(ROOT / "tests" / "toy_model", project, dirs_exist_ok=True)
    names = project / "models" / "questions.py"
    names.write_text(names.read_text().replace('"returns", "abandonment")', '"returns", "abandonment", "toy")'))
    git = ["git", "-c", "user.name=toy", "-c", "user.email=toy@example.com", "-c", "core.hooksPath=/dev/null"]
    for step in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "The toy model"]):
        subprocess.run([*git, *step], cwd=project, check=True)
    return project


@pytest.fixture(scope="module")
def home(project: Path, night_home: Path) -> Path:
    """The simulated store after a night of that project, with training."""
    home = project.parent / "home"
    shutil.copytree(night_home, home, symlinks=True)
    for name in ("mlflow", "decisions", "predictions", "exports"):
        shutil.rmtree(home / name)
        (home / name).mkdir(mode=0o700)
    _run(project, home, "run", "--as-of", str(LAST_DAY), "--train")
    return home


def _run(project: Path, home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments, "--home", home], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _decisions(home: Path, model: str) -> list[dict[str, str]]:
    events = [json.loads(path.read_text()) for path in sorted((home / "decisions").glob("*.json"))]
    return [event for event in events if event["model"] == model]


def test_a_night_of_the_toy_model_ends_in_its_export(home: Path) -> None:
    folder = home / "exports" / "store_rise" / "v1" / f"as_of={LAST_DAY}"
    manifest = json.loads((folder / "manifest.json").read_text())
    (decision,) = _decisions(home, "toy")
    assert decision["kind"] == "promotion"
    assert (manifest["row_count"], manifest["fallback_reason"]) == (7, "")
    assert manifest["model_versions"] == [decision["model_version"]]
    assert manifest["methods"] == [decision["method"]]

    # The shares, counted by hand from the features: how often the day after sold more.
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as connection:
        sold = connection.sql("select sold_on, units::double as units from features.feat_store_day order by 1").df()
        decided = connection.sql("select model, decision, model_version from exports.exp_model_decisions").fetchall()
    rises = pd.DataFrame({"weekday": sold["sold_on"].dt.dayofweek, "rise": sold["units"].shift(-1) > sold["units"]})
    rises = rises[:-1]
    overall = rises["rise"].mean()
    if decision["method"] == "overall_share":
        wanted = [overall] * 7
    else:
        by_day = rises.groupby("weekday")["rise"]
        wanted = ((by_day.sum() + 2 * overall) / (by_day.count() + 2)).tolist()
    exported = duckdb.sql(f"from read_parquet('{folder}/*.parquet') order by weekday").df()
    assert exported["rise_probability"].tolist() == pytest.approx(wanted)
    # The decision is a row of a table, its figures in a card.
    assert ("toy", "promotion", decision["model_version"]) in decided
    assert {model for model, _, _ in decided} == {"demand", "returns", "abandonment", "toy"}
    assert decision["model_version"] in (home / "published" / "models" / "toy.html").read_text()


def test_its_rows_are_explained_without_a_word_about_it_in_the_code(project: Path, home: Path) -> None:
    said = _run(project, home, "explain", "store_rise", "3")
    (decision,) = _decisions(home, "toy")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    commit = head.stdout.strip()
    assert said.startswith(f"store_rise v1 as of {LAST_DAY}, complete: weekday 3\n")
    assert f"toy version {decision['registered_version']} ({decision['method']}, {decision['model_version']})" in said
    assert f"code commit {commit}, MLflow run {decision['run_id']}" in said
    assert f"code commit {commit}, exported" in said
    assert "  feat_store_day: all 120 rows; none is of this key alone" in said


def test_the_same_night_again_decides_and_changes_nothing(project: Path, home: Path) -> None:
    def seen() -> dict[str, bytes]:
        folders = (home / "exports", home / "predictions", home / "decisions")
        files = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path): path.read_bytes() for path in files}

    before = seen()
    _run(project, home, "run", "--as-of", str(LAST_DAY), "--train")
    assert seen() == before


def test_it_is_backtested_promoted_and_reproduced_by_the_same_commands(project: Path, home: Path) -> None:
    said = _run(project, home, "backtest", "toy", "--origins", "5", "--as-of", str(LAST_DAY))
    assert "toy: origin 5 of 5" in said
    table = pd.read_parquet(home / "backtests" / "toy" / f"as_of={LAST_DAY}-origins=5" / "results.parquet")
    assert set(table["candidate"]) == {"weekday_share", "overall_share"}
    assert len(set(table["origin"])) == 1 + 5

    (decision,) = _decisions(home, "toy")
    said = _run(project, home, "reproduce", decision["run_id"])
    assert f"toy: {decision['model_version']} again; all 7 predictions are identical" in said
    # Of code that has changed since, it takes the commit.
    question = project / "models" / "toy" / "question.py"
    written = question.read_text()
    question.write_text(written.replace("units.shift(-1) > units", "units.shift(-1) < units"))
    assert "are identical" in _run(project, home, "reproduce", decision["run_id"])
    question.write_text(written)

    other = {"1": "2", "2": "1"}[decision["registered_version"]]
    if len(list((home / "mlflow").rglob("shares.json"))) > 1:
        _run(project, home, "promote", "toy", "--version", other, "--because", "for the sake of it")
        assert _decisions(home, "toy")[-1]["registered_version"] == other

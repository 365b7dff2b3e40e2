"""How well returns are foretold: on simulated stores against what could be known, on a real one against plain rivals.

Each model has learned from what was known on a day; it judges lines ordered after that, as the nights would.
"""

from __future__ import annotations

import csv
import os
import subprocess
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from shop import NIGHTSHIFT

from models.calibration import log_loss
from models.description import Recipe
from models.evaluation import placements, precisions
from models.returns import learning, rows
from models.returns.description import DESCRIPTION
from models.returns.features import Inputs
from models.returns.lessons import Lessons, closed
from models.returns.lines import COLUMNS, Lines
from models.returns.question import Cases, Question
from models.returns.rates import Rates
from models.returns.rows import Rows
from models.tables import day_number
from models.trial import Trial
from pipelines import feature_snapshot

pytestmark = pytest.mark.campaign
ROOT = Path(__file__).parents[2]
LANDING = Path(os.environ.get("NIGHTSHIFT_TEST_DATA", ROOT.parent / "shared" / "data"))
RETAIL = LANDING / "online_retail.parquet"
SEEDS = ROOT / "dbt_project" / "seeds"
FEEDS = "orders,order_lines,returns,customers,shipments,products"
WINDOW_DAYS, FEWEST_OF_SLICE = 45, 3_000
QUESTION = Question(WINDOW_DAYS)


def _run(*arguments: object) -> None:
    done = subprocess.run([NIGHTSHIFT, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _history(home: Path) -> Lines:
    (snapshot,) = (home / "snapshots").glob("*/")
    return QUESTION.read({n: feature_snapshot.read(snapshot, n) for n in COLUMNS})


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))


def _figures(stated: np.ndarray, happened: np.ndarray) -> tuple[float, float, float]:
    """Area under the ROC curve, average precision, log loss."""
    yes = happened > 0
    ranked = placements(stated, happened)[yes].mean(), precisions(stated, happened)[yes].mean()
    return float(ranked[0]), float(ranked[1]), float(log_loss(stated, happened).mean())


def _saved(chance: np.ndarray, known: np.ndarray, cost: np.ndarray, sizes: np.ndarray) -> float:
    """What the recommended actions save, by the chance that could be known, when they go by another chance."""
    with (SEEDS / "return_actions.csv").open() as file:
        actions = sorted(csv.DictReader(file), key=lambda action: int(action["rule_number"]))
    saved, is_open = np.zeros(len(chance)), np.ones(len(chance), bool)
    for action in actions:
        holds = is_open & (chance >= float(action["least_probability"]))
        holds &= (chance * cost >= float(action["least_cost"])) & (
            (sizes > 1) | (action["needs_several_sizes"] == "false")
        )
        saved[holds] = (known * cost * float(action["avoided_pct"]) - float(action["action_cost"]))[holds]
        is_open &= ~holds
    return float(saved.sum())


def _slices(at: Rows) -> dict[str, np.ndarray]:
    frame, orders = at.lines.frame, at.column("past_order_count")
    category, channel = (frame[name].to_numpy(object)[at.index] for name in ("category_1", "channel"))
    return {
        **{f"category {name}": category == name for name in sorted(set(category))},
        **{f"channel {name}": channel == name for name in sorted(set(channel))},
        "guests": np.isnan(orders),
        "new": orders == 0,
        "returning": orders > 0,
        "several sizes": at.column("style_size_count") > 1,
        "one size": at.column("style_size_count") <= 1,
        "discounted": at.column("line_discount_pct") > 0.05,
    }


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_simulated_stores_returns_are_foretold_as_well_as_could_be_known(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    home, first, days = tmp_path / "home", date(2025, 1, 1), 540
    _run("simulate", "--home", home, "--scale", 0.3, "--days", days, "--seed", seed, "--feeds", FEEDS)
    # A store without clicks and stock looks odd at Christmas.
    _run("ingest", "--home", home, "--accept-checks")
    _run("build", "--home", home, "--as-of", first + timedelta(days=days - 1))
    history = _history(home)
    origin = history.last_day - 2 * WINDOW_DAYS
    model = QUESTION.learn(QUESTION.recipe(7), history, _day(origin))
    truth = pd.read_parquet(home / "truth" / "line.parquet").set_index("order_line_id")
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        costs = connection.sql("select order_line_id, unit_cost::double as unit_cost from marts.fct_order_lines").df()
    unit_cost = costs.set_index("order_line_id")["unit_cost"].reindex(history.frame["order_line_id"]).to_numpy()
    chosen = history.is_sold & (history.day > origin) & (history.day <= origin + WINDOW_DAYS)
    failed = []
    for moment, at in (
        ("at_order", rows.at_order(history, chosen, WINDOW_DAYS)),
        ("at_shipment", rows.at_shipment(history, chosen, WINDOW_DAYS)),
    ):
        known = (
            truth[f"knowable_return_probability_{moment}"].reindex(history.frame["order_line_id"]).to_numpy()[at.index]
        )
        stated, happened = model.probability(Inputs.of_rows(at)), at.happened()
        decile = pd.qcut(stated, 10, labels=False)
        off = abs(pd.Series(stated - known).groupby(decile).mean()).mean()
        auc, best = _figures(stated, happened)[0], _figures(known, happened)[0]
        by_slice = {n: abs((stated - known)[s].mean()) for n, s in _slices(at).items() if s.sum() >= FEWEST_OF_SLICE}
        units, sizes = at.column("units_ordered"), at.column("style_size_count")
        cost = 8.0 + units * (2.5 + 0.15 * unit_cost[at.index])
        share = _saved(stated, known, cost, sizes) / _saved(known, known, cost, sizes)
        with capsys.disabled():
            print(
                f"\nseed {seed} {moment}: {len(at):,} lines, AUC {auc:.4f} of {best:.4f}, |p - knowable| {off:.4f}, "
                f"worst slice {max(by_slice.values()):.4f} ({max(by_slice, key=lambda n: by_slice[n])}), "
                f"saved {share:.1%}"
            )
        holds = {
            "AUC within 0.01": best - auc <= 0.01,
            # More than could be known, beyond chance, would be a leak.
            "AUC not above what could be known": auc - best <= 0.01,
            "by decile within 0.01": off <= 0.01,
            "by slice within 0.02": max(by_slice.values()) <= 0.02,
            "saves 90 %": share >= 0.9,
        }
        failed += [f"{moment}: {name}" for name, is_held in holds.items() if not is_held]
    assert failed == []


def test_young_lines_make_it_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three nights, two draws each: the same model without what lines of an open window have shown."""
    home = tmp_path / "home"
    _run("simulate", "--home", home, "--scale", 0.1, "--days", 540, "--seed", 201, "--feeds", FEEDS)
    _run("ingest", "--home", home, "--accept-checks")
    _run("build", "--home", home, "--as-of", date(2025, 1, 1) + timedelta(days=539))
    history = _history(home)
    truth = pd.read_parquet(home / "truth" / "line.parquet").set_index("order_line_id")
    knowable = truth["knowable_return_probability_at_order"].reindex(history.frame["order_line_id"]).to_numpy()
    by_age = learning.of_any_age

    def of_closed_windows(lines: Lines, which: np.ndarray, rates: Rates, chance: object, seed: int) -> Lessons:
        return closed(lines, which & (lines.day <= lines.last_day - WINDOW_DAYS), WINDOW_DAYS, seed)

    found: dict[str, list[tuple[float, ...]]] = {}
    for kind, taught_by in (("all lines", by_age), ("mature lines", of_closed_windows)):
        monkeypatch.setattr(learning, "of_any_age", taught_by)
        for days in (180, 135, 90):
            day = history.last_day - days
            at = rows.at_order(history, history.is_sold & (history.day > day) & (history.day <= day + 45), WINDOW_DAYS)
            for seed in (7, 8):
                model = QUESTION.learn(QUESTION.recipe(seed), history, _day(day))
                stated = model.probability(Inputs.of_rows(at))
                off = float(np.abs(stated - knowable[at.index]).mean())
                found.setdefault(kind, []).append((*_figures(stated, at.happened()), off))
    means = {kind: np.mean(figures, axis=0) for kind, figures in found.items()}
    with capsys.disabled():
        for kind, (auc, _, loss, off) in means.items():
            print(f"\ntaught by {kind}: AUC {auc:.4f}, log loss {loss:.5f}, |p - knowable| {off:.4f}", end="")
    assert means["all lines"][3] < means["mature lines"][3]


@pytest.mark.skipif(not RETAIL.exists(), reason=f"{RETAIL} is not there; see examples/online_retail/README.md")
def test_on_online_retail_it_is_better_than_both_baselines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    store = ("--home", home, "--sources", ROOT / "examples/online_retail/sources.yml", "--landing", LANDING)
    _run("init", "--home", home)
    _run("ingest", *store)
    _run("build", *store, "--as-of", "2011-12-09")
    history = _history(home)
    # The last 20 % of the mature lines, by time.
    is_mature = history.is_sold & (history.day <= day_number(date(2011, 12, 9)) - WINDOW_DAYS)
    cut = int(np.quantile(history.day[is_mature], 0.8))
    at = rows.at_order(history, is_mature & (history.day > cut), WINDOW_DAYS)
    happened, judged, found = at.happened(), {}, {}
    cases = Cases(at, happened, np.full(len(at), "order", object))
    for recipe in (Recipe("sku_rate"), Recipe("logistic_regression"), QUESTION.recipe(7)):
        model = QUESTION.learn(recipe, history, _day(cut))
        judged[recipe.method] = QUESTION.judge(model, cases)
        found[recipe.method] = _figures(model.probability(Inputs.of_rows(at)), happened)
    trial = Trial(DESCRIPTION, judged)
    with capsys.disabled():
        print(f"\nOnline Retail after {_day(cut)}: {len(at):,} lines, {happened.mean():.2%} came back")
        for method, (auc, precision, loss) in found.items():
            print(f"  {method}: AUC {auc:.4f}, average precision {precision:.4f}, log loss {loss:.5f}")
        for rival in DESCRIPTION.baselines:
            for metric in DESCRIPTION.metrics[:3]:
                gain = trial.gain("lightgbm", rival, metric)
                print(f"  {metric.name} against {rival}: {gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%})")
    for rival in DESCRIPTION.baselines:
        own, other = found["lightgbm"], found[rival]
        assert own[0] > other[0]
        assert own[1] > other[1]
        assert own[2] < other[2]

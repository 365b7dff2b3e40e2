"""No outcome of later than a decision reaches its features or its score: dbt's own SQL on a night's warehouse."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import planted_lines
import pytest
from shop import LAST_DAY

from models.returns.lines import COLUMNS
from models.returns.model import LIGHTGBM, ReturnModel
from models.returns.question import Question
from models.tables import day_number

WINDOW_DAYS = 45
CUT = LAST_DAY - timedelta(days=20)
QUESTION = Question(WINDOW_DAYS)
MADE = ("feat_order_line", "feat_order_line_return")


class Features:
    """A copy of a night's warehouse whose returns may be changed, and the features that dbt's SQL makes of it."""

    def __init__(self, home: Path, folder: Path) -> None:
        shutil.copy(home / "warehouse.duckdb", folder / "warehouse.duckdb")
        self.connection = duckdb.connect(str(folder / "warehouse.duckdb"))
        self.connection.execute("create table returns_as_delivered as from staging.stg_returns")
        compiled = home / "dbt" / "target" / "compiled" / "nightshift" / "models" / "features"
        sql = {name: (compiled / f"{name}.sql").read_text().replace('"warehouse".', "") for name in MADE}
        self.sql = {name: text.replace('"staging"."stg_returns"', "returns_here") for name, text in sql.items()}
        self.others = {name: self.connection.table(f"features.{name}").df() for name in COLUMNS if name not in MADE}

    def of(self, returns: str) -> dict[str, pd.DataFrame]:
        """The feature tables when the returns are those of a query of `returns_as_delivered`."""
        self.connection.execute(f"create or replace view returns_here as {returns}")
        made = {name: self.connection.sql(sql).df() for name, sql in self.sql.items()}
        lines = made["feat_order_line"].sort_values("order_line_id", ignore_index=True)
        return {**self.others, **made, "feat_order_line": lines}


@pytest.fixture
def features(night_home: Path, tmp_path: Path) -> Iterator[Features]:
    made = Features(night_home, tmp_path)
    yield made
    made.connection.close()


@pytest.fixture(scope="module")
def model() -> ReturnModel:
    """Learned on a planted shop, so that it has trees and weighs every history."""
    recipe = QUESTION.recipe(7)
    history = QUESTION.read(planted_lines.tables(lines=16_000))
    learned = QUESTION.learn(
        type(recipe)(LIGHTGBM, {**recipe.parameters, "rounds": 80}, 7), history, planted_lines.LAST
    )
    assert learned.share > 0
    return learned


# Each return that is known after the cut becomes that of another line, another day, part and cause.
SHUFFLED = f"""
    with numbered as (
        select *, row_number() over (partition by is_later order by return_id) as number,
            row_number() over (partition by is_later order by md5(return_id)) as drawn
        from (select *, greatest(requested_on, first_known_on) > '{CUT}' as is_later from returns_as_delivered)
    )
    select mine.* exclude (is_later, number, drawn)
        replace (
            case when mine.is_later then other.order_line_id else mine.order_line_id end as order_line_id,
            case when mine.is_later then other.units else mine.units end as units,
            case when mine.is_later then other.reason else mine.reason end as reason
        )
    from numbered as mine inner join numbered as other on other.is_later = mine.is_later and other.drawn = mine.number
"""
REMOVED = f"select * from returns_as_delivered where greatest(requested_on, first_known_on) <= '{CUT}'"


def test_outcomes_of_after_a_decision_change_no_feature_when_they_are_shuffled(features: Features) -> None:
    before, after = (features.of(query)["feat_order_line"] for query in ("from returns_as_delivered", SHUFFLED))
    assert before["order_line_id"].tolist() == after["order_line_id"].tolist()
    # An order knows what was known the evening before.
    is_earlier = (before["ordered_on"].dt.date <= CUT + timedelta(days=1)).to_numpy()
    pd.testing.assert_frame_equal(before[is_earlier], after[is_earlier])
    assert is_earlier.sum() > 500
    assert not before[~is_earlier].equals(after[~is_earlier])


def test_without_the_returns_of_after_the_cut_every_score_of_the_cut_is_the_same(
    features: Features, model: ReturnModel
) -> None:
    told = []
    for query in ("from returns_as_delivered", REMOVED):
        tables = features.of(query)
        told.append(QUESTION.score(model, QUESTION.read(tables).until(day_number(CUT))))
        assert len(tables["feat_order_line_return"]) > 50
    assert len(told[0]) > 200
    pd.testing.assert_frame_equal(*told)
    # At the last night they count.
    last = [
        QUESTION.score(model, QUESTION.read(features.of(query))) for query in ("from returns_as_delivered", REMOVED)
    ]
    assert not last[0].equals(last[1])

"""Predictions that do not look like any stop the night; results are kept, and the raw suites judge what is measured."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipelines import batch_profile, ledger
from pipelines.batch_measures import measures
from pipelines.errors import CheckFailedError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.quality import RESULTS_KEPT, SUITES, check, kept_results, read_suite


def _predictions(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sku": [f"s{n}" for n in range(rows)],
            "location_id": "main",
            "forecast_date": date(2025, 1, 1),
            "horizon_days": 1,
            "units_mean": 1.0,
            "units_p10": 0.0,
            "units_p50": 1.0,
            "units_p90": 2.0,
        }
    )


def test_good_predictions_pass_and_the_result_is_kept(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    check(home, "predictions_demand", _predictions(200), "here")
    event = ledger.latest(home, "checks")
    assert event is not None
    assert (event["suite"], event["success"], event["rows"]) == ("predictions_demand", True, 200)


@pytest.mark.parametrize(
    ("column", "value", "expectation", "share"),
    [
        ("units_mean", float("nan"), "expect_column_values_to_not_be_null(column=units_mean", "3 of 200 rows (1.50 %)"),
        ("units_mean", -1.0, "expect_column_values_to_be_between(column=units_mean", "3 of 200 rows (1.50 %)"),
        ("units_p90", 0.5, "expect_column_pair_values_a_to_be_greater_than_b", "3 of 200 rows (1.50 %)"),
        ("horizon_days", 91, "expect_column_values_to_be_between(column=horizon_days", "3 of 200 rows (1.50 %)"),
        ("sku", "s0", "expect_compound_columns_to_be_unique", "4 of 200 rows (2.00 %)"),
    ],
)
def test_bad_predictions_stop_the_night(
    tmp_path: Path, column: str, value: object, expectation: str, share: str
) -> None:
    home = Home.create(tmp_path / "home")
    frame = _predictions(200)
    # Three bad rows of 200 are 1.5 %; a key that stands four times makes four.
    frame.loc[frame.index[-3:], column] = value
    with pytest.raises(CheckFailedError) as caught:
        check(home, "predictions_demand", frame, "the predictions of tonight")
    message = str(caught.value)
    assert message.startswith("check predictions_demand: ")
    assert expectation in message
    assert share in message
    assert message.endswith("look at the predictions of tonight")
    assert "\n" not in message


def test_the_newest_results_are_kept(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    for rows in range(1, RESULTS_KEPT + 3):
        check(home, "predictions_demand", _predictions(rows), "here")
    kept = kept_results(home).values()
    # The two oldest, of one and of two rows, are gone.
    counts = [result["results"][0]["result"]["observed_value"] for result in kept]
    assert counts == list(range(3, RESULTS_KEPT + 3))
    assert {path.parent.name for path in kept_results(home)} == {"predictions_demand"}
    assert len(list(ledger.events(home, "checks"))) == RESULTS_KEPT + 2


def test_every_feed_has_a_suite_that_judges_what_is_measured_and_says_why() -> None:
    assert {path.stem for path in SUITES.glob("raw_*.json")} == {f"raw_{feed}" for feed in FEEDS}
    for name, feed in FEEDS.items():
        # A month of full days on which every column has values is measured in every way.
        columns = [column.name for column in feed.columns]
        day = {"rows": 1000, "rows_in": 1000, "refused": 0, "late": 0, "ahead": 0, "content": "", "nulls": {}}
        day |= {"hours": {"0": 1000}} if feed.instants else {"hours": {}}
        day |= {"values": {name: {"a": 1000} for name in columns}}
        day |= dict.fromkeys(("medians", "means"), dict.fromkeys(columns, 1.0))
        days = {date(2025, 1, 1) + timedelta(days=n): day for n in range(batch_profile.HISTORY_DAYS + 1)}
        measured = measures(feed, days, {}, ())[max(days)]
        suite = read_suite(f"raw_{name}")
        assert suite["name"] == f"raw_{name}"
        assert {expectation["kwargs"]["column"] for expectation in suite["expectations"]} <= set(measured)
        for expectation in suite["expectations"]:
            assert set(expectation) == {"type", "severity", "kwargs", "meta"}
            assert expectation["severity"] in ("critical", "warning")
            assert set(expectation["kwargs"]) & {"min_value", "max_value"}
            assert len(expectation["meta"]["why"].split()) > 3
        same = [(item["severity"], item["kwargs"]["column"]) for item in suite["expectations"]]
        assert len(same) == len(set(same))


def test_a_critical_limit_lies_beyond_the_warning() -> None:
    for name in FEEDS:
        limits = {
            (item["severity"], item["kwargs"]["column"]): item["kwargs"]
            for item in read_suite(f"raw_{name}")["expectations"]
        }
        for severity, column in limits:
            if severity == "critical" and ("warning", column) in limits:
                critical, warning = limits["critical", column], limits["warning", column]
                assert critical.get("max_value", float("inf")) > warning.get("max_value", float("inf")) or (
                    "max_value" not in critical
                )
                assert critical.get("min_value", float("-inf")) <= warning.get("min_value", float("-inf")) or (
                    "min_value" not in critical
                )

"""A batch that does not look like one stops the night, and the message says what, how much and where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from shop import Shop, lines

from pipelines import ledger
from pipelines.home import Home
from pipelines.quality import CheckFailedError, check


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


def test_prices_in_the_wrong_unit_keep_a_delivery_out(shop: Shop) -> None:
    shop.map(order_lines="{uri: 'lines/{ds}.csv', format: csv}")
    header = "order_line_id,order_id,sku,quantity,unit_price"
    shop.deliver("lines/2024-07-01.csv", lines(header, [f"l{n},o{n},s,1,{1000000 + n}" for n in range(50)]))
    with pytest.raises(CheckFailedError, match=r"raw_order_lines.*median.*unit_price.*observed 1000024\.5; look at"):
        shop.ingest("order_lines")
    assert shop.raw("order_lines") == []
    assert ledger.partitions(Home(shop.root), "order_lines") == {}

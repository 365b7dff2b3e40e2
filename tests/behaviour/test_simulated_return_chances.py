"""What could be known of a line's return: calibrated, and the more informative the more is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import planted_returns
import pytest
from chance import LIMIT, bins, z_of_counts, z_of_sums
from planted import Planted

WHEN = ("at_order", "at_shipment", "at_delivery")


def _assert_calibrated(lines: pd.DataFrame, column: str) -> None:
    """Errors about a style's risk last until its returns are seen, and so are shared by its lines."""
    assert abs(z_of_sums(lines["is_returned"] - lines[column], lines["style_id"])) < LIMIT


@pytest.mark.parametrize("when", WHEN)
def test_lines_come_back_as_often_as_could_be_known(planted: Planted, when: str) -> None:
    lines, column = planted_returns.lines(planted), f"knowable_return_probability_{when}"
    _assert_calibrated(lines, column)
    # Against independent lines as well, which is stricter where the beliefs have settled.
    settled = lines[lines["ordered_on"] > planted.first_day + pd.Timedelta(days=100)]
    assert abs(z_of_counts(settled["is_returned"], settled[column])) < LIMIT
    for _, rows in lines.groupby(bins(lines[column], 10)):
        _assert_calibrated(rows, column)


KNOWN_AT_ONCE = ("has_two_sizes", "department", "is_guest", "is_offer", "is_often")
SLICES = [*((when, slice_) for when in WHEN for slice_ in KNOWN_AT_ONCE), ("at_delivery", "is_late")]


@pytest.mark.parametrize(("when", "slice_"), SLICES)
def test_chances_hold_in_every_slice_that_is_known(planted: Planted, when: str, slice_: str) -> None:
    lines = planted_returns.lines(planted)
    lines = lines.assign(is_offer=lines["discount"] > 0.05, is_often=_has_returned_often(lines))
    for _, rows in lines.groupby(slice_):
        _assert_calibrated(rows, f"knowable_return_probability_{when}")


def _has_returned_often(lines: pd.DataFrame) -> pd.Series:
    """Of buyers under an account: three or more changed minds by the evening before."""
    minds = lines[(lines["return_reason"] == "changed my mind") & ~lines["is_guest"]]
    days = {who: np.sort(rows.to_numpy()) for who, rows in minds.groupby("customer_id")["return_requested_on"]}
    none = np.array([], dtype="datetime64[ns]")
    pairs = zip(lines["customer_id"], lines["ordered_on"].to_numpy(), strict=True)
    return pd.Series([np.searchsorted(days.get(who, none), on) >= 3 for who, on in pairs], index=lines.index)


def test_abusers_are_found_out(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    lines = lines[~lines["is_guest"]]
    often, known = _has_returned_often(lines), lines["knowable_return_probability_at_order"]
    abused = known[often & lines["is_abuser"]]
    assert len(abused) > 0
    # From a few in 100 to 1 - exp(-0.03 * 20) = 0.45 by a changed mind alone.
    assert abused.mean() > 1.5 * known[~often].mean()


def test_beliefs_rank_lines_better_than_nothing_and_worse_than_the_truth(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    later = lines[lines["ordered_on"] > planted.first_day + pd.Timedelta(days=60)]
    columns = [*(f"knowable_return_probability_{when}" for when in WHEN), "true_return_probability"]
    parts = {column: _placements(later[column], later["is_returned"]) for column in columns}
    at_order, at_shipment, at_delivery, truth = (parts[column] for column in columns)
    assert _z_of_auc(at_order, None) > LIMIT
    assert _z_of_auc(at_delivery, at_order) > LIMIT
    assert _z_of_auc(truth, at_delivery) > LIMIT
    # At the shipment little more is known, but not less.
    assert _z_of_auc(at_shipment, at_order) > 0
    assert _z_of_auc(at_delivery, at_shipment) > 0


def _placements(score: pd.Series, happened: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """For each line that comes back the share of the others it ranks above, and the reverse (DeLong et al., 1988)."""
    yes, no = np.sort(score[happened].to_numpy()), np.sort(score[~happened].to_numpy())

    def above(values: pd.Series, others: np.ndarray) -> np.ndarray:
        left, right = (np.searchsorted(others, values.to_numpy(), side) for side in ("left", "right"))
        return (left + right) / 2 / len(others)

    return above(score[happened], no), 1 - above(score[~happened], yes)


def _z_of_auc(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray] | None) -> float:
    """Of the difference of two areas under the curve on the same lines, or of one to a half."""
    yes, no = one if other is None else (one[0] - other[0], one[1] - other[1])
    chance = 0.5 if other is None else 0.0
    return float((yes.mean() - chance) / np.sqrt(yes.var() / len(yes) + no.var() / len(no)))


def test_what_is_known_at_the_order_foresees_the_carriers_peak(planted: Planted) -> None:
    lines = planted_returns.lines(planted)
    lines["more"] = lines["knowable_return_probability_at_shipment"] - lines["knowable_return_probability_at_order"]
    # Lines of an order share their parcel.
    orders = lines.groupby([lines["order_line_id"].str.rpartition("-")[0], "ordered_on"])["more"].mean().reset_index()
    # Parcels leave after a day or two: the peak begins three days before Black Friday and ends on 28 December.
    for first, last in (("2025-11-23", "2025-11-24"), ("2025-12-27", "2025-12-28")):
        edge = orders.loc[orders["ordered_on"].between(first, last), "more"]
        assert abs(edge.mean() / (edge.std() / np.sqrt(len(edge)))) < LIMIT

"""Every effect on demand is there, as strong as planted: in the truth's own means, and in the units drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import planted_demand
import pytest
from chance import LIMIT, z_of_counts, z_of_mean, z_of_sums
from planted import Planted

# What the rebuilt demand leaves out (who gets messages, what is left of a cart when the shelf is nearly empty).
NOT_REBUILT = 0.05
PLAINLY_SEEN = ("weekday", "peak", "season", "shock", "price", "promotion", "launch", "phase_out")


def _assert_shows(store: Planted, effect: str) -> None:
    shown = planted_demand.shown(store, effect)
    assert shown.truth_error < 0.05, "an effect that were missing would not be missed"
    assert abs(shown.in_truth - 1) < LIMIT * shown.truth_error + NOT_REBUILT
    if effect in PLAINLY_SEEN:
        assert shown.units_error < 0.2, "an effect that were missing would not be missed"
    assert abs(shown.in_units - 1) < LIMIT * shown.units_error + NOT_REBUILT


def test_the_week_has_its_profile(planted: Planted) -> None:
    _assert_shows(planted, "weekday")


def test_demand_rises_on_paydays(planted: Planted) -> None:
    _assert_shows(planted, "payday")


def test_demand_grows_by_12_percent_a_year(planted: Planted) -> None:
    _assert_shows(planted, "trend")


def test_holidays_have_a_peak_and_quiet_days_after(planted: Planted) -> None:
    _assert_shows(planted, "peak")


def test_departments_have_seasons_of_their_own(planted: Planted) -> None:
    _assert_shows(planted, "season")


def test_demand_answers_to_list_prices(planted: Planted) -> None:
    _assert_shows(planted, "price")


def test_promotions_lift_demand(planted: Planted) -> None:
    _assert_shows(planted, "promotion")


def test_demand_dips_after_a_promotion(planted: Planted) -> None:
    _assert_shows(planted, "dip")


def test_a_launch_ramps_up(planted: Planted) -> None:
    _assert_shows(planted, "launch")


def test_a_sku_fades_in_its_last_45_days(planted: Planted) -> None:
    _assert_shows(planted, "phase_out")


def test_demand_follows_the_shocks_of_its_department(planted: Planted) -> None:
    _assert_shows(planted, "shock")


def test_the_whole_of_demand_is_what_was_published(planted: Planted) -> None:
    _, expected = planted_demand.rebuilt(planted)
    is_old = (planted.truth("sku")["launched_on"] <= planted.first_day).to_numpy()
    mean = np.nan_to_num(planted_demand.matrix(planted, "true_demand_mean"))[:, is_old]
    assert mean.sum() == pytest.approx(expected[:, is_old].sum(), rel=0.02)


def test_shocks_last_for_days(planted: Planted) -> None:
    table = planted.truth("shock").pivot(index="day", columns="department", values="true_shock")
    # The factor has mean 1, so its logarithm has mean -0.15^2 / 2.
    log = np.log(table) + 0.15**2 / 2
    count = (len(log) - 1) * log.shape[1]
    before, after = log.iloc[:-1].to_numpy(), log.iloc[1:].to_numpy()
    persistence = (before * after).sum() / (before**2).sum()
    assert abs(persistence - 0.85) < LIMIT * np.sqrt((1 - 0.85**2) / count)
    surprise = after - 0.85 * before
    sd = 0.15 * np.sqrt(1 - 0.85**2)
    assert abs((surprise**2).mean() / sd**2 - 1) < LIMIT * np.sqrt(2 / count)
    # Of an autoregression n days tell as much of the variance as n (1 - r^2) / (1 + r^2) independent ones.
    independent = log.size * (1 - 0.85**2) / (1 + 0.85**2)
    assert abs((log**2).to_numpy().mean() / 0.15**2 - 1) < LIMIT * np.sqrt(2 / independent)


def test_departments_have_shocks_apart(planted: Planted) -> None:
    table = np.log(planted.truth("shock").pivot(index="day", columns="department", values="true_shock"))
    surprise = table.iloc[1:].to_numpy() - 0.85 * table.iloc[:-1].to_numpy()
    together = np.corrcoef(surprise.T)[np.triu_indices(4, k=1)]
    assert np.abs(together).max() < LIMIT / np.sqrt(len(surprise))


def test_units_of_a_department_go_up_and_down_together_for_days(planted: Planted) -> None:
    days = planted.truth("sku_day").merge(planted.truth("sku")[["sku", "department"]], on="sku")
    days = days.merge(planted.truth("shock").rename(columns={"day": "sold_on"}), on=["sold_on", "department"])
    # As a forecaster sees it who knows everything but the shocks.
    days["expected"] = days["true_demand_mean"] / days["true_shock"]
    days["surprise"] = days["true_demand_units"] - days["true_fraud_units"] - days["expected"]
    days["variance"] = planted_demand.units_variance(days["expected"])
    sums = days.groupby(["sold_on", "department"])[["surprise", "expected", "variance"]].sum().unstack("department")
    products = {
        name: (sums[name] * sums[name].shift(1)).to_numpy()[1:] for name in ("surprise", "expected", "variance")
    }
    # Without shocks neighbouring days would be independent; with them they share 0.85 * 0.15^2 of their means.
    without = products["surprise"].sum() / np.sqrt(products["variance"].sum())
    assert without > LIMIT
    difference = pd.DataFrame(products["surprise"] - 0.85 * 0.15**2 * products["expected"]).stack()
    # After four weeks a shock is forgotten: 0.85^28 is 0.01.
    spell = pd.Series(difference.index.get_level_values(0) // 28, index=difference.index)
    department = pd.Series(difference.index.get_level_values(1), index=difference.index)
    assert abs(z_of_sums(difference, spell, department)) < LIMIT


def test_the_closed_day_sells_nothing(planted: Planted) -> None:
    days = planted.truth("sku_day")
    closed = days[(days["sold_on"].dt.month == 12) & (days["sold_on"].dt.day == 25)]
    assert len(closed) > 100 * planted.scale
    assert closed[["true_demand_units", "sold_units", "true_demand_mean"]].to_numpy().max() == 0
    others = days[~days["sold_on"].isin(closed["sold_on"])]
    assert others.groupby("sold_on")["sold_units"].sum().min() > 0


def test_skus_differ_in_elasticity_and_promotion_lift(planted: Planted) -> None:
    skus = planted.truth("sku")
    # Cut at 0.2 and 3.0 the elasticity loses next to nothing: both are 3 to 4 standard deviations away.
    for column, mean, sd in (("true_elasticity", 1.4, 0.4), ("true_promotion_lift", 2.5, 0.5)):
        assert abs(z_of_mean(skus[column], mean, sd)) < LIMIT
        assert abs(skus[column].std() / sd - 1) < LIMIT / np.sqrt(2 * len(skus))


def test_some_skus_launch_and_none_sells_before(planted: Planted) -> None:
    skus, days = planted.truth("sku").set_index("sku"), planted.truth("sku_day")
    launched = skus["launched_on"].clip(lower=planted.first_day)
    first_row = days.groupby("sku")["sold_on"].min()
    assert (first_row == launched.reindex(first_row.index)).all()
    # A quarter of the styles launch within 540 days of the first.
    styles = skus.drop_duplicates("style_id")
    is_launch = styles["launched_on"] > planted.first_day
    assert abs(z_of_counts(is_launch, 0.25)) < LIMIT
    assert (styles["launched_on"] < planted.first_day + pd.Timedelta(days=540)).all()

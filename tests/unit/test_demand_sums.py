"""Counts, sums of them and orders against plain enumeration and simulated draws."""

from __future__ import annotations

import numpy as np
import pytest

from models.demand.counts import Counts
from models.demand.dispersion import Dispersion
from models.demand.replenishment import Orders, decide
from models.demand.sums import Parts, added, members
from models.demand.supply import NUMBERS, Supply


def _draws(mean: np.ndarray, alpha: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A gamma mixture of Poissons is a negative binomial: variance m + alpha m^2."""
    return rng.poisson(rng.gamma(1 / alpha, alpha, shape) * mean)


def test_a_shortage_is_that_of_a_plain_sum() -> None:
    rng = np.random.default_rng(1)
    mean, alpha, stock = np.array([0.3, 2.0, 8.0]), np.array([2.0, 0.5, 0.1]), np.array([0.0, 3.0, 9.0])
    drawn = np.stack([_draws(mean[n], alpha[n], (400_000,), rng) for n in range(3)])
    short, over = np.maximum(drawn - stock[:, None], 0).mean(axis=1), (drawn > stock[:, None]).mean(axis=1)
    counts = Counts(mean, alpha)
    assert counts.shortage(stock) == pytest.approx(short, abs=0.02)
    assert counts.exceeds(stock) == pytest.approx(over, abs=0.005)
    # Stock of nothing is short by the whole mean; where nothing is expected nothing is short.
    assert counts.shortage(np.zeros(3)) == pytest.approx(mean)
    assert Counts(np.zeros(1), np.ones(1)).shortage(np.zeros(1))[0] == 0


@pytest.mark.parametrize("is_common", [False, True])
def test_a_sum_scatters_as_its_days_do(is_common: bool) -> None:
    """Ten days of mean 2 and alpha 0.5: apart they sum to 20 + 10 x 0.5 x 4 = 40 of variance, as one to
    20 + 0.5 x 400 = 220."""
    rng = np.random.default_rng(2)
    shape = (200_000, 1) if is_common else (200_000, 10)
    total = rng.poisson(rng.gamma(2, 0.5, shape) * np.full(10, 2.0)).sum(axis=1)
    assert total.var() == pytest.approx(220 if is_common else 40, rel=0.03)
    parts = members(np.full(10, 2.0), Dispersion((1.0,), (0.5,)))
    counts = added(parts, np.zeros(10, np.int64), 1).counts(1.0 if is_common else 0.0)
    assert counts.mean[0] == 20
    for level in (0.1, 0.5, 0.9):
        assert counts.quantile(level)[0] == pytest.approx(np.quantile(total, level), abs=1)
    daily = Counts(np.full(10, 2.0), np.full(10, 0.5)).quantile(0.9).sum()
    assert counts.quantile(0.9)[0] < daily or is_common


def _supply(**known: float) -> Supply:
    """One SKU: 10 in stock, 5 days of lead time, costs 4 and brings 10."""
    usual = {
        "units_on_hand": 10.0,
        "units_on_order": 0.0,
        "lead_time_days": 5.0,
        "pack_size": np.nan,
        "min_order_quantity": np.nan,
        "unit_cost": 4.0,
        "net_unit_price": 10.0,
        "review_days": 7.0,
        "usual_lead_time_days": 14.0,
        "holding_cost_pct": 0.25,
        "stockout_cost_pct": 1.0,
        "order_cost": 0.0,
        "service_pct": 0.95,
        "fill_pct": np.nan,
    }
    return Supply(**{name: np.array([(usual | known)[name]]) for name in NUMBERS})


def _orders(days: int = 28, per_day: float = 1.0, **known: float) -> Orders:
    """A SKU that sells Poisson-like numbers around `per_day`."""
    mean = np.full((1, days), per_day)
    parts = members(mean.reshape(-1), Dispersion((1.0,), (1e-6,)))
    shaped = Parts(*(getattr(parts, name).reshape(mean.shape) for name in ("mean", "apart", "common")))
    return decide(mean, shaped, 0.0, _supply(**known))


def test_lead_time_and_review_are_covered_at_the_critical_ratio() -> None:
    # 12 days at 1 a day: Poisson 12. A missing unit costs 6, one too many 4 x 0.25 x 7 / 365 = 0.02: a ratio of 0.997,
    # of which 0.995 is the most that is asked for.
    found = _orders()
    assert (found.lead.mean[0], found.cover.mean[0]) == (5, 12)
    assert found.service[0] == 0.995
    # P(Poisson(12) <= 21) = 0.9939, P(<= 22) = 0.9970.
    assert found.reorder_point[0] == 22
    assert found.quantity[0] == 22 - 10
    # A unit that hardly earns: margin 0.03 against 0.0192, ratio 0.61, P(Poisson(12) <= 12) = 0.576, (<= 13) = 0.682.
    assert _orders(net_unit_price=4.03).reorder_point[0] == 13


def test_open_orders_packs_and_minima_count() -> None:
    assert _orders(units_on_order=12.0).quantity[0] == 0
    assert _orders(units_on_order=12.0).action[0] == "none"
    assert _orders(pack_size=5.0).quantity[0] == 15
    assert _orders(min_order_quantity=40.0).quantity[0] == 40
    assert _orders(pack_size=24.0, min_order_quantity=40.0).quantity[0] == 48
    # Ordering costs 8: sqrt(2 x 8 x 365 / (4 x 0.25)) = 76.4, of which 7 days sell anyway: 12 + 69.4.
    assert _orders(order_cost=8.0, pack_size=1.0).quantity[0] == 82


def test_what_is_unknown_is_left_out() -> None:
    nameless = _orders(unit_cost=np.nan)
    # P(Poisson(12) <= 17) = 0.937, (<= 18) = 0.963.
    assert (nameless.service[0], nameless.reorder_point[0]) == (0.95, 18)
    assert np.isnan(_orders(units_on_hand=np.nan).quantity[0])
    assert _orders(lead_time_days=np.nan).lead.mean[0] == 14


def test_stock_without_demand_is_cleared_and_too_much_reduced() -> None:
    assert _orders(per_day=0.0).action[0] == "clear"
    assert _orders(per_day=0.0, units_on_hand=0.0).action[0] == "none"
    # 12 days and 91 more sell 103 +- 10.
    assert _orders(units_on_hand=130.0).action[0] == "reduce"
    assert _orders(units_on_hand=100.0).action[0] == "none"


def test_a_lead_time_beyond_the_forecast_repeats_the_last_weeks() -> None:
    assert _orders(days=7, lead_time_days=60.0).lead.mean[0] == 60


def test_a_fill_rate_is_met_with_the_smallest_stock() -> None:
    found = _orders(fill_pct=0.98)
    # A cycle sells 7; 2 % of it is 0.14 units short at most.
    short = found.cover.shortage(found.reorder_point)[0]
    assert short <= 0.14
    assert found.cover.shortage(found.reorder_point - 1)[0] > 0.14

"""What could be known of demand: the expectation of a forecaster who knows the model but not its hidden traits.

Each SKU's log base rate, elasticity and promotion lift have a joint normal belief, begun at the parameters'
spread over SKUs. A day's lines move it by the mean and variance of the exact posterior along the one direction
that the day informs (assumed-density filtering: Maybeck, Stochastic Models, Estimation and Control, vol. 2,
1982; by Gauss-Hermite quadrature). A day that sold out counts up to the moment it did, a stopping time, so
that censoring needs no correction. Wishes are not seen, but units: one of mean quantity q counts as
q / E[q^2] negative binomial events, which gives units their true variance.

What the SKUs of a department have in common, a shock that fades and a level that stays, is followed by an
extended Kalman filter. SKUs learn only what sets them apart: what would move all of them together is left to
the filter, which alone can tell a lasting error of the beliefs from a passing shock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.simulate import demand
from pipelines.simulate.catalog import Catalog
from pipelines.simulate.parameters import DemandParameters
from pipelines.simulate.streams import Floats, Ints

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class Observed:
    """A day's evidence per SKU: units sold, and the share of the day's traffic that found the SKU in stock."""

    units: Ints
    exposure: Floats


class DemandBelief:
    """Moves day by day: `open` before the day is seen, `learn` after it."""

    def __init__(self, parameters: DemandParameters, catalog: Catalog) -> None:
        self._parameters, self._catalog = parameters, catalog
        sigma = parameters.base_sigma
        start = [np.log(parameters.base_mean) - sigma**2 / 2, parameters.elasticity[0], parameters.promotion_lift[0]]
        spread = [sigma**2, parameters.elasticity[1] ** 2, parameters.promotion_lift[1] ** 2]
        self._mean = np.tile(start, (catalog.size, 1))
        self._covariance = np.tile(np.diag(spread), (catalog.size, 1, 1))
        self._quantity = demand.mean_quantity(parameters)
        self._events_per_unit = self._quantity / demand.mean_squared_quantity(parameters)
        departments = int(catalog.department.max()) + 1
        # Of each department: its shock and its level, which is as uncertain as the mean of its SKUs' base rates.
        self._common = np.zeros((departments, 2))
        skus = np.maximum(np.bincount(catalog.department, minlength=departments), 1)
        self._start_variance = np.stack([np.full(departments, parameters.shock_sd**2), np.expm1(sigma**2) / skus])
        self._common_covariance = self._start_variance.T[:, :, None] * np.eye(2)

    def open(self) -> None:
        """Carry the belief about what departments have in common over to the next day."""
        self._common, self._common_covariance = self._common_after(1)

    def _common_after(self, days: int) -> tuple[Floats, Floats]:
        kept, variance = self._parameters.shock_persistence**days, self._parameters.shock_sd**2
        decay = np.array([kept, 1.0])
        covariance = self._common_covariance * decay[:, None] * decay
        covariance[:, 0, 0] += variance * (1 - kept**2)
        return self._common * decay, covariance

    def common_factor(self, days: int = 0) -> Floats:
        """The expected factor of shock and level on demand so many days on, per SKU."""
        mean, covariance = self._common_after(days)
        log = mean.sum(axis=1) + (covariance.sum(axis=(1, 2)) - self._start_variance.sum(axis=0)) / 2
        return np.asarray(np.exp(log)[self._catalog.department])

    def moved(self, log_price: Floats, discount: Floats) -> Floats:
        """Expected base rate times the effects of price and promotion, per SKU."""
        f, q = self._direction(self._effects(log_price, discount))
        return np.asarray(np.exp(f + q / 2))

    def lift(self, discount: float) -> Floats:
        """Expected factor of a promotion alone."""
        mean, variance = self._mean[:, 2], self._covariance[:, 2, 2]
        return np.asarray(np.exp(mean * discount + variance * discount**2 / 2))

    def elasticity_squared(self) -> Floats:
        return np.asarray(self._mean[:, 1] ** 2 + self._covariance[:, 1, 1])

    def learn(
        self, circumstances: Floats, log_price: Floats, discount: Floats, returning: Floats, seen: Observed
    ) -> None:
        """Take in a day: `circumstances` is all that multiplies demand but price, promotion and shock.

        `returning` are the units expected of carts left before.
        """
        effects = self._effects(log_price, discount)
        f, q = self._direction(effects)
        wishes = np.exp(f + q / 2) * circumstances * self.common_factor()
        beside = demand.second_sizes(self._catalog, self._parameters, wishes) + returning
        self._learn_common(wishes * self._quantity, q, beside, seen)
        rate = circumstances * self.common_factor() * self._quantity
        rows = np.flatnonzero((rate > 0) & (seen.exposure > 0))
        better_f, better_q = self._posterior(f[rows], q[rows], rate[rows], beside[rows], seen, rows)
        towards = (self._covariance[rows] * effects[rows][:, None, :]).sum(axis=2)
        gain = towards / q[rows][:, None]
        apart = self._apart(rows, wishes[rows], better_f - f[rows], better_q - q[rows])
        self._mean[rows] += gain * apart[:, None]
        shrink = (q[rows] - better_q) / q[rows]
        self._covariance[rows] -= gain[:, :, None] * towards[:, None, :] * shrink[:, None, None]

    @staticmethod
    def _effects(log_price: Floats, discount: Floats) -> Floats:
        return np.stack([np.ones_like(log_price), -log_price, discount], axis=1)

    def _direction(self, effects: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the belief about the log rate under these effects."""
        mean = (self._mean * effects).sum(axis=1)
        variance = ((self._covariance * effects[:, None, :]).sum(axis=2) * effects).sum(axis=1)
        return mean, variance

    def _posterior(
        self, f: Floats, q: Floats, rate: Floats, beside: Floats, seen: Observed, rows: Ints
    ) -> tuple[Floats, Floats]:
        """Mean and variance of the log rate after the units seen under an exposure."""
        k = self._parameters.dispersion
        events = seen.units[rows][:, None] * self._events_per_unit
        node = f[:, None] + np.sqrt(q)[:, None] * NODES
        mean = (np.exp(node) * rate[:, None] + beside[:, None]) * self._events_per_unit
        log_likelihood = events * np.log(mean) - (k + events) * np.log(k + seen.exposure[rows][:, None] * mean)
        weight = WEIGHTS * np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        centre = (weight * node).sum(axis=1)
        spread = (weight * (node - centre[:, None]) ** 2).sum(axis=1)
        return centre, spread

    def _apart(self, rows: Ints, weight: Floats, change: Floats, change_of_variance: Floats) -> Floats:
        """The changes less what they have in common: expected demand of each department stays as it was."""
        department, departments = self._catalog.department[rows], len(self._common)
        moved = np.bincount(department, weights=weight * np.exp(change + change_of_variance / 2), minlength=departments)
        before = np.bincount(department, weights=weight, minlength=departments)
        return np.asarray(change - np.log(moved[department] / before[department]))

    def _learn_common(self, direct: Floats, q: Floats, beside: Floats, seen: Observed) -> None:
        """Move the departments by all their units together; `direct` moves with shock and level, `beside` does not.

        By the score of the negative binomial likelihood, which is fair also when a day stops at the last unit.
        """
        k, departments = self._parameters.dispersion, len(self._common)
        events = (direct + beside) * seen.exposure * self._events_per_unit
        moving = direct / np.maximum(direct + beside, 1e-12) * k / (k + events)
        score = moving * (seen.units * self._events_per_unit - events)
        information = moving * events * direct / np.maximum(direct + beside, 1e-12)
        known, noise, surprise = (
            np.bincount(self._catalog.department, weights=values, minlength=departments)
            for values in (information, information + information**2 * np.expm1(q), score)
        )
        towards = self._common_covariance.sum(axis=2) * known[:, None]
        total = np.maximum(towards.sum(axis=1) * known + noise, 1e-12)
        self._common = self._common + towards * (surprise / total)[:, None]
        self._common_covariance = (
            self._common_covariance - towards[:, :, None] * towards[:, None, :] / total[:, None, None]
        )

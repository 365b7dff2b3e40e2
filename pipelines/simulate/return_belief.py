"""What could be known of returns: the chance of a line given what customers and SKUs have sent back so far.

Hidden are a style's fit risk and a SKU's quality risk, beta by their parameters, and a customer's proneness, gamma
or, for a few, that of an abuser. A line delivered some days ago has shown its causes only as far as returns of
that age have come in, so it counts as that share of a trial: (1 - risk)^share, near to 1 - share * risk for
small risks. A return names the first cause that acted; the later ones are then not observed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import gammaln

from pipelines.simulate.catalog import Catalog
from pipelines.simulate.parameters import ReturnParameters
from pipelines.simulate.streams import Bools, Floats, Ints

FIT, QUALITY, TWO_SIZES, MIND, LATE = range(5)


@dataclass(frozen=True)
class Lines:
    """Lines to be watched. `customer` is -1 for a guest, `rate` that at which the line's mind is changed.

    `fit`, `quality` and `mind` weigh the line's evidence about each cause.
    """

    sku: Ints
    customer: Ints
    rate: Floats
    fit: Floats
    quality: Floats
    mind: Floats

    def chosen(self, index: Ints | Bools) -> Lines:
        return Lines(*(getattr(self, field.name)[index] for field in fields(self)))


def delay_shares(parameters: ReturnParameters) -> Floats:
    """Share of returns requested 1, 2, ... days after delivery: geometric, within the return window."""
    shares = (1 - 1 / parameters.delay_days) ** np.arange(parameters.window_days)
    return np.asarray(shares / shares.sum())


class ReturnBelief:
    """Sums by style, SKU and customer: returns by the cause, and the trials they are out of.

    For customers also the log-likelihood of these returns had an abuser asked for them.
    """

    def __init__(self, parameters: ReturnParameters, catalog: Catalog, customers: int) -> None:
        self._parameters, self._catalog = parameters, catalog
        self._shares = delay_shares(parameters)
        styles = int(catalog.style.max()) + 1
        self._fit = np.zeros((2, styles))
        self._quality = np.zeros((2, catalog.size))
        self._mind = np.zeros((3, customers))
        self._delivered: dict[int, list[Lines]] = defaultdict(list)
        self._requested: dict[int, list[tuple[Lines, Ints, Ints]]] = defaultdict(list)

    def watch(self, lines: Lines, delivered: Ints, requested: Ints, cause: Ints) -> None:
        """Follow delivered lines; `requested` is the day their return is asked for, -1 for never."""
        for day in np.unique(delivered).tolist():
            self._delivered[day].append(lines.chosen(delivered == day))
        for day in np.unique(requested[requested >= 0]).tolist():
            here = requested == day
            self._requested[day].append((lines.chosen(here), delivered[here], cause[here]))

    def learn(self, day: int, customers: int) -> None:
        """Take in what is known by the evening of `day`."""
        self._mind = np.pad(self._mind, ((0, 0), (0, customers - self._mind.shape[1])))
        for after, share in enumerate(self._shares, start=1):
            for lines in self._delivered.get(day - after, []):
                self._expose(lines, np.full(len(lines.sku), share))
        self._delivered.pop(day - len(self._shares), None)
        for lines, delivered, cause in self._requested.pop(day, []):
            self._succeed(lines, cause)
            self._stop_watching(day, lines, delivered, cause)

    def _expose(self, lines: Lines, share: Floats) -> None:
        style, known = self._catalog.style[lines.sku], lines.customer >= 0
        np.add.at(self._fit[1], style, share * lines.fit)
        np.add.at(self._quality[1], lines.sku, share * lines.quality)
        np.add.at(self._mind[1], lines.customer[known], (share * lines.mind * lines.rate)[known])

    def _succeed(self, lines: Lines, cause: Ints) -> None:
        style, known = self._catalog.style[lines.sku], lines.customer >= 0
        np.add.at(self._fit[0], style[cause == FIT], 1)
        np.add.at(self._quality[0], lines.sku[cause == QUALITY], 1)
        minds = known & (cause == MIND)
        np.add.at(self._mind[0], lines.customer[minds], 1)
        as_abuser = np.log(-np.expm1(-lines.rate * self._parameters.abuser_proneness) / lines.rate)
        np.add.at(self._mind[2], lines.customer[minds], as_abuser[minds])

    def _stop_watching(self, day: int, lines: Lines, delivered: Ints, cause: Ints) -> None:
        """Take back, now and for the days to come, the evidence about causes later than the one that acted."""
        nothing = np.zeros(len(cause))
        unseen = Lines(
            lines.sku,
            lines.customer,
            lines.rate,
            nothing,
            np.where(cause < QUALITY, -lines.quality, 0.0),
            np.where(cause < MIND, -lines.mind, 0.0),
        )
        so_far = np.concatenate([[0.0], np.cumsum(self._shares)])
        self._expose(unseen, so_far[np.minimum(day - delivered, len(self._shares))])
        for since in np.unique(delivered).tolist():
            self._delivered[since].append(unseen.chosen(delivered == since))

    def chances(self, lines: Lines) -> Floats:
        """The expected chance of each hidden cause, shape (3, lines): fit, quality, change of mind."""
        own, style = self._parameters, self._catalog.style[lines.sku]
        fit = (own.fit[0] + self._fit[0, style]) / (sum(own.fit) + self._fit[1, style])
        quality = (own.quality[0] + self._quality[0, lines.sku]) / (sum(own.quality) + self._quality[1, lines.sku])
        return np.stack([np.where(self._catalog.is_worn[lines.sku], fit, 0.0), quality, self._minds(lines)])

    def _minds(self, lines: Lines) -> Floats:
        """Over the two kinds of customers, each weighted by how well it explains the customer's past."""
        own = self._parameters
        known, customer = lines.customer >= 0, np.maximum(lines.customer, 0)
        count, exposure, as_abuser = np.where(known, self._mind[:, customer], 0.0)
        shape, abuser = own.proneness_shape, own.abuser_proneness
        usual = gammaln(shape + count) - gammaln(shape) + shape * np.log(shape)
        usual = usual - (shape + count) * np.log(shape + exposure) + np.log(1 - own.abuser_share)
        abusing = as_abuser - abuser * exposure + np.log(own.abuser_share)
        is_abuser = 1 / (1 + np.exp(np.clip(usual - abusing, -500, 500)))
        as_usual = 1 - ((shape + exposure) / (shape + exposure + lines.rate)) ** (shape + count)
        return np.asarray((1 - is_abuser) * as_usual - is_abuser * np.expm1(-lines.rate * abuser))

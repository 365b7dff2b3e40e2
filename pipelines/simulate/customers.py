"""The people with an account: how often they come, how prone they are to send things back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.clock import Clock
from pipelines.simulate.parameters import CustomerParameters
from pipelines.simulate.streams import Floats, Ints, Purpose, shares, stream
from pipelines.simulate.vocabulary import FIRST_NAMES, LAST_NAMES, MAIL_DOMAINS, REGIONS

SIGN_UP_DAYS = 540
OLDEST_ACCOUNT_DAYS = 900


class Customers:
    """Customers in the order they signed up. A sign-up can buy from the next day on."""

    def __init__(self, seed: int, scale: float, parameters: CustomerParameters, clock: Clock) -> None:
        self._seed = seed
        self._parameters = parameters
        self._clock = clock
        total = parameters.customers * scale
        initial = max(1, round(total * parameters.initial_share))
        self._daily = total * (1 - parameters.initial_share) / SIGN_UP_DAYS
        self._countries, self._country_shares = shares(parameters.countries)
        self._created = np.empty(0, dtype=np.int64)
        self._rate = np.empty(0)
        self._country = np.empty(0, dtype=np.int64)
        self._consent = np.empty(0, dtype=bool)
        self._return_proneness = np.empty(0)
        self._names = np.empty((0, 4), dtype=np.int64)
        rng = stream(seed, Purpose.TRAITS, 1)
        self._sign_up(rng, clock.within(-rng.integers(1, OLDEST_ACCOUNT_DAYS, initial), rng.random(initial)))

    @property
    def size(self) -> int:
        return len(self._created)

    def _sign_up(self, rng: np.random.Generator, created: Ints) -> None:
        own, size = self._parameters, len(created)
        shape = own.return_shape
        names = [len(FIRST_NAMES), len(LAST_NAMES), len(MAIL_DOMAINS), len(REGIONS)]
        rate, proneness = rng.gamma(own.rate_shape, 1.0, size), rng.gamma(shape, 1 / shape, size)
        country = rng.choice(len(self._countries), size, p=self._country_shares)
        self._created = np.append(self._created, np.sort(created))
        self._rate = np.append(self._rate, rate)
        self._country = np.append(self._country, country)
        self._consent = np.append(self._consent, rng.random(size) < own.consent_share)
        self._return_proneness = np.append(self._return_proneness, proneness)
        self._names = np.append(self._names, rng.integers(names, size=(size, 4)), axis=0)

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Customers by their rate, with repetition."""
        reach = np.cumsum(self._rate)
        return np.asarray(np.searchsorted(reach, rng.random(size) * reach[-1], side="right"))

    def advance(self, day: int) -> pa.Table:
        """The day's sign-ups and changes of mind about marketing; on the first day, everybody.

        Returns the rows of the customers feed and is called at the end of a day.
        """
        rng, before = stream(self._seed, Purpose.CUSTOMERS, day), self.size
        arrivals = int(rng.poisson(self._daily))
        self._sign_up(rng, self._clock.within(np.full(arrivals, day), rng.random(arrivals)))
        new = np.arange(0 if day == 0 else before, self.size)
        parts = [self._rows(new, self._created[new])]
        if day > 0:
            flips = rng.integers(before, size=rng.poisson(before * self._parameters.consent_change_daily))
            flips = np.unique(flips)
            self._consent[flips] = ~self._consent[flips]
            parts.append(self._rows(flips, self._clock.within(np.full(len(flips), day), rng.random(len(flips)))))
        return pa.concat_tables(parts)

    def _rows(self, index: Ints, updated: Ints) -> pa.Table:
        return text.rows(
            "customers",
            {
                "customer_id": self.customer_id(index),
                "created_at": text.instants(self._created[index]),
                "country": self.country(index),
                "region": text.chosen(REGIONS, self._names[index, 3]),
                "email": self.email(index),
                "phone": text.numbered("+44 7700 900", index % 1_000, 3),
                "marketing_consent": text.truths(self._consent[index]),
                "updated_at": text.instants(updated),
            },
        )

    def customer_id(self, index: Ints) -> pa.Array:
        return text.numbered("C", index + 1, 7)

    def visitor_id(self, index: Ints) -> pa.Array:
        return text.numbered("V", index + 1, 7)

    def country(self, index: Ints) -> pa.Array:
        return text.chosen(self._countries, self._country[index])

    def email(self, index: Ints) -> pa.Array:
        first, last, domain, _ = self._names[index].T
        return text.joined(
            text.chosen(FIRST_NAMES, first),
            ".",
            text.chosen(LAST_NAMES, last),
            text.whole(index + 1),
            "@",
            text.chosen(MAIL_DOMAINS, domain),
        )

    def proneness(self, index: Ints) -> Floats:
        """How prone they are to change their mind about a purchase, mean 1."""
        return np.asarray(self._return_proneness[index])

"""The people with an account: how often they come, what they like, how prone they are to send things back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.clock import Clock
from pipelines.simulate.parameters import Parameters
from pipelines.simulate.streams import OF_CUSTOMERS, Bools, Floats, Ints, Purpose, mixed, shares, stream
from pipelines.simulate.vocabulary import DEPARTMENTS, FIRST_NAMES, LAST_NAMES, MAIL_DOMAINS, REGIONS

SIGN_UP_DAYS = 540
OLDEST_ACCOUNT_DAYS = 900


@dataclass(frozen=True)
class Traits:
    """One entry per customer; `churn` is the day from which on nothing is heard of them any more.

    `consent` (to marketing) and `orders` (placed under the account so far) change with the days.
    """

    created: Ints
    rate: Floats
    churn: Ints
    favourite: Ints
    country: Ints
    consent: Bools
    orders: Ints
    proneness: Floats
    is_abuser: Bools
    has_second_email: Bools
    names: Ints

    def and_also(self, more: Traits) -> Traits:
        return Traits(*(np.concatenate([getattr(self, f.name), getattr(more, f.name)]) for f in fields(self)))


class Customers:
    """Customers in the order they signed up. A sign-up can buy from the next day on."""

    def __init__(self, seed: int, scale: float, parameters: Parameters, clock: Clock) -> None:
        self._seed = seed
        self._parameters = parameters.customers
        self._returns = parameters.returns
        self._clock = clock
        total = self._parameters.customers * scale
        initial = max(1, round(total * self._parameters.initial_share))
        self._daily = total * (1 - self._parameters.initial_share) / SIGN_UP_DAYS
        self._countries, self._country_shares = shares(self._parameters.countries)
        rng = stream(seed, Purpose.TRAITS, 1)
        created = clock.within(-rng.integers(1, OLDEST_ACCOUNT_DAYS, initial), rng.random(initial))
        self.traits = self._sign_up(rng, 0, created)
        self._reach: list[Floats] = []
        self.open(0)

    @property
    def size(self) -> int:
        return len(self.traits.created)

    def _sign_up(self, rng: np.random.Generator, day: int, created: Ints) -> Traits:
        own, returns, size = self._parameters, self._returns, len(created)
        shape, names = returns.proneness_shape, [len(FIRST_NAMES), len(LAST_NAMES), len(MAIL_DOMAINS), len(REGIONS)]
        is_abuser = rng.random(size) < returns.abuser_share
        proneness = rng.gamma(shape, 1 / shape, size)
        return Traits(
            created=np.sort(created),
            rate=rng.gamma(own.rate_shape, 1.0, size),
            churn=day + 1 + rng.exponential(own.life_mean_days, size).astype(np.int64),
            favourite=rng.integers(len(DEPARTMENTS), size=size),
            country=rng.choice(len(self._countries), size, p=self._country_shares),
            consent=rng.random(size) < own.consent_share,
            orders=np.zeros(size, dtype=np.int64),
            proneness=np.where(is_abuser, returns.abuser_proneness, proneness),
            is_abuser=is_abuser,
            has_second_email=rng.random(size) < own.second_email_share,
            names=rng.integers(names, size=(size, 4)),
        )

    def open(self, day: int) -> None:
        """Prepare the day's draws: customers by rate, within reach of each department and of none."""
        here, weight = self.traits, self._parameters.taste_weight
        rate = here.rate * (here.churn > day)
        # Whoever is the last to leave stays, so that somebody can always be drawn.
        rate[np.argmax(here.churn)] = max(rate[np.argmax(here.churn)], 1e-9)
        likes = [np.where(here.favourite == number, weight, 1.0) for number in range(len(DEPARTMENTS))]
        self._reach = [np.cumsum(rate * like) for like in likes]

    def draw(self, rng: np.random.Generator, department: Ints) -> Ints:
        """Customers by their rate and their taste for each of the departments, with repetition."""
        draws, who = rng.random(len(department)), np.empty(len(department), dtype=np.int64)
        for number, reach in enumerate(self._reach):
            here = department == number
            who[here] = np.searchsorted(reach, draws[here] * reach[-1], side="right")
        return who

    def advance(self, day: int) -> pa.Table:
        """The day's sign-ups and changes of mind about marketing; on the first day, everybody.

        Returns the rows of the customers feed and is called at the end of a day.
        """
        rng, before = stream(self._seed, Purpose.CUSTOMERS, day), self.size
        arrivals = int(rng.poisson(self._daily))
        created = self._clock.within(np.full(arrivals, day), rng.random(arrivals))
        self.traits = self.traits.and_also(self._sign_up(rng, day, created))
        new = np.arange(0 if day == 0 else before, self.size)
        parts = [self._rows(new, self.traits.created[new])]
        if day > 0:
            flips = rng.integers(before, size=rng.poisson(before * self._parameters.consent_change_daily))
            flips = np.unique(flips)
            self.traits.consent[flips] = ~self.traits.consent[flips]
            parts.append(self._rows(flips, self._clock.within(np.full(len(flips), day), rng.random(len(flips)))))
        return pa.concat_tables(parts)

    def _rows(self, index: Ints, updated: Ints) -> pa.Table:
        return text.rows(
            "customers",
            {
                "customer_id": self.customer_id(index),
                "created_at": text.instants(self.traits.created[index]),
                "country": self.country(index),
                "region": text.chosen(REGIONS, self.traits.names[index, 3]),
                "email": self.email(index),
                "phone": text.numbered("+44 7700 900", index % 1_000, 3),
                "marketing_consent": text.truths(self.traits.consent[index]),
                "updated_at": text.instants(updated),
            },
        )

    def customer_id(self, index: Ints) -> pa.Array:
        return text.numbered("C", index + 1, 7)

    def cookie(self, index: Ints, device: Ints, day: int) -> Ints:
        """The number of the visitor id under which a customer's browser is known on that day."""
        age = (day + index * 37) // self._parameters.cookie_days
        return mixed(self._seed, OF_CUSTOMERS, index, device, age)

    def country(self, index: Ints) -> pa.Array:
        return text.chosen(self._countries, self.traits.country[index])

    @property
    def countries(self) -> list[str]:
        return self._countries

    def country_name(self, country: Ints) -> pa.Array:
        return text.chosen(self._countries, country)

    def country_index(self, index: Ints) -> Ints:
        return np.asarray(self.traits.country[index])

    def email(self, index: Ints) -> pa.Array:
        first, last, domain, _ = self.traits.names[index].T
        return text.joined(
            text.chosen(FIRST_NAMES, first),
            ".",
            text.chosen(LAST_NAMES, last),
            text.whole(index + 1),
            "@",
            text.chosen(MAIL_DOMAINS, domain),
        )

    def second_email(self, index: Ints) -> pa.Array:
        """Another address of the same person, which only looks different."""
        number = mixed(self._seed, index)
        return text.joined("post", text.whole(number), "@", text.chosen(MAIL_DOMAINS, number % len(MAIL_DOMAINS)))

    def truth(self, since: int) -> dict[str, Any]:
        """The customers from number `since` on, with what is hidden of them."""
        index = np.arange(since, self.size)
        here = self.traits
        return {
            "customer_id": self.customer_id(index),
            "true_rate": here.rate[index],
            "true_churned_on": self._clock.dates(here.churn[index]),
            "true_favourite": text.chosen([d.name for d in DEPARTMENTS], here.favourite[index]),
            "true_proneness": here.proneness[index],
            "is_return_abuser": here.is_abuser[index],
        }

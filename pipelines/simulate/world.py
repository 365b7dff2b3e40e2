"""What the parts of the simulation share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from pipelines.simulate.catalog import Catalog
from pipelines.simulate.clock import Clock
from pipelines.simulate.customers import Customers
from pipelines.simulate.outbox import Outbox
from pipelines.simulate.parameters import Parameters
from pipelines.simulate.stock import Stock
from pipelines.simulate.streams import Floats, Ints, Purpose, stream


@dataclass(frozen=True)
class World:
    """The store's parts; catalog, customers, stock and outbox change from day to day."""

    seed: int
    scale: float
    currencies: int
    parameters: Parameters
    clock: Clock
    catalog: Catalog
    customers: Customers
    stock: Stock
    outbox: Outbox

    def stream(self, purpose: Purpose, day: int) -> np.random.Generator:
        return stream(self.seed, purpose, day)


@dataclass(frozen=True)
class Day:
    """One business day, and what holds throughout it per SKU.

    `wishes` is the expected number of first wishes, second sizes apart; `discount_percent` the running promotion,
    `list_pence` the price before it.
    """

    number: int
    on: date
    wishes: Floats
    discount_percent: Ints
    list_pence: Ints

    @property
    def shown_pence(self) -> Ints:
        """The list price less the running promotion."""
        return self.list_pence - np.rint(self.list_pence * self.discount_percent / 100).astype(np.int64)

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

    `interest` is the expected number of wishes were the shop open, `discount_percent` the running promotion.
    """

    number: int
    on: date
    interest: Floats
    discount_percent: Ints

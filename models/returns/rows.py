"""Lines at an age: what was known of each that day, and whether it came back between then and the window's end."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.returns.lines import Lines
from models.tables import NEVER, Integers

Floats = NDArray[np.float64]
# What a row knows beyond its line; all of it as of the end of day `ordered + age`.
STATE = (
    "age_days",
    "returned_so_far",
    "order_returned_so_far",
    "handling_days",
    "promised_days",
    "days_since_delivered",
    "late_days",
    "late_pct",
    "parcel_late_pct",
)
_LATE_DAYS, _LATE_WEIGHT, _USUALLY_LATE = 28, 20.0, 0.1


@dataclass(frozen=True)
class Rows:
    """`index` is the line's row in `lines`, `age` in business days since its order; 0 is the order itself."""

    lines: Lines
    index: Integers
    age: Integers
    window_days: int
    _columns: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def day(self) -> Integers:
        """The day at whose end the row stands."""
        return self.lines.day[self.index] + self.age

    @property
    def week(self) -> Integers:
        """The week of each line's order, numbered."""
        return self.lines.day[self.index] // 7

    def chosen(self, which: NDArray[np.bool_] | Integers) -> Rows:
        return Rows(self.lines, self.index[which], self.age[which], self.window_days)

    def column(self, name: str) -> NDArray[np.float32]:
        """A number of the line, or of its state at that age; NaN where unknown."""
        if name in STATE:
            return self._state[name]
        return self.lines.numbers(name)[self.index]

    def happened(self) -> Floats:
        """1 where a return was asked for within the window and known only after the row's day, else 0."""
        back = self.lines.returns
        in_window = back.requested <= self.lines.day[back.line] + self.window_days
        last = np.full(len(self.lines.day), -1, np.int64)
        np.maximum.at(last, back.line[in_window], back.known[in_window])
        return (last[self.index] > self.day).astype(np.float64)

    def returned_by(self) -> Floats:
        """The part of the line that was asked back by the row's day."""
        return _sum_by(
            self.lines.returns.line, self.lines.returns.known, self.lines.returns.share, self.index, self.day
        )

    @cached_property
    def _state(self) -> dict[str, NDArray[np.float32]]:
        parcels, day = self.lines.parcels, self.day
        shipped, promised = parcels.shipped[self.index], parcels.promised[self.index]
        is_shipped = parcels.ship_known[self.index] <= day
        has_promise = is_shipped & (promised != NEVER)
        is_delivered = is_shipped & (parcels.delivery_known[self.index] <= day)
        arrived = np.where(is_delivered, parcels.delivered[self.index], day)
        late = np.where(has_promise, arrived - promised, 0)
        own = self.returned_by()
        back = self.lines.returns
        of_order = _sum_by(self.lines.order[back.line], back.known, back.share, self.lines.order[self.index], day)
        store, parcel = late_shares(self.lines, self.index)
        found = {
            "age_days": self.age,
            "returned_so_far": np.minimum(own, 1.0),
            "order_returned_so_far": np.maximum(of_order - own, 0.0),
            "handling_days": np.where(is_shipped, shipped - self.lines.day[self.index], np.nan),
            "promised_days": np.where(has_promise, promised - shipped, np.nan),
            "days_since_delivered": np.where(is_delivered, day - arrived, np.nan),
            # Before the promised day nothing is late unless it has arrived, then early.
            "late_days": np.where(has_promise & (is_delivered | (late > 0)), late, np.nan),
            "late_pct": store,
            "parcel_late_pct": np.where(is_shipped, parcel, np.nan),
        }
        return {name: values.astype(np.float32) for name, values in found.items()}


def late_shares(lines: Lines, index: Integers) -> tuple[Floats, Floats]:
    """The share of late parcels among those that arrived in the four weeks before the order: of all, of its kind."""
    parcels = lines.parcels
    first = np.unique(lines.order, return_index=True)[1]
    is_known = (parcels.delivery_known[first] != NEVER) & (parcels.promised[first] != NEVER)
    first = first[is_known]
    start = int(lines.day.min(initial=lines.last_day))
    days = lines.last_day - start + 2
    kinds = int(parcels.late_group.max(initial=-1)) + 2
    at = np.clip(parcels.delivery_known[first] - start, 0, days - 1)
    is_late = (parcels.delivered[first] > parcels.promised[first]).astype(np.float64)
    cell = (parcels.late_group[first] + 1) * days + at

    def recent(values: Floats) -> Floats:
        """By kind (the first is all kinds) and day: the sum over the four weeks that end the day before."""
        daily = np.bincount(cell, values, minlength=kinds * days).reshape(kinds, days)
        daily[0] = daily.sum(axis=0)
        so_far = np.concatenate([np.zeros((kinds, 1)), daily.cumsum(axis=1)], axis=1)[:, :-1]
        before = np.concatenate([np.zeros((kinds, min(_LATE_DAYS, days))), so_far], axis=1)[:, :days]
        return np.asarray(so_far - before, np.float64)

    late, arrived = recent(is_late), recent(np.ones(len(first)))
    day, kind = lines.day[index] - start, parcels.late_group[index] + 1
    if not len(first):
        return np.full(len(index), np.nan), np.full(len(index), np.nan)
    store = (late[0, day] + _USUALLY_LATE * _LATE_WEIGHT) / (arrived[0, day] + _LATE_WEIGHT)
    own = (late[kind, day] + store * _LATE_WEIGHT) / (arrived[kind, day] + _LATE_WEIGHT)
    return store, np.where(kind > 0, own, np.nan)


def _sum_by(key: Integers, known: Integers, value: Floats, asked: Integers, by: Integers) -> Floats:
    """For each key asked for the sum of its values known by a day."""
    if not len(key):
        return np.zeros(len(asked))
    span = int(max(known.max(), by.max(initial=0))) + 1
    place = key * span + known
    order = np.argsort(place, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(value[order])])
    place = place[order]
    upto = np.searchsorted(place, asked * span + by, side="right")
    since = np.searchsorted(place, asked * span, side="left")
    return np.asarray(total[upto] - total[since])


def at_order(lines: Lines, chosen: NDArray[np.bool_], window_days: int) -> Rows:
    """The chosen lines at their order."""
    index = np.flatnonzero(chosen)
    return Rows(lines, index, np.zeros(len(index), np.int64), window_days)


def at_shipment(lines: Lines, chosen: NDArray[np.bool_], window_days: int) -> Rows:
    """The chosen lines on the day their parcel was known to have left, where that is within the window."""
    age = lines.parcels.ship_known - lines.day
    index = np.flatnonzero(chosen & (age > 0) & (age < window_days))
    return _open(Rows(lines, index, age[index], window_days))


def at_drawn_age(lines: Lines, chosen: NDArray[np.bool_], window_days: int, seed: int) -> Rows:
    """The chosen lines each at one age within the window that some day known follows, unless all came back by then.

    A third of them stand at their shipment.
    """
    seen = np.minimum(lines.last_day - lines.day, window_days)
    index, draw = np.flatnonzero(chosen & (seen > 1)), np.random.default_rng(seed)
    age = draw.integers(1, seen[index])
    shipped = (lines.parcels.ship_known - lines.day)[index]
    is_shipment = (draw.random(len(index)) < 1 / 3) & (shipped > 0) & (shipped < seen[index])
    return _open(Rows(lines, index, np.where(is_shipment, shipped, age).astype(np.int64), window_days))


def open_on(lines: Lines, day: int, window_days: int) -> Rows:
    """The lines that may still come back at the end of a day: ordered within the window, not cancelled, not back."""
    age = day - lines.day
    index = np.flatnonzero(lines.is_sold & (age >= 0) & (age < window_days))
    return _open(Rows(lines, index, age[index], window_days))


def joined(first: Rows, second: Rows) -> Rows:
    index, age = np.concatenate([first.index, second.index]), np.concatenate([first.age, second.age])
    return Rows(first.lines, index, age, first.window_days)


def _open(rows: Rows) -> Rows:
    return rows.chosen(rows.returned_by() < 1 - 1e-6)

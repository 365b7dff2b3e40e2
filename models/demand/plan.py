"""What is known of coming days: promotions from their announcement on, closed days, events and public holidays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Far enough from a holiday not to feel it.
FAR_DAYS = 15
# Any later than every day of this century.
_SPAN = 1 << 16


@dataclass(frozen=True)
class Plan:
    """Promotions ordered by SKU, day and announcement; closed days and events by location and day; the country.

    `skus` and `locations` number what the arrays speak of, days count from 1970-01-01. A discount is the deepest of
    those announced by then.
    """

    skus: Mapping[str, int]
    sku_day: Integers
    announced: Integers
    discount: Floats
    locations: Mapping[str, int]
    closed: Integers
    events: Integers
    country: str = ""

    @classmethod
    def from_frames(cls, promotions: pd.DataFrame | None, calendar: pd.DataFrame | None) -> Plan:
        """Take `feat_sku_promotion_day` and `feat_calendar_day`; either may be missing."""
        plan = NOTHING_PLANNED
        if promotions is not None and len(promotions):
            plan = replace(plan, **_promotions(promotions))
        if calendar is not None and len(calendar):
            plan = replace(plan, **_calendar(calendar))
        return plan

    def known_by(self, day: int) -> Plan:
        keep = self.announced <= day
        return replace(self, sku_day=self.sku_day[keep], announced=self.announced[keep], discount=self.discount[keep])

    def promoted(self, skus: Integers, days: Integers, known_on: Integers) -> Floats:
        """The discount planned for each SKU and day, NaN where there is none; a SKU never promoted has number -1."""
        if not len(self.sku_day):
            return np.full(len(skus), np.nan)
        at = self._sought(skus * _SPAN + days, known_on)
        found = np.maximum(at, 0)
        is_planned = (at >= 0) & (self.sku_day[found] == skus * _SPAN + days) & (skus >= 0)
        return np.where(is_planned, self.discount[found], np.nan)

    def is_closed(self, locations: Integers, days: Integers) -> NDArray[np.bool_]:
        return np.isin(locations * _SPAN + days, self.closed)

    def has_event(self, locations: Integers, days: Integers) -> NDArray[np.bool_]:
        return np.isin(locations * _SPAN + days, self.events)

    def holidays(self, first: int, last: int) -> tuple[Floats, Floats]:
        """Days since the last and to the next public holiday, 0 on one, for each day of a span; at most `FAR_DAYS`."""
        span = np.arange(first, last + 1)
        found = _public_holidays(self.country, first - FAR_DAYS, last + FAR_DAYS)
        if not len(found):
            return np.full(len(span), float(FAR_DAYS)), np.full(len(span), float(FAR_DAYS))
        after = np.searchsorted(found, span)
        to_next = np.where(after < len(found), found[np.minimum(after, len(found) - 1)] - span, FAR_DAYS)
        before = np.searchsorted(found, span, side="right") - 1
        since = np.where(before >= 0, span - found[np.maximum(before, 0)], FAR_DAYS)
        return np.minimum(since, FAR_DAYS).astype(np.float64), np.minimum(to_next, FAR_DAYS).astype(np.float64)

    def _sought(self, sku_day: Integers, known_on: Integers) -> Integers:
        """The last announcement for an SKU and day that was known; of another one where there is none."""
        base = self.announced.min()
        width = int(max(self.announced.max(), known_on.max()) - base) + 2
        held = self.sku_day * width + (self.announced - base + 1)
        asked = sku_day * width + np.maximum(known_on - base + 1, 0)
        return np.asarray(np.searchsorted(held, asked, side="right") - 1, np.int64)


_NONE = np.zeros(0, np.int64)
NOTHING_PLANNED = Plan({}, _NONE, _NONE, np.zeros(0), {}, _NONE, _NONE)


def _days(column: pd.Series) -> Integers:
    return pd.to_datetime(column).to_numpy("datetime64[D]").astype(np.int64)


def _promotions(frame: pd.DataFrame) -> dict[str, Any]:
    numbers, skus = pd.factorize(frame["sku"].astype(str), sort=True)
    taken = pd.DataFrame(
        {
            "sku_day": numbers.astype(np.int64) * _SPAN + _days(frame["promoted_on"]),
            "announced": _days(frame["announced_on"]),
            "discount": frame["discount_pct"].astype("float64").fillna(0.0).to_numpy(np.float64),
        }
    ).sort_values(["sku_day", "announced"], ignore_index=True)
    return {
        "skus": {str(sku): number for number, sku in enumerate(skus)},
        "sku_day": taken["sku_day"].to_numpy(),
        "announced": taken["announced"].to_numpy(),
        "discount": taken.groupby("sku_day")["discount"].cummax().to_numpy(),
    }


def _calendar(frame: pd.DataFrame) -> dict[str, Any]:
    numbers, locations = pd.factorize(frame["location_id"].astype(str), sort=True)
    place_day = numbers.astype(np.int64) * _SPAN + _days(frame["calendar_on"])
    is_open = frame["is_location_open"].to_numpy(bool)
    return {
        "locations": {str(place): number for number, place in enumerate(locations)},
        "closed": np.sort(place_day[~is_open]),
        "events": np.sort(place_day[frame["event"].notna().to_numpy()]),
        "country": str(frame["store_country"].iloc[0]),
    }


def _public_holidays(country: str, first: int, last: int) -> Integers:
    """Days of public holidays in order; none for a country that the library does not know."""
    from holidays import country_holidays, list_supported_countries

    if country not in list_supported_countries():
        return _NONE
    years = range(1970 + first // 366, 1970 + last // 365 + 1)
    dates = [np.datetime64(day, "D").astype(np.int64) for day in country_holidays(country, years=years)]
    found = np.sort(np.array(dates, dtype=np.int64))
    return found[(found >= first) & (found <= last)]

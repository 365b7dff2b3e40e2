"""How far a day of a batch is from the weeks before it: one number a measure, made to be judged by a suite."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from pipelines import batch_profile
from pipelines.batch_profile import HISTORY_DAYS, Profile
from pipelines.errors import visible
from pipelines.feeds import Feed

# Of fewer rows chance alone says too much: at 100 a share is known to 5 points (one standard error), and half of
# a day is five standard deviations of a Poisson count away from all of it.
ENOUGH_ROWS = 100
# Clicks come ten or so to a visit, and those of one visit are alike: of a store that has fewer a day, a few visits or
# one crawler shift every share.
_ENOUGH_CLICKS = 1_000
# Two full weeks: two of each weekday.
ENOUGH_DAYS = 14
# One odd day of three does not move the middle one.
_ENOUGH_WEEKDAYS = 3
_WEEK = timedelta(days=7)
# What chance does once in 30,000 times (normal deviate 4) is no shift.
_CHANCE = 4.0
_HOURS_A_PART = 3


@dataclass(frozen=True)
class Measure:
    """`score` is what a suite judges; `observed` beside `usual` is what a person is told."""

    score: float
    observed: str
    usual: str


def measures(
    feed: Feed, days: Mapping[date, Profile], history: Mapping[date, Profile], undated: Collection[date]
) -> dict[date, dict[str, Measure]]:
    """The measures of each day that can be judged; one too small, or without two weeks before it, has none.

    `history` holds earlier days, `days` those of the batch, which are history to each other. Volume, freshness
    and repetition are not measured of a day in `undated`: one that is not over, or of a bulk history, which may have
    been cut at any hour and of which no single day can be delivered again.
    """
    known = {**history, **days}
    found = {}
    for ds, day in sorted(days.items()):
        before = _before(ds, known)
        if len(before) >= ENOUGH_DAYS and (measured := _measures(feed, ds, day, before, ds not in undated)):
            found[ds] = measured
    return found


def worth_judging(days: Mapping[date, Profile], history: Mapping[date, Profile]) -> bool:
    """Whether any day may have a measure, at a fraction of the cost: most loads are too small or too early for one."""
    known = {**history, **days}
    is_large = any(day["rows"] >= ENOUGH_ROWS for day in known.values())
    return is_large and any(len(_before(ds, known)) >= ENOUGH_DAYS for ds in days)


def _before(ds: date, known: Mapping[date, Profile]) -> dict[date, Profile]:
    return {then: known[then] for n in range(1, HISTORY_DAYS + 1) if (then := ds - timedelta(days=n)) in known}


def _measures(feed: Feed, ds: date, day: Profile, before: Mapping[date, Profile], is_dated: bool) -> dict[str, Measure]:
    past = list(before.values())
    if "session_id" in feed.column_names and median(then["rows"] for then in past) < _ENOUGH_CLICKS:
        return {}
    measured = _volume(ds, day, before) if is_dated else {}
    if day["rows"] >= ENOUGH_ROWS and sum(then["rows"] for then in past) >= ENOUGH_ROWS:
        measured |= _refused(day, past) | _nulls(feed, day, past) | _shifts(feed, day, past)
        measured |= _levels(feed, day, past)
        if is_dated:
            measured |= _dates(day, past) | _repeat(day, before)
    return measured


def _volume(ds: date, day: Profile, before: Mapping[date, Profile]) -> dict[str, Measure]:
    """Rows against the median of the same weekdays, since a shop's week has a shape.

    The week before may have been fuller or emptier as a whole, as after Christmas: of the usual level and that one,
    both ordinary, the nearer is taken.
    """
    level = _weekday_level(ds, before)
    if level is None or level < ENOUGH_ROWS:
        return {}
    week = [when for when in before if ds - when <= _WEEK]
    ratios = [before[when]["rows"] / usual for when in week if (usual := _weekday_level(when, before))]
    levels = [level, level * median(ratios)] if ratios else [level]
    usual = min((rows for rows in levels if rows), key=lambda rows: abs(math.log((day["rows"] + 1) / rows)))
    return {"rows_ratio": Measure(day["rows"] / usual, f"{day['rows']:,} rows", f"{usual:,.0f} on such a day")}


def _weekday_level(ds: date, before: Mapping[date, Profile]) -> float | None:
    same = [then["rows"] for when, then in before.items() if when.isoweekday() == ds.isoweekday()]
    return median(same) if len(same) >= _ENOUGH_WEEKDAYS else None


def _refused(day: Profile, past: Sequence[Profile]) -> dict[str, Measure]:
    return {"refused_rise": _rise("rows refused", day["refused"], day["rows_in"], past, "refused", "rows_in")}


def _nulls(feed: Feed, day: Profile, past: Sequence[Profile]) -> dict[str, Measure]:
    found = {}
    for column in batch_profile.optional(feed):
        before = [{"nulls": then.get("nulls", {}).get(column.name, 0), "rows": then["rows"]} for then in past]
        found[f"{column.name}_null_rise"] = _rise(
            "null", day["nulls"].get(column.name, 0), day["rows"], before, "nulls", "rows"
        )
    return found


def _rise(what: str, part: int, whole: int, past: Sequence[Profile], parts: str, wholes: str) -> Measure:
    total = sum(then.get(wholes, 0) for then in past)
    usual = sum(then.get(parts, 0) for then in past) / total if total else 0.0
    return Measure(part / whole - usual, f"{part / whole:.1%} {what}", f"{usual:.1%}")


def _shifts(feed: Feed, day: Profile, past: Sequence[Profile]) -> dict[str, Measure]:
    found = {}
    for column in batch_profile.categories(feed):
        now = day["values"].get(column.name, {})
        usual = _pooled([then.get("values", {}).get(column.name, {}) for then in past])
        if sum(now.values()) >= ENOUGH_ROWS and sum(usual.values()) >= ENOUGH_ROWS:
            found[f"{column.name}_shift"] = _shift(now, usual)
    return found


def _shift(now: Mapping[str, int], usual: Mapping[str, int]) -> Measure:
    here, there = sum(now.values()), sum(usual.values())
    moved = {name: abs(now.get(name, 0) / here - usual.get(name, 0) / there) for name in (*now, *usual)}
    value = max(moved, key=lambda name: (moved[name], now.get(name, 0), name))
    share, before = now.get(value, 0) / here, usual.get(value, 0) / there
    return Measure(stability_index(now, usual), f"{share:.1%} {visible(value) or 'other'}", f"{before:.1%}")


def stability_index(now: Mapping[str, int], usual: Mapping[str, int]) -> float:
    """Population stability index of two counts, less what chance alone may give: up to 0.1 no shift, 0.25 a large one.

    The index is the sum of (p - q) ln(p / q) over the values (N. Siddiqi, Credit Risk Scorecards, 2006). With n and m
    rows and no shift it is distributed as (1/n + 1/m) times chi-squared with one degree of freedom less than there
    are values (B. Yurdakul, Statistical Properties of Population Stability Index, 2018). Half a row is added to
    each count, since a value may be new.
    """
    values = {*now, *usual}
    if len(values) < 2:
        return 0.0
    here, there = sum(now.values()) + len(values) / 2, sum(usual.values()) + len(values) / 2
    shares = [((now.get(value, 0) + 0.5) / here, (usual.get(value, 0) + 0.5) / there) for value in sorted(values)]
    index = sum((p - q) * math.log(p / q) for p, q in shares)
    return max(0.0, index - (1 / here + 1 / there) * _chi_squared(len(values) - 1))


def _chi_squared(freedom: int) -> float:
    """The quantile of chi-squared at `_CHANCE` standard deviations, as Wilson and Hilferty approximate it."""
    ninth = 2 / (9 * freedom)
    return freedom * (1 - ninth + _CHANCE * math.sqrt(ninth)) ** 3


def _levels(feed: Feed, day: Profile, past: Sequence[Profile]) -> dict[str, Measure]:
    found = {}
    for column in batch_profile.numbers(feed):
        for kind in ("medians", "means"):
            levels = [then[kind][column.name] for then in past if column.name in then.get(kind, {})]
            now = day[kind].get(column.name)
            if len(levels) >= ENOUGH_DAYS and now is not None and (usual := median(levels)) > 0:
                name = kind.removesuffix("s")
                found[f"{column.name}_{name}_ratio"] = Measure(
                    now / usual, f"{name} {column.name} {now:,.2f}", f"{usual:,.2f}"
                )
    return found


def _dates(day: Profile, past: Sequence[Profile]) -> dict[str, Measure]:
    """When the day's rows happened: how late the newest, of which days, at what hours."""
    found = {
        "late_rise": _rise("of earlier days", day["late"], day["rows"], past, "late", "rows"),
        "ahead_rise": _rise("of later days", day["ahead"], day["rows"], past, "ahead", "rows"),
    }
    ends = [_newest(then) for then in past if then.get("hours")]
    if len(ends) >= ENOUGH_DAYS and day["hours"]:
        now, usual = _newest(day), median(ends)
        found["silent_hours_rise"] = Measure(now - usual, f"{now} silent hours at the day's end", f"{usual:g}")
    parts, before = _parts(day["hours"]), _parts(_pooled([then.get("hours", {}) for then in past]))
    if sum(parts.values()) >= ENOUGH_ROWS and sum(before.values()) >= ENOUGH_ROWS:
        found["day_part_shift"] = _shift(parts, before)
    return found


def _newest(day: Profile) -> int:
    return min(int(hours) for hours in day["hours"])


def _parts(hours_left: Mapping[str, int]) -> dict[str, int]:
    """Rows by eighths of the day, named by the clock; the hour that a change of the clock adds is the first."""
    parts: dict[str, int] = {}
    for hours, rows in hours_left.items():
        first = max(0, 23 - int(hours)) // _HOURS_A_PART * _HOURS_A_PART
        name = f"from {first:02}:00 to {first + _HOURS_A_PART:02}:00"
        parts[name] = parts.get(name, 0) + rows
    return parts


def _pooled(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    pooled: dict[str, int] = {}
    for day in counts:
        for value, rows in day.items():
            pooled[value] = pooled.get(value, 0) + rows
    return pooled


def _repeat(day: Profile, before: Mapping[date, Profile]) -> dict[str, Measure]:
    same = [str(when) for when, then in before.items() if then.get("content") == day["content"]]
    told = f"the same rows as {max(same)}" if same else "rows of its own"
    return {"repeated_days": Measure(len(same), told, "rows of its own")}

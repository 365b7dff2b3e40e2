"""The days that are not ordinary, and the pace of trade over the year."""

from __future__ import annotations

import math
from datetime import date, timedelta

from pipelines.simulate.parameters import DemandParameters
from pipelines.simulate.vocabulary import DEPARTMENTS

DAYS_AHEAD = 365
MONDAY, FRIDAY = 0, 4


def _weekday_on_or_after(day: date, weekday: int) -> date:
    return day + timedelta(days=(weekday - day.weekday()) % 7)


def black_friday(year: int) -> date:
    return _weekday_on_or_after(date(year, 11, 23), FRIDAY)


def is_open(day: date) -> bool:
    """The shop takes no orders on Christmas Day."""
    return (day.month, day.day) != (12, 25)


def special_days(year: int) -> list[tuple[date, str]]:
    return [
        (date(year, 1, 1), "New Year"),
        (_weekday_on_or_after(date(year, 5, 1), MONDAY), "Early May bank holiday"),
        (_weekday_on_or_after(date(year, 5, 25), MONDAY), "Spring bank holiday"),
        (_weekday_on_or_after(date(year, 8, 25), MONDAY), "Summer bank holiday"),
        (black_friday(year), "Black Friday"),
        (date(year, 12, 25), "Christmas Day"),
        (date(year, 12, 26), "Boxing Day"),
    ]


def known_ahead(day: date) -> list[tuple[date, str]]:
    """The special days of the coming year, `day` included: what the calendar feed delivers on `day`."""
    last = day + timedelta(days=DAYS_AHEAD)
    return [
        (special, event)
        for year in range(day.year, last.year + 1)
        for special, event in special_days(year)
        if day <= special <= last
    ]


def peak(day: date) -> float:
    """The holiday peak: a rise to Black Friday, a busy December, quiet days after Christmas."""
    before_friday = (black_friday(day.year) - day).days
    if -3 <= before_friday <= 4:
        return 2.2 if -3 <= before_friday <= 0 else 1.4
    if day.month == 12:
        return 1.6 if day.day <= 18 else 0.9 if day.day <= 24 else 0.7
    return 0.85 if day.month == 1 else 1.0


def is_peak(day: date) -> bool:
    """The weeks in which carriers are overloaded."""
    return black_friday(day.year) - timedelta(days=3) <= day <= date(day.year, 12, 28)


def payday(parameters: DemandParameters, day: date) -> float:
    return parameters.payday_lift if 25 <= day.day <= 28 else 1.0


def pace(parameters: DemandParameters, day: date, number: int) -> float:
    """What all demand and traffic share on day `number` of the history: trend, weekday, payday, holiday peak."""
    trend = math.exp(math.log1p(parameters.yearly_growth) * number / 365.25)
    return trend * parameters.weekday[day.weekday()] * payday(parameters, day) * peak(day)


def seasons(parameters: DemandParameters, day: date) -> list[float]:
    """One factor a department, around 1 over the year."""
    turn = 2 * math.pi / 365.25
    return [
        1 + parameters.season_amplitude * math.cos(turn * (day.timetuple().tm_yday - department.peak_day))
        for department in DEPARTMENTS
    ]

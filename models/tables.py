"""Feature tables as arrays: days and instants as whole numbers, text as Python has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Integers = NDArray[np.int64]
# The day of what has not happened.
NEVER = np.iinfo(np.int32).max


def known_columns(tables: Mapping[str, pd.DataFrame], columns: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    """Of each table the columns named, and no other; raises `ValueError` when one is missing."""
    taken = {}
    for name, wanted in columns.items():
        if missing := [column for column in wanted if column not in tables[name].columns]:
            raise ValueError(f"{name} lacks {', '.join(missing)}")
        taken[name] = tables[name][list(wanted)]
    return taken


def days(dates: pd.Series) -> Integers:
    """Days since 1970-01-01; `NEVER` where there is none."""
    on = pd.to_datetime(dates).astype("datetime64[s]").to_numpy("datetime64[D]")
    return np.where(np.isnat(on), NEVER, on.astype(np.int64))


def seconds(instants: pd.Series) -> Integers:
    """Seconds since 1970-01-01."""
    return pd.to_datetime(instants).astype("datetime64[s]").to_numpy("datetime64[s]").astype(np.int64)


def texts(values: pd.Series) -> NDArray[np.object_]:
    """Text as Python has it, None where there is none."""
    found = values.to_numpy(object).copy()
    found[values.isna().to_numpy(bool)] = None
    return np.asarray(found, object)


def numbers(values: pd.Series) -> NDArray[np.float32]:
    """Numbers of any width as float32, NaN where unknown."""
    return values.astype("float64").to_numpy(np.float32, na_value=np.nan)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - date(1970, 1, 1)).days


def span(day: Integers, last_day: int) -> tuple[date, date] | None:
    """The day of the first of rows in order of time, and the last day of all; None without rows."""
    if not len(day):
        return None
    first, last = (np.datetime64(int(each), "D").astype(date) for each in (day[0], last_day))
    return first, last

"""Rows that are known now and delivered on a later day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np
import pyarrow as pa

from pipelines.simulate import text
from pipelines.simulate.streams import Ints


class Outbox:
    """Holds rows of the delivered feeds until their day; what waits is bounded by the longest delay."""

    def __init__(self, feeds: Collection[str]) -> None:
        self._feeds = frozenset(feeds)
        self._waiting: dict[tuple[str, int], list[pa.Table]] = defaultdict(list)

    def add(self, feed: str, rows: pa.Table, due: int | Ints) -> None:
        """Deliver the rows on day `due`, one for all or one each; a feed nobody asked for is dropped."""
        if feed not in self._feeds:
            return
        if isinstance(due, int):
            self._waiting[feed, due].append(rows)
            return
        if len(due) == 0:
            return
        order = np.argsort(due, kind="stable")
        rows, due = rows.take(pa.array(order)), due[order]
        days, starts = np.unique(due, return_index=True)
        for day, start, stop in zip(days, starts, [*starts[1:], len(due)], strict=True):
            self._waiting[feed, int(day)].append(rows.slice(start, stop - start))

    def take(self, feed: str, day: int) -> pa.Table:
        """The feed's rows of the day, those that waited longest first."""
        tables = self._waiting.pop((feed, day), [])
        return pa.concat_tables(tables).combine_chunks() if tables else text.nothing(feed)

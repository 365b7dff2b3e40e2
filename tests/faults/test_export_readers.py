"""A consumer that polls without pause, by the code of the reader's guide, never sees a half table."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from planted_exports import deliver, folder_of

from pipelines.home import Home

GUIDE = Path(__file__).parents[2] / "docs" / "exports.md"
FIRST = date(2025, 3, 1)
ROWS = 300


def _guide() -> dict[str, Callable[..., Any]]:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    functions: dict[str, Callable[..., Any]] = {}
    exec(code, functions)
    return functions


def _check(tmp_path: Path, exports: int) -> None:
    """Each export has its number in every row; every third replaces the rows of the day before it."""
    home, newest = Home.create(tmp_path / "home"), _guide()["newest"]
    seen: list[list[tuple[Any, ...]]] = []
    failures: list[Exception] = []
    is_over = threading.Event()

    def poll() -> None:
        while not is_over.is_set():
            try:
                manifest, rows = newest(folder_of(home))
                with duckdb.connect() as connection:
                    query = "select count(*), min(order_quantity), max(order_quantity), min(as_of)::text from {}"
                    read = f"read_parquet('{rows}', hive_partitioning=false)"
                    seen.append(
                        [(manifest["row_count"], manifest["as_of"]), *connection.sql(query.format(read)).fetchall()]
                    )
            except duckdb.IOException:
                # Replaced after it was proven: its path is gone, which is no half table.
                continue
            except Exception as error:
                failures.append(error)
                return

    days = [FIRST + timedelta(days=number - number // 3) for number in range(exports)]
    wanted = {}
    for number, day in enumerate(days):
        # Fewer rows each time, so that a part of one is never the whole of another.
        rows = [(f"k{key:04}", number, "1.00", None) for key in range(ROWS - number)]
        wanted[number] = [(len(rows), str(day)), (len(rows), number, number, str(day))]
        deliver(home, day, rows)
        if number == 0:
            reader = threading.Thread(target=poll)
            reader.start()
    is_over.set()
    reader.join()
    assert failures == []
    assert len(seen) > exports
    numbers = [night[1][1] for night in seen]
    assert [night for night in seen if night != wanted[night[1][1]]] == []
    # Never back to an earlier one.
    assert numbers == sorted(numbers)


def test_polled_through_some_exports(tmp_path: Path) -> None:
    _check(tmp_path, exports=10)


@pytest.mark.campaign
def test_polled_through_fifty_exports(tmp_path: Path) -> None:
    _check(tmp_path, exports=50)


def test_the_guide_tells_a_stale_night(tmp_path: Path) -> None:
    functions, home = _guide(), Home.create(tmp_path / "home")
    deliver(home, FIRST, [])
    manifest, _ = functions["newest"](folder_of(home))
    assert functions["is_stale"](manifest)
    assert not functions["is_stale"](manifest | {"valid_until": "2999-01-01T12:00:00+00:00"})
    with pytest.raises(TimeoutError):
        functions["newest"](home.exports / "none", patience=0.1)

"""A store whose truth is known: daily drops of every feed, and beside them what really was so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.simulate import drops
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.parameters import COUNTRY, CURRENCY, TIMEZONE
from pipelines.simulate.store import Store

RECORD = "simulated.json"
DAYS_PER_MESSAGE = 60

SOURCES_HEAD = f"""\
# The simulated store. Its files carry the contracts' own column names, so no feed needs a `select`.
version: 1
store:
  name: simulated
  timezone: {TIMEZONE}
  currency: {CURRENCY}
  country: {COUNTRY}
  prices_include_tax: false
feeds:
"""


def sources_yml(format: str = drops.TEXT) -> str:
    """The sources.yml that maps the drops of a store simulated in this format."""
    return SOURCES_HEAD + "".join(
        f'  {feed}:\n    uri: "{feed}/{drops.name(feed, "{ds}", format)}"\n'
        f"    format: {drops.format_of(feed, format)}\n"
        for feed in FEEDS
    )


@dataclass(frozen=True)
class SimulatedStore:
    """What lies in the folders; `rows` counts each feed's delivered rows, also repeated and broken ones, not those
    of a file cut short."""

    first_day: date
    last_day: date
    rows: Mapping[str, int]
    landing: Path
    truth: Path


def simulate(landing: Path, truth: Path, arguments: Arguments, log: Callable[[str], None]) -> SimulatedStore:
    """Write the daily drops of a store, and its truth as Parquet.

    The same arguments give the same bytes, and the first days do not depend on how many follow; a store that is
    already there is left alone. Raises `NightshiftError` when the folders hold something else.
    """
    wanted, record = arguments.record(), truth / RECORD
    rows = _already_there(landing, record, arguments)
    if rows is not None:
        log(f"the simulated store is already in {landing}")
        return SimulatedStore(arguments.first_day, arguments.last_day, rows, landing, truth)
    truth.mkdir(parents=True, exist_ok=True)
    _keep(record, {"arguments": wanted, "rows": None})
    with Store(landing, truth, arguments) as store:
        for day in range(arguments.days):
            store.live(day)
            if (day + 1) % DAYS_PER_MESSAGE == 0 or day + 1 == arguments.days:
                log(f"simulated {day + 1:,} of {arguments.days:,} days, {store.rows.total():,} rows")
    _keep(record, {"arguments": wanted, "rows": dict(store.rows)})
    return SimulatedStore(arguments.first_day, arguments.last_day, dict(store.rows), landing, truth)


def _already_there(landing: Path, record: Path, arguments: Arguments) -> dict[str, int] | None:
    """The row counts of the same store if it is complete, None if it is still to be written."""
    if not record.exists():
        taken = [feed for feed in FEEDS if (landing / feed).is_dir() and any((landing / feed).iterdir())]
        if taken:
            raise NightshiftError(
                f"{landing} already holds deliveries of {', '.join(taken)}, and no {record} says that they "
                "are simulated: choose an empty folder"
            )
        return None
    kept, wanted = json.loads(record.read_text()), arguments.record()
    differs = [
        f"{name} {kept['arguments'].get(name)}" for name in wanted if kept["arguments"].get(name) != wanted[name]
    ]
    if differs:
        raise NightshiftError(
            f"{landing} holds another simulated store ({', '.join(differs)}): "
            "give the same options or choose an empty folder"
        )
    rows: dict[str, int] | None = kept["rows"]
    days = {
        feed: len(list((landing / feed).glob(drops.name(feed, "*", arguments.format)))) for feed in arguments.delivered
    }
    return rows if all(count == arguments.days for count in days.values()) else None


def _keep(record: Path, content: dict[str, Any]) -> None:
    beside = record.with_name(record.name + ".part")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(record)

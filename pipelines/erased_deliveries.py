"""Where deliveries name an erased person: landing files by name, and rows of SQL sources in the spool without it.

Deliveries are read by the code that loads them, so what the mapping makes of a file decides. What no mapping reads is
searched for the id itself, where the id is no everyday word.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipelines import ledger, suppression
from pipelines.delivered_sql import identifier, literal
from pipelines.deliveries import Delivery, sound_deliveries
from pipelines.errors import NightshiftError
from pipelines.feeds import FEEDS
from pipelines.home import Home, move_durably, write_atomically
from pipelines.load_batch import Batch
from pipelines.personal_data import PersonalDataKey
from pipelines.scratch import connected
from pipelines.settings import Settings
from pipelines.sources import Source, Sources
from pipelines.unpacking import plain_chunks
from pipelines.uris import DS
from pipelines.whole_files import examine

_AT_ONCE = 30
# A shorter id, or one of digits alone, may stand for anything.
_TELLING = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9]).{5,}|.{12,}")
_OVERLAP = 512


@dataclass
class Found:
    """Landing files that name the person, and those that could not be read to tell."""

    naming: set[Path] = field(default_factory=set)
    unreadable: set[Path] = field(default_factory=set)


@dataclass(frozen=True)
class DeliverySearch:
    """What a store delivers, read by its mapping and with its key, whose lists name the people to look for."""

    home: Home
    settings: Settings
    sources: Sources
    key: PersonalDataKey

    def naming(self, customer: str) -> Found:
        """Look through all files below the landing folder."""
        found, landing = Found(), self.settings.landing_folder
        for feed, source in self.sources.feeds.items():
            if suppression.personal_columns(FEEDS[feed]) and not source.is_sql and not source.is_s3:
                deliveries, odd = sound_deliveries(source, landing)
                found.unreadable.update(odd)
                for first in range(0, len(deliveries), _AT_ONCE):
                    self._search(feed, source, deliveries[first : first + _AT_ONCE], found)
        if _TELLING.fullmatch(customer):
            for path in sorted(landing.rglob("*")):
                try:
                    if path not in found.naming and path.is_file() and self._mentions(path, customer):
                        found.naming.add(path)
                except (NightshiftError, duckdb.Error, OSError, UnicodeError):
                    found.unreadable.add(path)
        return found

    def _search(self, feed: str, source: Source, group: Sequence[Delivery], found: Found) -> None:
        days = {path: delivery.ds for delivery in group for path in delivery.paths}
        try:
            rows = self._named_rows(feed, source, self.settings.landing_folder, days)
        except (NightshiftError, duckdb.Error, OSError):
            if len(group) == 1:
                found.unreadable.update(days)
                return
            for delivery in group:
                self._search(feed, source, [delivery], found)
            return
        found.naming.update(rows)

    def _named_rows(
        self, feed: str, source: Source, folder: Path, days: Mapping[Path, date | None]
    ) -> dict[Path, list[tuple[int | None, str]]]:
        """The rows of deliveries that name a suppressed person, by file: place in the file and effect."""
        with TemporaryDirectory(prefix=".erase-", dir=self.home.root) as staging:
            # The folder above it is what the batch may see beside the deliveries.
            work, plain = Path(staging) / "staging", Path(staging) / "plain"
            work.mkdir()
            files = {path: examine(path, folder, source, plain) for path in days}
            seen = (folder, plain)
            with Batch(self.settings, FEEDS[feed], source, self.sources.store, self.key, seen, work) as batch:
                batch.read({file: days[path] for path, file in files.items()})
                delivered = {str(file.path): path for path, file in files.items()}
                found: dict[Path, list[tuple[int | None, str]]] = {}
                for name, row, effect in batch.erased_rows():
                    found.setdefault(delivered[name], []).append((row, effect))
        return found

    def _mentions(self, path: Path, customer: str) -> bool:
        """Whether a file holds the id as a word."""
        words = [customer.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
        pattern = re.compile(b"|".join(rb"(?<![A-Za-z0-9])" + re.escape(word) + rb"(?![A-Za-z0-9])" for word in words))
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        if is_parquet:
            read = f"read_parquet({literal(glob.escape(str(path)))})"
            select = f"select 1 from {read} as t where contains(to_json(t)::VARCHAR, $id) limit 1"
            with connected(self.home, self.settings) as connection:
                return bool(connection.execute(select, {"id": customer}).fetchall())
        tail = b""
        for chunk in plain_chunks(path, path.name):
            if pattern.search(tail + chunk):
                return True
            tail = (tail + chunk)[-_OVERLAP:]
        return False

    def erase_spool(self, feed: str, source: Source, folder: Path) -> dict[Path, int]:
        """Rewrite the days of a SQL source without the suppressed people; returns the rows that named one, by file.

        Files that were looked through under the same list are known by size and time of change, and not opened again.
        """
        record = folder / "erased.json"
        lists = ledger.fingerprint({kind: sorted(self.key.suppressed[kind]) for kind in self.key.suppressed})
        held = json.loads(record.read_bytes()) if record.exists() else {}
        clean: dict[str, list[int]] = held["files"] if held.get("lists") == lists else {}
        found = {}
        for path in sorted(folder.glob("????-??-??.parquet")):
            if clean.get(path.name) != _state(path):
                if rows := self._erase_spooled(feed, source, path):
                    found[path] = rows
                clean[path.name] = _state(path)
        content = ledger.canonical_json({"lists": lists, "files": clean})
        if not record.exists() or record.read_bytes() != content:
            write_atomically(record, content)
        return found

    def _erase_spooled(self, feed: str, source: Source, path: Path) -> int:
        """Rewrite a day of a SQL source without the person; returns the rows that named it.

        Rows of people and clicks go; of other rows the columns that only personal and free-text columns are mapped from
        become null; a column that the key, too, is made of stays.
        """
        local = source.model_copy(update={"uri": f"{DS}.parquet", "format": "parquet"})
        days = {path: date.fromisoformat(path.stem)}
        rows = self._named_rows(feed, local, path.parent, days).get(path, [])
        places = sorted({row - 1 for row, _ in rows if row is not None})
        if places:
            read = f"read_parquet({literal(glob.escape(str(path)))}, hive_partitioning=false, file_row_number=true)"
            is_named = "list_contains($places, file_row_number)"
            if suppression.goes_with_the_person(FEEDS[feed]):
                select = f"select * exclude (file_row_number) from {read} where not {is_named}"
            else:
                emptied = ", ".join(
                    f"case when {is_named} then NULL else {identifier(name)} end as {identifier(name)}"
                    for name in _own_columns(feed, source)
                )
                replaced = f" replace ({emptied})" if emptied else ""
                select = f"select * exclude (file_row_number){replaced} from {read}"
            beside = path.with_name(f".{path.name}.erased")
            with connected(self.home, self.settings) as connection:
                connection.execute(
                    f"copy (from ({select}) order by all) to {literal(str(beside))} (format parquet)",
                    {"places": places},
                )
            move_durably(beside, path)
        return len(places)


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def shared_columns(feed: str, source: Source) -> list[str]:
    """The source's columns that stay in the spool though they name a person, since others are made of them too."""
    if suppression.goes_with_the_person(FEEDS[feed]):
        return []
    named = {column.name for column in FEEDS[feed].columns if column.is_personal or column.name == suppression.CUSTOMER}
    own = _own_columns(feed, source)
    return [name for name in _read_by(feed, source, named) if name not in own]


def _own_columns(feed: str, source: Source) -> list[str]:
    """The source's columns that only personal and free-text columns of the contract are made of."""
    personal = set(suppression.personal_columns(FEEDS[feed]))
    shared = {name.lower() for name in _read_by(feed, source, set(source.expressions(feed)) - personal, source.where)}
    shared.add((source.updated_at or "").lower())
    return [name for name in _read_by(feed, source, personal) if name.lower() not in shared]


def _read_by(feed: str, source: Source, names: set[str], where: str | None = None) -> list[str]:
    """The source's columns that these columns of the contract are made of."""
    select = {name: text for name, text in source.expressions(feed).items() if name in names}
    return source.model_copy(update={"select": select or {"-": "1"}, "where": where}).referenced_columns(feed)

"""A small shop whose deliveries a test writes by hand, and the simulated one; the command run as a person would."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipelines import ledger
from pipelines.home import Home
from pipelines.ingest import LoadReport, ingest
from pipelines.settings import Settings

NIGHTSHIFT = Path(sys.executable).with_name("nightshift")
FIRST_DAY, DAYS = date(2025, 1, 1), 120
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)


def nightshift(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would; its output is in the result, and in the report when it fails."""
    done = subprocess.run([NIGHTSHIFT, *arguments, "--home", home], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done


def simulated_home(home: Path) -> Path:
    """A home with 120 days of a store of about 40 SKUs, delivered and not yet taken in."""
    done = nightshift(home, "simulate", "--scale", "0.02", "--days", str(DAYS), "--first-day", str(FIRST_DAY))
    assert done.returncode == 0
    return home


@dataclass
class Shop:
    """A data home with hand-written deliveries."""

    root: Path
    timezone: str = "Europe/London"
    feeds: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Home.create(self.root)

    @property
    def settings(self) -> Settings:
        return Settings.load(home=self.root)

    def map(self, **feeds: str) -> None:
        """Set feeds' mappings, each as the YAML text of one entry."""
        self.feeds.update(feeds)
        store = f"store: {{name: shop, timezone: {self.timezone}, currency: GBP, country: GB}}"
        entries = [f"  {name}: {text}" for name, text in self.feeds.items()]
        self.settings.sources_file.write_text("\n".join(["version: 1", store, "feeds:", *entries]))

    def deliver(self, name: str, text: str) -> Path:
        path = self.settings.landing_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
        return path

    def ingest(
        self, *feeds: str, first: date | None = None, last: date | None = None, again: bool = False
    ) -> LoadReport:
        """Load one feed and return its report."""
        (report,) = ingest(self.settings, feeds, first, last, lambda line: None, again)
        return report

    def raw(self, feed: str, columns: str = "*", order: str = "all") -> list[tuple[Any, ...]]:
        return self._rows("raw", feed, columns, order)

    def quarantined(
        self, feed: str, columns: str = "line, reason, column_name", order: str = "line, reason"
    ) -> list[tuple[Any, ...]]:
        return self._rows("quarantine", feed, columns, order)

    def without_columns(self, feed: str, ds: date, *columns: str) -> None:
        """Leave a raw partition, and the ledger, as a contract without these columns would have."""
        path = self.root / "raw" / feed / f"ds={ds}" / "data.parquet"
        old, beside = ledger.file_sha256(path), path.with_suffix(".older")
        read = f"read_parquet('{path}', hive_partitioning=false, file_row_number=true)"
        left_out = ", ".join(("file_row_number", *columns))
        duckdb.sql(
            f"copy (select * exclude ({left_out}) from {read} order by file_row_number) to '{beside}' (format parquet)"
        )
        beside.replace(path)
        for event in (self.root / "ledger" / "loads" / feed).glob("*.json"):
            event.write_text(event.read_text().replace(old, ledger.file_sha256(path)))

    def _rows(self, folder: str, feed: str, columns: str, order: str) -> list[tuple[Any, ...]]:
        glob = self.root / folder / feed / "ds=*" / "data.parquet"
        if not list(self.root.glob(f"{folder}/{feed}/ds=*/data.parquet")):
            return []
        return duckdb.sql(
            f"select {columns} from read_parquet('{glob}', hive_partitioning=true, hive_types={{'ds': DATE}}) "
            f"order by {order}"
        ).fetchall()


def lines(header: str, rows: Sequence[str]) -> str:
    """CSV text of a header and rows."""
    return "\n".join([header, *rows]) + "\n"

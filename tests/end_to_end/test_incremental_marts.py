"""A warehouse that is built night by night from what changed equals one that is built at once."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import NIGHTSHIFT

from pipelines import nights
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.simulate import drops, faults, simulate, sources_yml
from pipelines.simulate.arguments import Arguments

OWNER = "nightshift test"
# The store's clock changes on the 21st day, within the nights of the long form.
DAYS, BUILT_AT_FIRST, FIRST_DAY = 24, 18, date(2025, 3, 10)


class Nights:
    """A simulated store whose deliveries are late, repeated, cut or out of order; a night builds on the last."""

    def __init__(self, root: Path, seed: int) -> None:
        self.draw = random.Random(seed)
        self.home = Home.create(root)
        (root / "sources.yml").write_text(sources_yml())
        self.settings = Settings.load(home=root)
        simulate(self.home.landing, root / "truth", Arguments(0.01, DAYS, seed, FIRST_DAY, dirty=0.02), lambda _: None)
        injected = pd.read_parquet(root / "truth" / "injected.parquet")
        for cut in injected[injected["kind"] == faults.FILE_CUT_SHORT].itertuples():
            drops.path(self.home.landing, cut.feed, cut.ds, drops.TEXT).unlink()
        self.delivered = {path: path.read_bytes() for path in sorted(self.home.landing.glob("*/*.gz"))}
        self.as_of = FIRST_DAY + timedelta(days=BUILT_AT_FIRST - 1)
        self.withheld = [path for path in self.delivered if _day(path) > self.as_of]
        for path in self.withheld:
            path.unlink()

    def begin(self) -> None:
        self._load(sorted(self.delivered.keys() - set(self.withheld)))

    def next_night(self) -> None:
        """A new day without one of its feeds, an earlier day's missing feed, and three days delivered once more."""
        self.as_of += timedelta(days=1)
        arrived = [path for path in self.withheld if _day(path) <= self.as_of]
        late = self.draw.choice(arrived)
        arrived = [path for path in arrived if path != late or _day(path) < self.as_of]
        for path in arrived:
            path.write_bytes(self.delivered[path])
            self.withheld.remove(path)
        here = [path for path in self.delivered if path not in self.withheld and path not in arrived]
        again = [self.draw.choice([path for path in here if path.parent.name == feed]) for feed in self._some_feeds()]
        for path in again:
            path.write_bytes(self._changed(path, here))
        self._load([*arrived, *again])

    def build(self) -> None:
        nights.build(self.settings, self.as_of, OWNER, lambda _: None)
        nights.release(self.settings, OWNER)

    def break_off(self) -> None:
        """Kill a build, with its dbt, when some models are made."""
        log = self.home.root / "dbt" / "logs" / "dbt.log"
        seen, models = log.stat().st_size, self.draw.randint(1, 40)
        command = [NIGHTSHIFT, "build", "--home", self.home.root, "--as-of", str(self.as_of)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as build:
            while log.read_bytes()[seen:].count(b"OK created") < models:
                assert build.poll() is None
                time.sleep(0.05)
            os.killpg(build.pid, signal.SIGKILL)

    def build_at_once(self, root: Path) -> Path:
        """The same raw partitions in a home without a warehouse."""
        shutil.copytree(self.home.root, root, ignore=shutil.ignore_patterns("warehouse*", "landing", "spool"))
        settings = Settings.load(home=root)
        nights.build(settings, self.as_of, OWNER, lambda _: None)
        return root / "warehouse.duckdb"

    def _some_feeds(self) -> list[str]:
        return self.draw.sample(["orders", "order_lines", "returns", "customers", "shipments", "products", "events"], 3)

    def _changed(self, path: Path, here: list[Path]) -> bytes:
        """As once delivered, or without a third of its rows, or with rows that another day brought."""
        lines = gzip.decompress(self.delivered[path]).splitlines(keepends=True)
        header = [] if path.parent.name == "events" else [lines.pop(0)]
        what = self.draw.choice(["as before", "shortened", "mixed"])
        if what == "shortened":
            lines = [line for line in lines if self.draw.random() > 1 / 3]
        if what == "mixed":
            other = self.draw.choice([other for other in here if other.parent == path.parent and other != path])
            rows = gzip.decompress(self.delivered[other]).splitlines(keepends=True)[len(header) :]
            lines += [line for line in rows if self.draw.random() < 1 / 3]
        return gzip.compress(b"".join([*header, *lines]), compresslevel=1, mtime=0)

    def _load(self, paths: list[Path]) -> None:
        for feed in FEEDS:
            days = sorted(_day(path) for path in paths if path.parent.name == feed)
            if days:
                nights.ingest(self.settings, [feed], days[0], days[-1], lambda _: None, accept_checks=True)


def _day(path: Path) -> date:
    return date.fromisoformat(path.name[:10])


def differing_tables(one: Path, other: Path) -> dict[str, list[str]]:
    """Tables whose rows are not the same ones, as often; with up to three rows that only one side has."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only)")
        connection.execute(f"attach '{other}' as other (read_only)")
        names = (
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = ? and schema_name != 'touched'"
        )
        tables = {name for (name,) in connection.execute(names, ["one"]).fetchall()}
        assert tables == {name for (name,) in connection.execute(names, ["other"]).fetchall()}
        assert len(tables) > 30
        found = {}
        for table in sorted(tables):
            columns = ", ".join(name for (name, *_) in connection.execute(f"describe other.{table}").fetchall())
            a, b = (f"select {columns} from {side}.{table}" for side in ("one", "other"))
            rows = connection.execute(
                f"(select 'one', * from ({a} except all {b}) limit 3) "
                f"union all (select 'other', * from ({b} except all {a}) limit 3)"
            ).fetchall()
            if rows:
                found[table] = [str(row) for row in rows]
        return found


def test_a_night_of_changes_gives_what_a_whole_build_gives(tmp_path: Path) -> None:
    store = Nights(tmp_path / "home", seed=1)
    store.begin()
    store.build()
    store.next_night()
    store.break_off()
    store.next_night()
    store.build()
    assert differing_tables(store.home.warehouse, store.build_at_once(tmp_path / "at_once")) == {}


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(2, 12))
def test_every_night_of_changes_gives_what_a_whole_build_gives(tmp_path: Path, seed: int) -> None:
    store = Nights(tmp_path / "home", seed)
    store.begin()
    store.build()
    for night in range(1, DAYS - BUILT_AT_FIRST):
        store.next_night()
        if store.draw.random() < 1 / 3:
            store.break_off()
        else:
            store.build()
            assert differing_tables(store.home.warehouse, store.build_at_once(tmp_path / f"at_once_{night}")) == {}

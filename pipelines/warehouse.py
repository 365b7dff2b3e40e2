"""The only place that opens the warehouse or runs dbt: builds it, snapshots its features, publishes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from models.questions import NAMES, description
from pipelines import (
    assignments,
    attempts,
    audience,
    decisions,
    feature_snapshot,
    kept_snapshots,
    ledger,
    orphans,
    published,
    published_copy,
    raw_partitions,
)
from pipelines.audience import LeftOut
from pipelines.changes import Changes, Held, changes, forget_held, held_after
from pipelines.dbt_outcome import DbtOutcome
from pipelines.delivered_sql import literal
from pipelines.errors import NightshiftError, PartlyFailedError
from pipelines.feeds import FEEDS
from pipelines.home import Home, write_atomically
from pipelines.ledger import Partition
from pipelines.settings import Settings
from pipelines.sources import Store

PROJECT = Path(__file__).parent.parent / "dbt_project"
EXPORT_MODELS = "path:models/exports"
_HASH_LENGTH = 16
# Above this many changed partitions it is quicker to make everything anew.
_MOST_CHANGES = 1000
Log = Callable[[str], None]


@dataclass(frozen=True)
class BuildState:
    """What a warehouse file holds: the day it was built for, the hash of its inputs, its feature snapshot."""

    as_of: str
    inputs: str
    snapshot: str


class Warehouse:
    """The warehouse of one `as_of`: the main one, or a temporary one for a day before what the main one holds."""

    def __init__(self, home: Home, settings: Settings, store: Store, as_of: date) -> None:
        self.home, self.settings, self.store, self.as_of = home, settings, store, as_of
        main = _held_as_of(home.warehouse)
        self.is_main = main is None or main <= as_of
        self.path = home.warehouse if self.is_main else home.root / f"warehouse.{as_of}.duckdb"
        # What dbt's last run took for each model and test.
        self.seconds: dict[str, float] = {}

    @property
    def state(self) -> BuildState | None:
        """What the file holds for this `as_of`; None when it was not built for it or a build broke off."""
        state = _read_state(_state_file(self.path))
        return state if state and state.as_of == str(self.as_of) and self.path.exists() else None

    def built(self) -> BuildState:
        """The state; raises `NightshiftError` with the command to run when there is none."""
        if (state := self.state) is None:
            raise NightshiftError(
                f"the warehouse is not built for {self.as_of}; run: nightshift build --as-of {self.as_of}"
            )
        return state

    def build(self, log: Log) -> BuildState:
        """Build staging, marts and features from what is loaded, then write the snapshot.

        A build of the same partitions with the same project and settings is found, not repeated. Raises
        `NightshiftError` when a raw partition is not the one the ledger knows or a dbt model or test fails.
        """
        parts = ledger.all_partitions(self.home, self.as_of)
        if not parts:
            raise NightshiftError(f"nothing is loaded up to {self.as_of}; run: nightshift ingest")
        raw_partitions.refuse_strangers(self.home, parts, self.as_of)
        recipe = self._recipe({part.feed for part in parts})
        inputs = ledger.fingerprint([self.as_of, recipe, [[part.feed, part.ds, part.sha256] for part in parts]])[
            :_HASH_LENGTH
        ]
        state = self.state
        if state and state.inputs == inputs and feature_snapshot.is_whole(self.home, state.snapshot):
            log(f"warehouse: unchanged since the last build for {self.as_of}, snapshot {state.snapshot}")
            return state
        _state_file(self.path).unlink(missing_ok=True)
        self._build_models(parts, recipe, log)
        state = BuildState(str(self.as_of), inputs, self._write_snapshot())
        write_atomically(_state_file(self.path), ledger.canonical_json(asdict(state)))
        with self.reading() as connection:
            waiting = orphans.overdue(connection)
        for pair in waiting:
            log(orphans.told(pair))
        present = sorted({part.feed for part in parts})
        event = {**asdict(state), "feeds": present, "partitions": len(parts), "orphans": waiting}
        ledger.append(self.home, "builds", event)
        self._prune_snapshots(keep=state.snapshot)
        return state

    def _build_models(self, parts: Sequence[Partition], recipe: str, log: Log) -> None:
        """Make anew what changed since the file was last built, or everything where that is not known to be right."""
        stamps = raw_partitions.verified(self.home, parts)
        present = sorted({part.feed for part in parts})
        found = self._changes(parts, recipe)
        if found:
            log(f"warehouse: dbt builds what {found.count:,} changed partitions of {len(parts):,} touch")
            found.marked.write(self.path)
        else:
            log(f"warehouse: dbt builds {len(parts):,} partitions of {len(present)} feeds")
            forget_held(self.path)
            for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
                path.unlink(missing_ok=True)
        self.dbt(["build", "--exclude", EXPORT_MODELS, "--exclude-resource-type", "unit_test"], present, {}, found)
        raw_partitions.unchanged_since(self.home, parts, stamps)
        later = raw_partitions.known_later(self.home, parts, self.as_of)
        held_after(parts, later, recipe, self.as_of).write(self.path)

    def _changes(self, parts: Sequence[Partition], recipe: str) -> Changes | None:
        """What differs from what the file holds; None where it holds nothing of use, or little."""
        held = Held.read(self.path)
        if held is None or held.recipe != recipe or held.as_of > self.as_of:
            return None
        found = changes(held, parts)
        return found if found.count <= _MOST_CHANGES else None

    def dbt(
        self,
        command: Sequence[str],
        present: Sequence[str],
        predictions: Mapping[str, Path],
        found: Changes | None = None,
    ) -> None:
        """Run dbt on what is loaded of the feeds that are present, and on predictions by model.

        Models that go by changes make anew what `found` touches, or everything. Raises `PartlyFailedError` with the
        reason by model, none where dbt did not come to build any.
        """
        variables = {
            "timezone": self.store.timezone,
            "currency": self.store.currency,
            "country": self.store.country,
            "prices_include_tax": self.store.prices_include_tax,
            "feeds": list(present),
            "return_window_days": self.settings.return_window_days,
            "orphan_days": self.settings.orphan_days,
            "horizon_days": self.settings.horizon_days,
            "ordering": self.settings.ordering.variable(),
            "cart_recovery": self.settings.cart_recovery.variable(),
            "raw": {feed: raw_partitions.relation(self.home, feed, feed in present) for feed in FEEDS},
            "predictions": self._linked(predictions),
            "decisions": decisions.relation(self.home),
            "attempts": attempts.relation(self.home),
            "assignments": assignments.relation(self.home),
        }
        told = {
            "NIGHTSHIFT_AS_OF": str(self.as_of),
            "NIGHTSHIFT_CHANGES": json.dumps(found.variable() if found else {}),
        }
        self._run_dbt(command, variables, self.home.root / "dbt" / "target", told)

    def _linked(self, predictions: Mapping[str, Path]) -> dict[str, str]:
        """Every model's predictions as tables of SQL, by a name that is the same every night."""
        folder = self.home.root / "dbt" / "predictions"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for table, path in predictions.items():
            (folder / f"{table}.parquet").symlink_to(path.absolute())
        tables = [table for name in NAMES for table in (name, *description(name).further)]
        return {table: f"read_parquet({literal(str(folder / f'{table}.parquet'))})" for table in tables}

    def draw_docs(self, models: Sequence[str]) -> Path:
        """Let dbt draw its page of the project, where inputs bear their names; returns the page, `target` beside it."""
        variables = {
            "feeds": list(FEEDS),
            "raw": {feed: f"raw.{feed}" for feed in FEEDS},
            "predictions": {model: f"predictions.{model}" for model in models},
            "decisions": "decisions.model_decisions",
            "attempts": "ledger.attempts",
            "assignments": "decisions.cart_assignments",
        }
        target = self.home.root / "dbt" / "docs"
        self._run_dbt(["docs", "generate", "--static"], variables, target, {})
        return target / "static_index.html"

    def _run_dbt(
        self, command: Sequence[str], variables: Mapping[str, object], target: Path, told: Mapping[str, str]
    ) -> None:
        """In a process of its own, since dbt in this one would keep DuckDB's lock.

        dbt keeps what it parsed as long as `variables` are the same; what differs every night is `told` beside them.
        """
        folder = self.home.root / "dbt"
        arguments = [sys.executable, "-m", "pipelines.bound_dbt", "--no-use-colors", *command]
        arguments += ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--vars", json.dumps(variables)]
        arguments += ["--target-path", str(target), "--log-path", str(folder / "logs")]
        environment = self.settings.child_environment(
            {
                "NIGHTSHIFT_WAREHOUSE": str(self.path),
                "NIGHTSHIFT_THREADS": str(self.settings.threads),
                "NIGHTSHIFT_MEMORY_LIMIT": self.settings.memory_limit,
                "DO_NOT_TRACK": "1",
                **told,
            },
            has_key=False,
        )
        folder.mkdir(exist_ok=True)
        results = target / "run_results.json"
        results.unlink(missing_ok=True)
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
        (folder / "last_build.log").write_text(done.stdout + done.stderr)
        outcome = DbtOutcome.read(target)
        self.seconds = outcome.seconds
        if done.returncode != 0:
            raise PartlyFailedError(outcome.told(folder / "last_build.log"), outcome.failed)

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection; only between dbt's runs, which lock the file."""
        with duckdb.connect(str(self.path), read_only=True) as connection:
            connection.execute(f"set threads = {self.settings.threads}")
            connection.execute(f"set memory_limit = {literal(self.settings.memory_limit)}")
            yield connection

    def publish(self, facts: Mapping[str, str], is_newest: bool, log: Log, without: Collection[str] = ()) -> Path:
        """Swap a copy of marts, features and exports into `published/`; readers keep the file they opened.

        Tables of `exports` named in `without` are left out.
        """
        hidden = LeftOut()
        if not self.settings.publish_customers:
            hidden = audience.customers(self.home.root / "dbt" / "target" / "manifest.json")
        if without:
            hidden = LeftOut(hidden.tables | self._exports_among(without), hidden.columns)
        beside = published.being_written(published.newest(self.home))
        counts = published_copy.make(self.path, beside, hidden, facts)
        target = published.place(self.home, beside, self.as_of, is_newest)
        log(f"published: {len(counts)} tables, {sum(counts.values()):,} rows in {target}")
        return target

    def _exports_among(self, names: Collection[str]) -> frozenset[audience.Table]:
        """Those export tables that the warehouse has, from tonight or from an earlier night."""
        with self.reading() as connection:
            there = connection.execute(
                "select table_name from duckdb_tables() where schema_name = 'exports'"
            ).fetchall()
        return frozenset(("exports", name) for (name,) in there if name in names)

    def _recipe(self, present: Collection[str]) -> str:
        """What shapes the rows beside the partitions; another one makes all that was built out of date."""
        return ledger.fingerprint(
            {
                "project": project_files(),
                "store": self.store.model_dump(mode="json"),
                "feeds": sorted(present),
                "settings": [
                    self.settings.return_window_days,
                    self.settings.horizon_days,
                    self.settings.orphan_days,
                    self.settings.ordering.variable(),
                    self.settings.cart_recovery.variable(),
                ],
            }
        )[:_HASH_LENGTH]

    def _write_snapshot(self) -> str:
        with self.reading() as connection:
            return feature_snapshot.write(connection, self.home)

    def _prune_snapshots(self, keep: str) -> None:
        kept = {keep, *kept_snapshots.kept(self.home, self.settings.keep_snapshots)}
        for folder in self.home.snapshots.iterdir():
            if folder.is_dir() and folder.name not in kept:
                shutil.rmtree(folder)


def project_files() -> list[list[str]]:
    """Name and SHA-256 of every file of the dbt project, by name."""
    return [
        [path.relative_to(PROJECT).as_posix(), ledger.file_sha256(path)]
        for path in sorted(PROJECT.rglob("*"))
        if path.suffix in {".sql", ".yml", ".csv", ".md"} and not {"target", "logs"} & set(path.parts)
    ]


def forget(home: Home) -> None:
    """Remove every warehouse and what dbt left beside: the free blocks of a database file keep what was deleted."""
    for path in home.root.glob("warehouse*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.rmtree(home.root / "dbt", ignore_errors=True)


def _state_file(warehouse: Path) -> Path:
    return warehouse.with_suffix(".json")


def _read_state(path: Path) -> BuildState | None:
    return BuildState(**json.loads(path.read_text())) if path.exists() else None


def _held_as_of(warehouse: Path) -> date | None:
    """The day a warehouse is for, also when the last build for it broke off."""
    if held := Held.read(warehouse):
        return held.as_of
    state = _read_state(_state_file(warehouse))
    return date.fromisoformat(state.as_of) if state else None

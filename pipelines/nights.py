"""The steps of a night. The command line and the DAGs call these same functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from models.questions import NAMES, description
from pipelines import (
    assignments,
    backtest_report,
    data_docs,
    dbt_docs,
    export_delivery,
    exports,
    ledger,
    measurement,
    model_card,
    published,
    quality,
    rewriting,
)
from pipelines import ingest as ingestion
from pipelines import scoring as scoring_step
from pipelines import training as training_step
from pipelines.backtest_report import BacktestReport
from pipelines.currency_report import unconverted_money
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.ingest import LoadReport
from pipelines.model_inputs import rows_of
from pipelines.settings import Settings
from pipelines.sources import Sources, load_sources
from pipelines.spool import delivered_days
from pipelines.warehouse import EXPORT_MODELS, BuildState, Warehouse

if TYPE_CHECKING:
    import pandas as pd

Log = Callable[[str], None]

# What a night can do, and the feeds without which it cannot.
CAPABILITIES = {
    "demand forecast": ("orders", "order_lines", "products"),
    "return risk": ("orders", "order_lines", "returns"),
    "cart recovery": ("events",),
    "who was written to about a cart": ("cart_messages",),
    "returns beside sales": ("returns", "order_lines"),
    "customer attributes": ("customers",),
    "sessions and funnels": ("events",),
    "stock status of a day": ("inventory",),
    "planned promotions": ("promotions",),
    "closed days of the store": ("calendar",),
    "delivery times": ("shipments",),
}


def ingest(
    settings: Settings,
    feeds: Sequence[str] | None,
    first: date | None,
    last: date | None,
    log: Log = print,
    again: bool = False,
    accept_checks: bool = False,
) -> list[LoadReport]:
    """Load feeds (all by default); see `pipelines.ingest.ingest`."""
    return ingestion.ingest(settings, feeds, first, last, log, again, accept_checks=accept_checks)


def missing_feeds(settings: Settings, as_of: date) -> list[str]:
    """The feeds delivered daily of which the ledger does not show this business day yet, or not whole."""
    home = Home.open(settings.home)
    sources = load_sources(settings.sources_file)
    daily = [name for name, source in sources.feeds.items() if not source.is_bulk]
    parts = {name: ledger.partitions(home, name).get(as_of) for name in daily}
    return [name for name, part in parts.items() if part is None or part.is_running]


def switched_off(sources: Sources) -> list[str]:
    """What this store's feeds do not allow, by name, with the feeds that are absent."""
    lines = []
    for capability, needs in CAPABILITIES.items():
        if absent := [feed for feed in needs if feed not in sources.feeds]:
            lines.append(f"{capability} (no {', '.join(absent)})")
    return lines


def _able(home: Home, as_of: date, snapshot: str, models: Sequence[str] | None, log: Log) -> list[str]:
    """The models, all by default, whose feeds are loaded and have what they are about; the others are named."""
    loaded = {part.feed for part in ledger.all_partitions(home, as_of)}
    able = []
    for model in models or NAMES:
        if absent := [feed for feed in description(model).needs if feed not in loaded]:
            log(f"{model}: off, no {', '.join(absent)}")
        elif empty := [table for table in description(model).needs_rows if not rows_of(home, snapshot, table)]:
            log(f"{model}: off, no rows in {', '.join(empty)}")
        else:
            able.append(model)
    return able


def build(settings: Settings, as_of: date, owner: str, log: Log = print) -> str:
    """Build the warehouse for a day and write its feature snapshot; returns the snapshot's hash."""
    with _step(settings, "build", as_of, owner) as home:
        rewriting.refuse_half_done(home)
        sources = load_sources(settings.sources_file)
        if off := switched_off(sources):
            log(f"off for want of feeds: {'; '.join(off)}")
        warehouse = Warehouse(home, settings, sources.store, as_of)
        snapshot = warehouse.build(log).snapshot
        for line in unconverted_money(warehouse):
            log(line)
        return snapshot


def train(
    settings: Settings, as_of: date, models: Sequence[str] | None = None, log: Log = print
) -> list[training_step.TrainReport]:
    """Train on the snapshot of a day's build; needs no hold on the home, since snapshots never change."""
    home = Home.open(settings.home)
    snapshot = _snapshot(home, as_of)
    able = _able(home, as_of, snapshot, models, log)
    return training_step.train(settings, as_of, snapshot, able, log) if able else []


def backtest(settings: Settings, model: str, as_of: date, origins: int | None, log: Log = print) -> BacktestReport:
    """Judge a model at rolling origins on the snapshot of a day's build; needs no hold on the home."""
    home = Home.open(settings.home)
    return backtest_report.report(settings, model, as_of, _snapshot(home, as_of), origins, log)


def score(
    settings: Settings, as_of: date, owner: str, log: Log = print, models: Sequence[str] | None = None
) -> list[scoring_step.ScoreReport]:
    """Score a day's snapshot with each champion and write the predictions, once their check has passed."""
    with _step(settings, "score", as_of, owner) as home:
        store = load_sources(settings.sources_file).store
        state = Warehouse(home, settings, store, as_of).built()

        def scored(model: str) -> scoring_step.ScoreReport:
            def check(predictions: pd.DataFrame) -> None:
                if quality.has_suite(f"predictions_{model}"):
                    where = f"the {model} predictions as of {as_of}"
                    quality.check(home, f"predictions_{model}", predictions, where)

            return scoring_step.score(settings, model, as_of, state.snapshot, state.inputs, check=check, log=log)

        return [scored(model) for model in _able(home, as_of, state.snapshot, models, log)]


def export(settings: Settings, as_of: date, owner: str, log: Log = print) -> list[exports.ExportReport]:
    """Build the export tables on a day's predictions and deliver them."""
    with _step(settings, "export", as_of, owner) as home:
        sources = load_sources(settings.sources_file)
        warehouse = Warehouse(home, settings, sources.store, as_of)
        snapshot = warehouse.built().snapshot
        predictions = {}
        able = _able(home, as_of, snapshot, None, log)
        for model in able:
            path = scoring_step.predictions_file(home, model, as_of)
            if not path.exists():
                raise NightshiftError(f"no {model} predictions as of {as_of}; run: nightshift score --as-of {as_of}")
            predictions[model] = path
            further = description(model).further
            predictions |= {table: scoring_step.predictions_file(home, model, as_of, table) for table in further}
        tables = [table for table in exports.EXPORTS.values() if table.model in able]
        off = [f"exp_{table.name}" for table in exports.EXPORTS.values() if table.model not in able]
        warehouse.dbt(
            ["build", "--select", EXPORT_MODELS, *(["--exclude", *off] if off else [])],
            sorted({p.feed for p in ledger.all_partitions(home, as_of)}),
            predictions,
        )
        if assignments.EXPORT in {table.name for table in tables}:
            with warehouse.reading() as connection:
                assignments.record(home, connection, as_of, settings.cart_recovery.salt)
        late = missing_feeds(settings, as_of)
        reports = [exports.export_table(warehouse, table, late, log) for table in tables]
        export_delivery.deliver(home, settings, [report.path.parent for report in reports], log)
        return reports


def measure(
    settings: Settings, as_of: date, owner: str, log: Log = print, drawn_by: str | None = None
) -> tuple[str, ...]:
    """Compare the carts drawn for a message with those held out, of those whose horizon has passed by a day."""
    with _step(settings, "measure", as_of, owner) as home:
        warehouse = Warehouse(home, settings, load_sources(settings.sources_file).store, as_of)
        warehouse.built()
        last = as_of - timedelta(days=settings.cart_horizon_days)
        return measurement.measure(warehouse, settings, assignments.relation(home), last, drawn_by).lines


def publish(settings: Settings, as_of: date, owner: str, log: Log = print) -> None:
    """Swap in what analysts read, and its pages; a day before those kept is left out, and said."""
    with _step(settings, "publish", as_of, owner) as home:
        _publish_warehouse(home, settings, as_of, log)
        data_docs.publish(home, log)
        for model in NAMES:
            model_card.publish(home, model, log)


def _publish_warehouse(home: Home, settings: Settings, as_of: date, log: Log) -> None:
    sources = load_sources(settings.sources_file)
    warehouse = Warehouse(home, settings, sources.store, as_of)
    state = warehouse.built()
    last = published.newest_event(home)
    is_newest = last is None or last["as_of"] <= str(as_of)
    if last and not is_newest and not published.is_kept(home, as_of, settings.keep_published):
        log(
            f"published stays at {last['as_of']}: {as_of} is before the {settings.keep_published} days that are kept; "
            f"its exports are in {home.exports}"
        )
        return
    manifests = [path.read_text() for path in sorted(home.exports.glob(f"*/v*/as_of={as_of}/manifest.json"))]
    fingerprint = ledger.fingerprint([state.inputs, manifests, settings.publish_customers])
    paths = [published.newest(home), published.of_day(home, as_of)] if is_newest else [published.of_day(home, as_of)]
    if all(path.exists() for path in paths) and fingerprint == _published_fingerprint(home, as_of):
        log(f"published: unchanged, {paths[0]}")
    else:
        warehouse.publish(_facts(settings, sources, state, as_of), is_newest, log)
        ledger.append(home, "publishes", {"as_of": str(as_of), "fingerprint": fingerprint})
    if is_newest and not settings.publish_customers:
        published.forget_with_customers(home)
    published.prune(home, settings.keep_published)
    if is_newest:
        dbt_docs.publish(warehouse, NAMES, log)


def _published_fingerprint(home: Home, as_of: date) -> str | None:
    """What the newest publish of a day was made of."""
    made = [event["fingerprint"] for event in ledger.events(home, "publishes") if event["as_of"] == str(as_of)]
    return made[-1] if made else None


def _facts(settings: Settings, sources: Sources, state: BuildState, as_of: date) -> dict[str, str]:
    """What the table `meta` says beside the rows of each table."""
    late = missing_feeds(settings, as_of)
    return {
        "as_of": str(as_of),
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "completeness": f"partial, late: {', '.join(late)}" if late else "complete",
        "customers": "included" if settings.publish_customers else published.CUSTOMERS_LEFT_OUT,
        "inputs": state.inputs,
        "snapshot": state.snapshot,
        "store": sources.store.name,
    }


def release(settings: Settings, owner: str) -> None:
    """End `owner`'s night: the home is free for the next one, and what a night of an earlier day built goes."""
    home = Home.open(settings.home)
    if home.release(owner):
        for path in home.root.glob("warehouse.*-*-*.*"):
            path.unlink()


def run(settings: Settings, first: date, as_of: date, owner: str, is_training: bool = False, log: Log = print) -> None:
    """Whole nights from `first` to `as_of`, each with the steps the DAG runs; training only when asked for."""
    for day in (first + timedelta(days=n) for n in range((as_of - first).days + 1)):
        log(f"night of {day}")
        for report in ingest(settings, None, None if day == first else day, day, log):
            if report.status != "off":
                log(f"{report.feed}: {report.status}, {report.message}")
        try:
            build(settings, day, owner, log)
            if is_training:
                train(settings, day, log=log)
            score(settings, day, owner, log)
            export(settings, day, owner, log)
            publish(settings, day, owner, log)
        finally:
            release(settings, owner)


def last_complete_day(settings: Settings) -> date:
    """The newest business day that every daily feed has delivered; with bulk history alone, its last day."""
    home = Home.open(settings.home)
    sources = load_sources(settings.sources_file)
    daily = {name: source for name, source in sources.feeds.items() if not source.is_bulk}
    delivered = [delivered_days(settings, name, source, sources.store) for name, source in daily.items()]
    days = set.intersection(*delivered) if delivered else set(ledger.partitions(home, "orders"))
    complete = [day for day in days if day]
    if not complete:
        raise NightshiftError("no day is delivered whole by every daily feed; say the day with --as-of")
    return max(complete)


def _snapshot(home: Home, as_of: date) -> str:
    built = [event["snapshot"] for event in ledger.events(home, "builds") if event["as_of"] == str(as_of)]
    if not built or not (home.snapshots / built[-1]).is_dir():
        raise NightshiftError(f"no snapshot as of {as_of}; run: nightshift build --as-of {as_of}")
    return str(built[-1])


@contextmanager
def _step(settings: Settings, name: str, as_of: date, owner: str) -> Iterator[Home]:
    """Hold the home for one step and record the attempt, its time and its outcome."""
    home = Home.open(settings.home)
    started = time.monotonic()
    outcome, error = "failed", "killed"
    try:
        with home.held(owner, settings.lease_minutes, settings.lock_wait_seconds):
            yield home
        outcome, error = "done", ""
    except BaseException as failure:
        error = str(failure) or type(failure).__name__
        raise
    finally:
        ledger.append(
            home,
            "attempts",
            {
                "step": name,
                "as_of": str(as_of),
                "owner": owner,
                "seconds": round(time.monotonic() - started, 2),
                "outcome": outcome,
                "error": error,
            },
        )

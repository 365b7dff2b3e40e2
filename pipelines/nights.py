"""The steps of a night. The command line and the DAGs call these same functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from models.questions import NAMES
from pipelines import (
    assignments,
    attempts,
    backtest_report,
    data_docs,
    dbt_docs,
    export_delivery,
    free_space,
    ledger,
    measurement,
    model_card,
    night_exports,
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
from pipelines.night_step import able, able_in, missing_feeds, snapshot_of, step
from pipelines.parts import Parts
from pipelines.settings import Settings
from pipelines.sources import Sources, load_sources
from pipelines.spool import delivered_days
from pipelines.warehouse import BuildState, Warehouse

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


def switched_off(sources: Sources) -> list[str]:
    """What this store's feeds do not allow, by name, with the feeds that are absent."""
    lines = []
    for capability, needs in CAPABILITIES.items():
        if absent := [feed for feed in needs if feed not in sources.feeds]:
            lines.append(f"{capability} (no {', '.join(absent)})")
    return lines


def build(settings: Settings, as_of: date, owner: str, log: Log = print) -> str:
    """Build the warehouse for a day and write its feature snapshot; returns the snapshot's hash."""
    with step(settings, "build", as_of, owner, log) as (home, facts):
        free_space.refuse_too_little(home, settings)
        rewriting.refuse_half_done(home)
        sources = load_sources(settings.sources_file)
        if off := switched_off(sources):
            log(f"off for want of feeds: {'; '.join(off)}")
        warehouse = Warehouse(home, settings, sources.store, as_of)
        snapshot = warehouse.build(log).snapshot
        facts["models"] = warehouse.seconds
        if warehouse.seconds:
            log(attempts.slowest(warehouse.seconds))
        for line in unconverted_money(warehouse):
            log(line)
        return snapshot


def train(
    settings: Settings, as_of: date, models: Sequence[str] | None = None, log: Log = print, owner: str = ""
) -> list[training_step.TrainReport]:
    """Train models, all by default; raises `PartlyFailedError` with the reason by model when the others are trained."""
    snapshot_of(Home.open(settings.home), as_of)
    parts = Parts(log)
    reports = parts.each("train", models or NAMES, lambda model: train_model(settings, as_of, model, owner, log))
    parts.refuse_failed()
    return list(reports.values())


def train_model(
    settings: Settings, as_of: date, model: str, owner: str, log: Log = print
) -> training_step.TrainReport | None:
    """Train on the snapshot of a day's build; needs no hold on the home, since snapshots never change.

    None where the model is off for want of feeds.
    """
    home = Home.open(settings.home)
    snapshot = snapshot_of(home, as_of)
    if not able_in(home, as_of, [model], log):
        return None
    with attempts.attempt(home, f"train {model}", as_of, owner, log):
        (report,) = training_step.train(settings, as_of, snapshot, [model], log)
        return report


def load(
    settings: Settings, feed: str, as_of: date, days: tuple[date | None, date | None], owner: str, log: Log = print
) -> LoadReport:
    """Load one feed and record the attempt, which stands as late where no day asked for is there."""
    with attempts.attempt(Home.open(settings.home), f"ingest {feed}", as_of, owner, log) as facts:
        (report,) = ingest(settings, [feed], *days, log)
        facts |= {name: getattr(report, name) for name in ledger.ROW_COUNTS}
        if report.status == "late":
            facts |= {"outcome": "late", "error": report.message, "error_kind": "LateError"}
        return report


def backtest(settings: Settings, model: str, as_of: date, origins: int | None, log: Log = print) -> BacktestReport:
    """Judge a model at rolling origins on the snapshot of a day's build; needs no hold on the home."""
    home = Home.open(settings.home)
    return backtest_report.report(settings, model, as_of, snapshot_of(home, as_of), origins, log)


def score(settings: Settings, as_of: date, owner: str, log: Log = print) -> list[scoring_step.ScoreReport]:
    """Score every model; raises `PartlyFailedError` with the reason by model when the others are scored."""
    Warehouse(Home.open(settings.home), settings, load_sources(settings.sources_file).store, as_of).built()
    parts = Parts(log)
    reports = parts.each("score", NAMES, lambda model: score_model(settings, as_of, model, owner, log))
    parts.refuse_failed()
    return list(reports.values())


def score_model(
    settings: Settings, as_of: date, model: str, owner: str, log: Log = print
) -> scoring_step.ScoreReport | None:
    """Score a day's snapshot with the champion and write the predictions, once their check has passed.

    None where the model is off for want of feeds.
    """
    if not able(settings, as_of, [model], log):
        return None
    with step(settings, f"score {model}", as_of, owner, log) as (home, facts):
        store = load_sources(settings.sources_file).store
        state = Warehouse(home, settings, store, as_of).built()

        def check(predictions: pd.DataFrame) -> None:
            if quality.has_suite(f"predictions_{model}"):
                quality.check(home, f"predictions_{model}", predictions, f"the {model} predictions as of {as_of}")

        report = scoring_step.score(settings, model, as_of, state.snapshot, state.inputs, check=check, log=log)
        facts["rows_in"] = report.rows
        return report


def measure(
    settings: Settings, as_of: date, owner: str, log: Log = print, drawn_by: str | None = None
) -> tuple[str, ...]:
    """Compare the carts drawn for a message with those held out, of those whose horizon has passed by a day."""
    with step(settings, "measure", as_of, owner, log) as (home, _):
        warehouse = Warehouse(home, settings, load_sources(settings.sources_file).store, as_of)
        warehouse.built()
        last = as_of - timedelta(days=settings.cart_horizon_days)
        return measurement.measure(warehouse, settings, assignments.relation(home), last, drawn_by).lines


def publish(
    settings: Settings,
    as_of: date,
    owner: str,
    log: Log = print,
    without: Collection[str] = (),
) -> None:
    """Swap in what analysts read, and its pages; a day before those kept is left out, and said.

    `without` are the export tables that are not right tonight: they are not published, and `meta` says so. Raises
    `DeliveredInPartError`, with everything done, when a place did not take the night's exports at a second try.
    """
    with step(settings, "publish", as_of, owner, log) as (home, _):
        _publish_warehouse(home, settings, as_of, without, log)
        data_docs.publish(home, log)
        for model in NAMES:
            model_card.publish(home, model, log)
        export_delivery.deliver_again(home, settings, as_of, log)
    export_delivery.refuse_undelivered(home, settings, as_of)


def _publish_warehouse(home: Home, settings: Settings, as_of: date, without: Collection[str], log: Log) -> None:
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
    made_of = [state.inputs, manifests, settings.publish_customers, *sorted(without)]
    fingerprint = ledger.fingerprint(made_of)
    paths = [published.newest(home), published.of_day(home, as_of)] if is_newest else [published.of_day(home, as_of)]
    if all(path.exists() for path in paths) and fingerprint == _published_fingerprint(home, as_of):
        log(f"published: unchanged, {paths[0]}")
    else:
        hidden = [f"{night_exports.PREFIX}{table}" for table in without]
        warehouse.publish(_facts(settings, sources, state, as_of, without), is_newest, log, hidden)
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


def _facts(
    settings: Settings, sources: Sources, state: BuildState, as_of: date, without: Collection[str]
) -> dict[str, str]:
    """What the table `meta` says beside the rows of each table."""
    lacking = [f"late: {', '.join(late)}"] if (late := missing_feeds(settings, as_of)) else []
    lacking += [f"without exports: {', '.join(sorted(without))}"] if without else []
    return {
        "as_of": str(as_of),
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "completeness": f"partial, {'; '.join(lacking)}" if lacking else "complete",
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


def newest_built_day(settings: Settings) -> date | None:
    """The newest business day that the warehouse was built for."""
    days = [event["as_of"] for event in ledger.events(Home.open(settings.home), "builds")]
    return date.fromisoformat(max(days)) if days else None

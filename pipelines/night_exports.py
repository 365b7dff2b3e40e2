"""The exports of a night: their tables built by dbt, then each delivered by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

from models.questions import description
from pipelines import assignments, attempts, export_delivery, export_ledger, exports, ledger, scoring
from pipelines.errors import NightshiftError, PartlyFailedError, UsageError
from pipelines.export_night import Night
from pipelines.night_step import able, able_in, missing_feeds, step
from pipelines.settings import Settings
from pipelines.sinks.places import places
from pipelines.sources import load_sources
from pipelines.training import git_commit
from pipelines.warehouse import EXPORT_MODELS, Warehouse

Log = Callable[[str], None]
PREFIX = "exp_"


class NoneRightError(NightshiftError):
    """None of tonight's exports is right."""


def tables_of(models: Sequence[str]) -> list[exports.ExportTable]:
    """What ops systems are promised of these models."""
    return [table for table in exports.EXPORTS.values() if table.model in models]


def build_tables(
    settings: Settings, as_of: date, owner: str, log: Log = print, models: Sequence[str] | None = None
) -> list[str]:
    """Build the export tables of models, all by default, on a day's predictions; returns their names.

    Raises `PartlyFailedError` with the reason by table when a table, or a test of it, failed: the others are built.
    """
    with step(settings, "tables", as_of, owner, log) as (home, facts):
        sources = load_sources(settings.sources_file)
        warehouse = Warehouse(home, settings, sources.store, as_of)
        warehouse.built()
        speaking = able_in(home, as_of, models, log)
        predictions = {}
        for model in speaking:
            path = scoring.predictions_file(home, model, as_of)
            if not path.exists():
                raise NightshiftError(f"no {model} predictions as of {as_of}; run: nightshift score --as-of {as_of}")
            predictions[model] = path
            further = description(model).further
            predictions |= {table: scoring.predictions_file(home, model, as_of, table) for table in further}
        names = [table.name for table in tables_of(speaking)]
        off = [f"{PREFIX}{name}" for name in exports.EXPORTS if name not in names]
        present = sorted({part.feed for part in ledger.all_partitions(home, as_of)})
        try:
            warehouse.dbt(
                ["build", "--select", EXPORT_MODELS, *(["--exclude", *off] if off else [])], present, predictions
            )
        except PartlyFailedError as error:
            raise PartlyFailedError(
                str(error), {name.removeprefix(PREFIX): reason for name, reason in error.reasons.items()}
            ) from None
        finally:
            facts["models"] = warehouse.seconds
            log(attempts.slowest(warehouse.seconds))
        return names


def deliver(settings: Settings, as_of: date, owner: str, table: str, log: Log = print) -> exports.ExportReport:
    """Write one built export table as files, and to the other places that settings name.

    What a place does not take is tried once more by `publish`, which then says so.
    """
    with step(settings, f"export {table}", as_of, owner, log) as (home, facts):
        warehouse = Warehouse(home, settings, load_sources(settings.sources_file).store, as_of)
        state = warehouse.built()
        if table == assignments.EXPORT:
            with warehouse.reading() as connection:
                assignments.record(home, connection, as_of, settings.cart_recovery.salt)
        report = exports.export_table(warehouse, exports.EXPORTS[table], missing_feeds(settings, as_of), log)
        facts["rows_loaded"] = report.rows
        night = Night(report.path.parent)
        export_ledger.record_made(home, night, state.inputs, git_commit())
        export_delivery.deliver(home, [night.folder], places(home, settings), log)
        return report


def export(settings: Settings, as_of: date, owner: str, log: Log = print) -> list[exports.ExportReport]:
    """Build the export tables on a day's predictions and deliver them.

    Raises `PartlyFailedError` at the end with the reason by table; the others are delivered.
    """
    fates = tables_by_fate(settings, as_of, owner, log=log)
    failed = {table: reason for table, reason in fates.items() if reason}
    reports = []
    for table in (name for name in fates if name not in failed):
        try:
            reports.append(deliver(settings, as_of, owner, table, log))
        except UsageError:
            raise
        except NightshiftError as error:
            failed[table] = str(error)
    if failed:
        raise PartlyFailedError("; ".join(f"{table}: {reason}" for table, reason in failed.items()), failed)
    return reports


def tables_by_fate(
    settings: Settings, as_of: date, owner: str, models: Sequence[str] | None = None, log: Log = print
) -> dict[str, str]:
    """Build as `build_tables` does; by table nothing when it is right, else why not. Raises when none is right."""
    try:
        return dict.fromkeys(build_tables(settings, as_of, owner, log, models), "")
    except PartlyFailedError as error:
        names = [table.name for table in tables_of(able(settings, as_of, models, lambda _: None))]
        if not error.reasons or set(names) <= set(error.reasons):
            raise
        log(str(error))
        return {**dict.fromkeys(names, ""), **error.reasons}


def lacks_every_model(settings: Settings, as_of: date, scored: Sequence[str]) -> bool:
    """Whether none of the models that tonight's feeds allow was scored; where they allow none, nothing lacks."""
    return not scored and bool(able(settings, as_of, log=lambda _: None))


def left_out(settings: Settings, as_of: date, right: Collection[str], fates: Mapping[str, str]) -> list[str]:
    """What `publish` is to leave out: tonight's exports that are not right, and tables beside them that failed.

    `right` were delivered, `fates` are those of `tables_by_fate`. What the feeds do not allow is off, not left out.
    Raises `NoneRightError` when no export is right: what is published stays.
    """
    promised = {table.name for table in tables_of(able(settings, as_of, log=lambda _: None))}
    if promised and not right:
        raise NoneRightError("no export is right, so what is published stays")
    return sorted((promised | {name for name, reason in fates.items() if reason}) - set(right))

"""Whole nights by the command line, with the steps, and the ends, of the DAGs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from models.questions import NAMES
from pipelines import export_delivery, free_space, night_exports, night_plan, nights
from pipelines.errors import NightshiftError, UsageError
from pipelines.export_delivery import DeliveredInPartError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.night_plan import NothingDeliveredError
from pipelines.parts import Parts
from pipelines.settings import Settings
from pipelines.sources import load_sources

Log = Callable[[str], None]
# Of a day that it calls closed no check expects rows.
_FIRST_FEED = "calendar"


class NightsInPartError(NightshiftError):
    """What is right of the nights is published; the message names what is not, and how to go on."""


def run(settings: Settings, first: date, as_of: date, owner: str, is_training: bool = False, log: Log = print) -> None:
    """Whole nights from `first` to `as_of`, each with the steps the DAGs run; training only when asked for.

    A feed, model or export that fails stops no other: what is right is published, and after the last night a
    `NightsInPartError` names what failed. In a range a day of which no feed has come is passed over and named likewise;
    any other fault ends it. `DeliveredInPartError` when all that lacks is a place that did not get its exports.
    """
    owed: list[str] = []
    for day in (first + timedelta(days=n) for n in range((as_of - first).days + 1)):
        log(f"night of {day}")
        parts = Parts(log)
        try:
            _night(settings, None if day == first else day, day, owner, is_training, parts)
        except DeliveredInPartError as error:
            log(f"night of {day}: {error}")
        except UsageError:
            raise
        except NightshiftError as error:
            said = "; ".join([str(error), *parts.lines])
            if not isinstance(error, NothingDeliveredError) or first == as_of:
                raise NightshiftError("; ".join([said, *owed])) from error
            log(said)
            owed.append(said)
            continue
        finally:
            nights.release(settings, owner)
        if parts.failed:
            owed.append(_told(day, parts, is_training))
    _refuse_owed(settings, owed)


def _night(settings: Settings, since: date | None, day: date, owner: str, is_training: bool, parts: Parts) -> None:
    log = parts.log
    free_space.refuse_too_little(Home.open(settings.home), settings)
    _ingest(settings, since, day, owner, parts)
    if late := night_plan.late_feeds(settings, day, owner, log):
        log(f"{day}: goes on without {', '.join(late)}")
    nights.build(settings, day, owner, log)
    if is_training:
        parts.each("train", NAMES, lambda model: nights.train_model(settings, day, model, owner, log))
    scored = parts.each("score", NAMES, lambda model: nights.score_model(settings, day, model, owner, log))
    if night_exports.lacks_every_model(settings, day, list(scored)):
        raise NightshiftError("no model was scored, so there is nothing to export")
    tables = night_exports.tables_by_fate(settings, day, owner, list(scored), log)
    for table, reason in tables.items():
        if reason:
            parts.note(f"export {table}", reason)
    built = [table for table, reason in tables.items() if not reason]
    right = parts.each("export", built, lambda table: night_exports.deliver(settings, day, owner, table, log))
    without = night_exports.left_out(settings, day, right, tables)
    nights.publish(settings, day, owner, log, without)


def _ingest(settings: Settings, since: date | None, day: date, owner: str, parts: Parts) -> None:
    mapped = [name for name in FEEDS if name in load_sources(settings.sources_file).feeds]
    in_order = sorted(mapped, key=lambda name: name != _FIRST_FEED)
    loaded = parts.each(
        "ingest", in_order, lambda feed: nights.load(settings, feed, day, (since, day), owner, parts.log)
    )
    for report in loaded.values():
        parts.log(f"{report.feed}: {report.status}, {report.message}")


def _told(day: date, parts: Parts, is_training: bool) -> str:
    command = f"nightshift run --as-of {day}{' --train' if is_training else ''}"
    return (
        f"night of {day}: {', '.join(parts.failed)} failed, the rest is done and published; "
        f"mend it, then: {command} ({'; '.join(parts.lines)})"
    )


def _refuse_owed(settings: Settings, owed: Sequence[str]) -> None:
    """Raise what the nights owe, and what places were not given."""
    home = Home.open(settings.home)
    if not owed:
        export_delivery.refuse_undelivered(home, settings)
    else:
        undelivered = export_delivery.undelivered(home, settings)
        raise NightsInPartError("; ".join([*owed, *export_delivery.told(undelivered)]))

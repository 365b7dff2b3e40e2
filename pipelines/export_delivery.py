"""From the files of a night to the places that settings name besides.

A place that fails holds up neither another one nor the night: the ledger remembers what was not delivered, the night's
end tries it once more and then says so, and the next night brings the place up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from pipelines import ledger
from pipelines.errors import NightshiftError, UnavailableError
from pipelines.export_night import Night
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sinks.places import Place, places
from pipelines.uris import S3

Log = Callable[[str], None]


class DeliveredInPartError(NightshiftError):
    """The night is whole, and published, but a place did not get it."""


class PlaceAwayError(DeliveredInPartError, UnavailableError):
    """So because the place, or the way to it, was not to be had."""


@dataclass(frozen=True)
class Delivery:
    """What became of one night at one place; `error` is empty where it was delivered, `is_away` says it may pass."""

    place: str
    table: str
    version: int
    as_of: str
    sha256: str
    error: str = ""
    is_away: bool = False


def deliver(
    home: Home, folders: Sequence[Path], to: Sequence[Place], log: Log, is_going_back: bool = False
) -> list[Delivery]:
    """Apply nights to places and remember what became of each; returns what failed."""
    outcomes = [_deliver(Night(folder), place, log, is_going_back) for place in to for folder in folders]
    if outcomes:
        ledger.append(home, "deliveries", {"deliveries": [asdict(outcome) for outcome in outcomes]})
    return [outcome for outcome in outcomes if outcome.error]


def _deliver(night: Night, place: Place, log: Log, is_going_back: bool) -> Delivery:
    named = f"{place.name}: {night.table} v{night.version} as of {night.as_of}"
    outcome = Delivery(place.name, night.table, night.version, str(night.as_of), night.sha256)
    try:
        log(f"{named}: {place.apply(night, is_going_back)}")
    except NightshiftError as error:
        log(f"{named}: NOT delivered: {error}")
        return replace(outcome, error=str(error), is_away=isinstance(error, UnavailableError))
    return outcome


def undelivered(home: Home, settings: Settings) -> list[Delivery]:
    """What the places that the settings name were last to be given, and were not."""
    named = {place.name for place in places(home, settings)}
    newest: dict[tuple[str, str, int], Delivery] = {}
    for event in ledger.events(home, "deliveries"):
        for content in event["deliveries"]:
            delivery = Delivery(**content)
            newest[delivery.place, delivery.table, delivery.version] = delivery
    return [delivery for delivery in newest.values() if delivery.error and delivery.place in named]


def deliver_again(home: Home, settings: Settings, as_of: date, log: Log) -> None:
    """Try once more what of a night was not delivered."""
    failed = [delivery for delivery in undelivered(home, settings) if delivery.as_of == str(as_of)]
    for place in places(home, settings):
        folders = [_folder(home, each) for each in failed if each.place == place.name]
        deliver(home, [folder for folder in folders if folder.is_dir()], [place], log)


def refuse_undelivered(home: Home, settings: Settings, as_of: date | None = None) -> None:
    """Raise a `DeliveredInPartError` that names place, table, night and remedy, where something was not delivered.

    Of a day, or of all.
    """
    if failed := [each for each in undelivered(home, settings) if as_of is None or each.as_of == str(as_of)]:
        kind = PlaceAwayError if all(each.is_away for each in failed) else DeliveredInPartError
        raise kind(f"delivered in part: {'; '.join(told(failed))}")


def told(failed: Sequence[Delivery]) -> Iterator[str]:
    """What places have not got, why, and what to do; a line for all tables that failed alike."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for each in failed:
        why = each.error.removeprefix(f"export {each.table} as of {each.as_of}: ")
        alike.setdefault((each.place, each.as_of, why), []).append(f"{each.table} v{each.version}")
    for (place, as_of, why), tables in alike.items():
        option = f"--to {place}" if place.startswith(S3) else "--database"
        yield (
            f"{place} has not got {', '.join(tables)} as of {as_of} ({why}); "
            f"the next night makes up for it, or: nightshift replay TABLE --as-of {as_of} {option}"
        )


def _folder(home: Home, delivery: Delivery) -> Path:
    return home.exports / delivery.table / f"v{delivery.version}" / f"as_of={delivery.as_of}"

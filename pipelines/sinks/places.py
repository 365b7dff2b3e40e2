"""The places that settings name besides the home's own files, and what each does with a night."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from pipelines.erased_files import PERSONAL_COLUMNS
from pipelines.export_night import Night, nights
from pipelines.home import Home
from pipelines.settings import Settings


@dataclass
class Erased:
    """What was done at a place for an erased person, and what of it is left to whoever runs the place, by its name."""

    done: dict[str, str] = field(default_factory=dict)
    remains: dict[str, str] = field(default_factory=dict)


class Place(Protocol):
    """Where nights go; every method raises `NightshiftError` when the place refuses."""

    @property
    def name(self) -> str: ...

    def apply(self, night: Night, is_going_back: bool = False) -> str:
        """Make the place hold a night, an earlier one than it holds only when `is_going_back`; says what was done."""
        ...

    def erase(self) -> Erased:
        """Bring what the place holds in line with the home's nights, out of which a person was erased."""
        ...


@dataclass(frozen=True)
class Database:
    """The PostgreSQL database of `NIGHTSHIFT_EXPORT_CONNECTION`."""

    home: Home
    settings: Settings

    @property
    def name(self) -> str:
        return f"database {self.settings.export_connection}"

    def apply(self, night: Night, is_going_back: bool = False) -> str:
        from pipelines.sinks import postgres

        applied = postgres.apply(self.home, self.settings, night, is_going_back)
        return {
            "applied": f"{applied.inserted:,} inserted, {applied.updated:,} updated, {applied.deleted:,} deleted",
            "unchanged": "is there already",
            "behind": "left out, a newer night is there",
        }[applied.status]

    def erase(self) -> Erased:
        """Each table that may name a person is made what the home's files of its night are now."""
        from pipelines.sinks import postgres

        erased, kept = Erased(), _kept(self.home)
        held = [night[:3] for night, is_held in postgres.applied(self.settings).items() if is_held]
        for table, version, as_of in sorted(held):
            name, here = f"{self.name}: {table}_v{version}", kept.get((table, version), {})
            if here and not any(map(_names_people, here.values())):
                continue
            if night := here.get(f"as_of={as_of}"):
                erased.done[name] = f"as of {as_of}: {self.apply(night, is_going_back=True)}"
            else:
                erased.remains[name] = f"it holds the night of {as_of}, not kept here; erase the customer there"
        if erased.done:
            erased.remains[self.name] = "what was changed lies in its files until its next vacuum, and in its back-ups"
        return erased


@dataclass(frozen=True)
class Store:
    """The S3 store of `NIGHTSHIFT_EXPORT_URI`, or of another uri."""

    home: Home
    settings: Settings
    uri: str

    @property
    def name(self) -> str:
        return self.uri

    def apply(self, night: Night, is_going_back: bool = False) -> str:
        from pipelines.sinks import s3

        sent = s3.apply(self.settings, self.uri, night, is_going_back)
        what = f"{sent.objects:,} objects sent" if sent.objects else "is there already"
        return what if sent.is_latest else f"{what}; latest.json stays at a newer night"

    def erase(self) -> Erased:
        """Every stored night that may name a person is replaced by the home's."""
        from pipelines.sinks import s3

        erased, kept = Erased(), _kept(self.home)
        for table, version, day in sorted(s3.stored_nights(self.settings, self.uri)):
            name, here = f"{self.name}: {table}/v{version}/{day}", kept.get((table, version), {})
            if here and not any(map(_names_people, here.values())):
                continue
            if night := here.get(day):
                erased.done[name] = self.apply(night)
            else:
                erased.remains[name] = "the night is not kept here; delete its objects there"
        if erased.done:
            erased.remains[self.name] = "former versions of its objects, where the bucket keeps them, are left to it"
        return erased


def places(home: Home, settings: Settings) -> list[Place]:
    """The places that the settings name."""
    found: list[Place] = []
    if settings.export_connection is not None:
        found.append(Database(home, settings))
    if settings.export_uri is not None:
        found.append(Store(home, settings, settings.export_uri))
    return found


def _kept(home: Home) -> dict[tuple[str, int], dict[str, Night]]:
    """The home's nights by table and version and by the name of their folder."""
    found: dict[tuple[str, int], dict[str, Night]] = {}
    for night in nights(home):
        found.setdefault((night.table, night.version), {})[night.folder.name] = night
    return found


def _names_people(night: Night) -> bool:
    return any(name in PERSONAL_COLUMNS for name in night.column_names)

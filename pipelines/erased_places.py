"""The places that exports went to, without an erased person: what was done there, and what is left to do."""

from __future__ import annotations

from collections.abc import Callable

from pipelines import ledger
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.sinks.places import places

Log = Callable[[str], None]


def erase_at_places(home: Home, settings: Settings, done: dict[str, str], remains: dict[str, str], log: Log) -> None:
    """Bring the places that the settings name in line with the home's exports; tell of all that were ever delivered to.

    What cannot be reached is no error: it is named in `remains`, and the same erasure again tries again.
    """
    named = places(home, settings)
    for place in named:
        try:
            erased = place.erase()
        except NightshiftError as error:
            remains[place.name] = f"not reached, so it holds what it was given ({error}); erase again later"
            continue
        done |= erased.done
        remains |= erased.remains
        for name, what in erased.done.items():
            log(f"{name}: {what}")
    for name in sorted(_delivered_to(home) - {place.name for place in named}):
        remains[name] = "exports were delivered there, no setting names it now; erase the customer there"


def _delivered_to(home: Home) -> set[str]:
    return {each["place"] for event in ledger.events(home, "deliveries") for each in event["deliveries"]}

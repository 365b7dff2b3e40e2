"""What goes wrong at night: how its error tells it, the likely cause, what to look at; docs/runbook.md has each."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A kind of failure; `name` is its heading in the runbook. `look` is a command after `nightshift`."""

    name: str
    kinds: tuple[str, ...]
    pattern: str
    cause: str
    look: str


# The first that fits speaks; `kinds` are classes of errors, the pattern is looked for in the error's text.
FAULTS = (
    Fault("late", ("LateError",), "no feed was delivered|^late$", "the store has not delivered", "status"),
    Fault("held", ("HomeBusyError",), "is held by", "another night or command owns the data home", "status"),
    Fault(
        "full",
        (),
        "no space left|Disk quota|cannot be written into the spool",
        "the disk is full",
        "status",
    ),
    Fault(
        "unreachable",
        ("UnavailableError",),
        "cannot be reached|does not answer|no such host|connection broke",
        "a server or the network was down, through every attempt",
        "status",
    ),
    Fault("undelivered", ("DeliveredInPartError",), "", "a database or store does not take what it is given", "status"),
    Fault(
        "refused",
        (),
        "rows refused, over the limit",
        "the store changed the form of a feed",
        "quarantine show --failed",
    ),
    Fault("check", ("CheckFailedError",), "", "a delivery or a forecast that looks unlike those before it", "status"),
    Fault(
        "damaged",
        (),
        "deliver(ed)? (it )?again|damaged archive|no whole Parquet|it changed while|is empty;|no CSV header",
        "a delivery that is not whole",
        "status",
    ),
    Fault("contract", (), "relies on it", "a change of an export that would break its readers", "export --list"),
    Fault("dbt", ("PartlyFailedError",), "dbt build failed", "a model or a test of the warehouse", "status"),
    Fault("setting", ("UsageError",), r"^setting |sources\.yml|feeds\.", "a setting or the mapping", "sources check"),
    Fault(
        "killed",
        ("Killed",),
        "",
        "the process was killed: out of memory, or the machine restarted",
        "status",
    ),
)
SURPRISE = Fault("surprise", (), "", "nobody foresaw it", "status")


def of(kind: str, reason: str) -> Fault:
    """The fault behind an error's class and text."""
    for fault in FAULTS:
        if kind in fault.kinds or (fault.pattern and re.search(fault.pattern, reason)):
            return fault
    return SURPRISE

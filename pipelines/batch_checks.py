"""Judges a feed's batch before it becomes visible: each day's summary against the weeks before it, by a suite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines import batch_profile, ledger, quality
from pipelines.batch_measures import Measure, measures, worth_judging
from pipelines.batch_profile import Profile
from pipelines.errors import CheckFailedError
from pipelines.feeds import Feed
from pipelines.findings import CRITICAL, Finding
from pipelines.home import Home
from pipelines.store_calendar import closed_days

if TYPE_CHECKING:
    from pipelines.load_batch import Batch, DayCounts

Log = Callable[[str], None]
Measured = Mapping[date, Mapping[str, Measure]]
_TOLD = 3


def check_batch(
    home: Home,
    batch: Batch,
    counts: Sequence[DayCounts],
    running: Collection[date],
    accept: bool,
    log: Log,
) -> dict[str, dict[str, Any]]:
    """What the ledger keeps of each day: its summary, and what was found of it, accepted or only a warning.

    A day of `running` is not over. Raises `CheckFailedError` for a critical finding, unless told to `accept` it;
    warnings are logged.
    """
    feed = batch.feed
    days = _profiles(batch, counts)
    found = _find(home, feed, days, set(days) if batch.source.is_bulk else set(running), accept)
    accepted = _accepted(home, feed)
    new = [
        finding for finding in found if finding.severity == CRITICAL and (finding.ds, finding.measure) not in accepted
    ]
    if new and not accept:
        raise CheckFailedError(_stopped(feed, new, counts, batch.source.is_bulk))
    _tell(feed, found, log)
    kept: dict[str, dict[str, Any]] = {str(ds): {"profile": day} for ds, day in days.items()}
    for finding in found:
        is_accepted = accept or (finding.ds, finding.measure) in accepted
        kept[finding.ds].setdefault("findings", []).append({**asdict(finding), "is_accepted": is_accepted})
    return kept


def _accepted(home: Home, feed: Feed) -> set[tuple[str, str]]:
    """The day and measure of what was accepted when the day was last loaded: a new mapping need not ask again."""
    entries = {
        entry["ds"]: entry for event in ledger.events(home, f"loads/{feed.name}") for entry in event["partitions"]
    }
    return {
        (finding["ds"], finding["measure"])
        for entry in entries.values()
        for finding in entry.get("findings", ())
        if finding["is_accepted"]
    }


def _profiles(batch: Batch, counts: Sequence[DayCounts]) -> dict[date, Profile]:
    found = batch_profile.profile(batch)
    return {
        day.ds: {
            **found.get(day.ds, batch_profile.EMPTY),
            "rows_in": day.rows_in,
            "refused": day.rows_quarantined,
        }
        for day in counts
    }


def _find(
    home: Home, feed: Feed, days: Mapping[date, Profile], undated: Collection[date], accept: bool
) -> list[Finding]:
    history = batch_profile.history(home, feed.name, list(days)) if days else {}
    if not worth_judging(days, history):
        return []
    closed = closed_days(home, min([*history, *days]), max(days))
    measured = measures(feed, _but(closed, days), _but(closed, history), undated)
    return _judge(home, feed, measured, accept) if measured else []


def _but(closed: Collection[date], days: Mapping[date, Profile]) -> dict[date, Profile]:
    return {ds: day for ds, day in days.items() if ds not in closed}


def _judge(home: Home, feed: Feed, measured: Measured, accept: bool) -> list[Finding]:
    import pandas as pd

    suite = f"raw_{feed.name}"
    names = dict.fromkeys(item["kwargs"]["column"] for item in quality.read_suite(suite)["expectations"])
    rows = [
        {"ds": str(ds)} | {name: day[name].score if name in day else None for name in names}
        for ds, day in measured.items()
    ]
    frame = pd.DataFrame(rows).astype(dict.fromkeys(names, float))
    where = f"{feed.name} of {_span(min(measured), max(measured))}"
    outcome = quality.validate(home, suite, frame, where, row_name="ds")
    found = _findings(outcome["results"], measured)
    ledger.append(
        home,
        "checks",
        {
            "suite": suite,
            "where": where,
            "rows": len(frame),
            "success": outcome["success"],
            "is_accepted": accept,
            "findings": [asdict(finding) for finding in found],
        },
    )
    return found


def _findings(results: Sequence[dict[str, Any]], measured: Measured) -> list[Finding]:
    """Of each day and measure the gravest, by day, the critical ones first and then in the order of the suite."""
    found: dict[tuple[str, str], Finding] = {}
    for result in sorted(results, key=lambda result: result["expectation_config"]["severity"] == CRITICAL):
        if error := result["exception_info"].get("exception_message"):
            raise AssertionError(f"{quality.condition(result)}: {error}")
        severity, name = result["expectation_config"]["severity"], result["expectation_config"]["kwargs"]["column"]
        for ds in [row["ds"] for row in result["result"]["unexpected_index_list"]]:
            measure = measured[date.fromisoformat(ds)][name]
            found[ds, name] = Finding(ds, severity, name, quality.condition(result), measure.observed, measure.usual)
    return sorted(found.values(), key=lambda finding: (finding.ds, finding.severity != CRITICAL))


def _stopped(feed: Feed, critical: Sequence[Finding], counts: Sequence[DayCounts], is_bulk: bool) -> str:
    first, last = counts[0].ds, counts[-1].ds
    days = sorted(finding.ds for finding in critical)
    span = "" if is_bulk else f" --from {days[0]} --to {days[-1]}"
    more = f" and {len(critical) - 1} more" if len(critical) > 1 else ""
    is_or_are = "is" if first == last else "are"
    return (
        f"{feed.name} {critical[0]}{more}; {_span(first, last)} {is_or_are} not loaded; have it delivered again, or, "
        f"if the store did have such a day: nightshift ingest {feed.name}{span} --accept-checks"
    )


def _span(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _tell(feed: Feed, found: Sequence[Finding], log: Log) -> None:
    for finding in found[:_TOLD]:
        log(f"check: {feed.name} {finding}")
    if len(found) > _TOLD:
        log(f"check: {feed.name}: and {len(found) - _TOLD} more; the newest are in: nightshift status")

"""What became of a run of a DAG: judged from its tasks and the ledger, recorded, and told once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines import attempts, export_delivery, ledger, night_faults, notices
from pipelines.export_delivery import DeliveredInPartError
from pipelines.home import Home
from pipelines.settings import Settings

Log = Callable[[str], None]
KIND = "verdicts"
_FAILED, _WITHOUT_WORD = "failed", "it ended without a word"
_BY_OTHERS = ("upstream_failed", "skipped")
# What others are waiting for says all.
_SILENT_STEPS = ("release", "verdict", "night_at_once")


@dataclass(frozen=True)
class Run:
    """A run of a DAG; `owner` is its name in the ledger."""

    dag_id: str
    run_id: str
    as_of: date
    owner: str


@dataclass(frozen=True)
class Trouble:
    """A step that failed; `since` is the first of the days on end of which it has failed."""

    step: str
    reason: str
    fault: night_faults.Fault
    since: date

    def told(self, as_of: date) -> str:
        nights = (as_of - self.since).days + 1
        return f"{self.step}: {self.reason}" + (f" (since {self.since}, {nights} days)" if nights > 1 else "")


@dataclass(frozen=True)
class Verdict:
    """`outcome` is complete, partial (what is right was published) or failed."""

    run: Run
    outcome: str
    troubles: tuple[Trouble, ...]
    skipped: tuple[str, ...]
    late: tuple[str, ...]

    @property
    def headline(self) -> str:
        what = [trouble.step for trouble in self.troubles] + [f"{feed} late" for feed in self.late]
        return f"{self.run.dag_id} of {self.run.as_of}: {self.outcome}" + (f", {', '.join(what)}" if what else "")


def close(settings: Settings, run: Run, states: Mapping[str, str | None], late: Sequence[str], log: Log) -> Verdict:
    """Judge, record, and tell whoever is on call unless all is well or the same was told already."""
    home = Home.open(settings.home)
    owed = [each for each in export_delivery.undelivered(home, settings) if each.as_of == str(run.as_of)]
    verdict = judge(home, run, states, late, "; ".join(export_delivery.told(owed)))
    event = {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "as_of": str(run.as_of),
        "outcome": verdict.outcome,
        "troubles": {trouble.step: trouble.reason for trouble in verdict.troubles},
        "skipped": list(verdict.skipped),
        "late": list(verdict.late),
    }
    if any({name: past.get(name) for name in event} == event for past in ledger.events(home, KIND)):
        log(f"{verdict.headline} (told already)")
    else:
        if verdict.outcome == "complete":
            log(verdict.headline)
        else:
            notices.send(settings, notice(settings, verdict), log)
        ledger.append(home, KIND, event)
    return verdict


def judge(home: Home, run: Run, states: Mapping[str, str | None], late: Sequence[str], owed: str = "") -> Verdict:
    """`states` are Airflow's, by step, and those of tables beside the exports that failed.

    Why a step failed is known to the ledger, unless its process was killed. `owed` is what places have not got of a
    night that is published all the same.
    """
    told = {event["step"]: event for event in ledger.events(home, attempts.KIND) if event["owner"] == run.owner}
    history = _troubles_by_day(home, run)
    # The step is done, and its task failed only for the sake of the places.
    is_owing = bool(owed) and told.get("publish", {}).get("outcome") == "done"
    troubles = []
    for step, state in sorted(states.items()):
        if state == _FAILED and step not in _SILENT_STEPS:
            reason, kind = _why(told.get(step), told.get("tables", {}), step)
            if step == "publish" and is_owing:
                reason, kind = owed, DeliveredInPartError.__name__
            troubles.append(Trouble(step, reason, night_faults.of(kind, reason), _since(history, step, run.as_of)))
    skipped = tuple(sorted(s for s, state in states.items() if state in _BY_OTHERS and s not in _SILENT_STEPS))
    outcome = "complete"
    if troubles:
        outcome = "partial" if states.get("publish") == "success" or is_owing else "failed"
    elif late:
        outcome = "partial"
    return Verdict(run, outcome, tuple(troubles), skipped if troubles or late else (), tuple(late))


def _why(attempt: Mapping[str, Any] | None, tables: Mapping[str, Any], step: str) -> tuple[str, str]:
    if attempt and attempt["error"]:
        return str(attempt["error"]), str(attempt["error_kind"])
    if step.startswith(("export ", "table ")) and tables.get("error"):
        return str(tables["error"]), str(tables["error_kind"])
    return _WITHOUT_WORD, "Killed"


def _troubles_by_day(home: Home, run: Run) -> dict[str, set[str]]:
    """The newest verdict on each earlier day, as the steps that failed."""
    found: dict[str, set[str]] = {}
    for event in ledger.events(home, KIND):
        if event["dag_id"] == run.dag_id and event["as_of"] < str(run.as_of):
            found[event["as_of"]] = set(event["troubles"])
    return found


def _since(history: Mapping[str, set[str]], step: str, as_of: date) -> date:
    since = as_of
    for day in sorted(history, reverse=True):
        if step not in history[day]:
            break
        since = date.fromisoformat(day)
    return since


def notice(settings: Settings, verdict: Verdict) -> notices.Notice:
    """What failed, since when, why, what to look at and how to go on; every command can be pasted."""
    home, run = f" --home {shlex.quote(str(settings.home))}", verdict.run
    lines = [f"failed   {trouble.told(run.as_of)}" for trouble in verdict.troubles]
    lines += [f"late     {', '.join(verdict.late)}: the night went on without, its exports say so"] * bool(verdict.late)
    lines += [f"left out {', '.join(verdict.skipped)}"] * bool(verdict.skipped)
    faults = list(dict.fromkeys(trouble.fault for trouble in verdict.troubles)) or [night_faults.of("", "late")]
    lines += [f"likely   {fault.cause} (docs/runbook.md, {fault.name})" for fault in faults]
    lines += [f"look     nightshift {look}{home}" for look in dict.fromkeys(fault.look for fault in faults)]
    lines += [f"resume   nightshift {command}{home}" for command in _commands(verdict)]
    lines.append(f"         or clear what failed, with all that follows, in Airflow: {run.dag_id}, {run.run_id}")
    return notices.Notice(verdict.headline, tuple(lines))


def _commands(verdict: Verdict) -> list[str]:
    """What goes on from where the run stopped; all of it may be repeated."""
    day = verdict.run.as_of
    steps = [trouble.step.split() for trouble in verdict.troubles]
    if feeds := [*(names[0] for step, *names in steps if step == "ingest"), *verdict.late]:
        return [f"ingest {' '.join(feeds)} --from {day} --to {day}", *[f"run --as-of {day}"] * bool(verdict.late)]
    if models := [names[0] for step, *names in steps if step == "train"]:
        return [f"train {' '.join(models)} --as-of {day}"]
    return [f"{'build' if verdict.run.dag_id == 'training' else 'run'} --as-of {day}"]

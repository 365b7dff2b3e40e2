"""Following a DAG run: one line a task that changes its state, and the reason when one fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines import errors
from pipelines.scheduler.api import Api

_WORDS = {
    "running": "started",
    "deferred": "waiting",
    "success": "done",
    "failed": "FAILED",
    "up_for_retry": "failed, will be tried again",
    "upstream_failed": "not run",
    "skipped": "skipped",
}
# Errors whose text says all.
_PLAIN = {kind.__name__ for kind in vars(errors).values() if isinstance(kind, type)} | {"LateError"}
_TIMED = ("success", "failed", "up_for_retry")


@dataclass
class Run:
    """One DAG run that is being followed; `failures` says why, one entry a failed task."""

    dag_id: str
    run_id: str
    failures: list[str] = field(default_factory=list)
    state: str = "queued"
    _seen: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        return self.state in ("success", "failed")

    def follow(self, api: Api, logs: Path, log: Callable[[str], None]) -> None:
        """Look once and report what has changed since the last look."""
        # The run's state is read first, so that the tasks of a finished run are read when all are final.
        self.state = api.run_state(self.dag_id, self.run_id)
        for task in api.tasks(self.dag_id, self.run_id):
            key, seen = (task["task_id"], task["map_index"]), (task["state"], task["try_number"])
            if task["state"] in _WORDS and self._seen.get(key) != seen and not _is_nameless(task):
                self._seen[key] = seen
                self._report(task, logs, log)

    def _report(self, task: dict[str, Any], logs: Path, log: Callable[[str], None]) -> None:
        state, name = task["state"], _name(task)
        seconds = f"  {task['duration']:.1f} s" if state in _TIMED and task["duration"] else ""
        log(f"  {self.dag_id:<18}  {name:<20}  {_WORDS[state]}{seconds}")
        if state in ("failed", "up_for_retry"):
            file = _log_file(logs, task)
            reason = _reason(file)
            log(f"    {reason}\n    log: {file}")
            if state == "failed":
                self.failures.append(f"{self.dag_id}, {name}: {reason} (log: {file})")


def _is_nameless(task: dict[str, Any]) -> bool:
    # A mapped task learns its name a moment after it has started.
    return (
        task["state"] == "running"
        and task["map_index"] >= 0
        and task["rendered_map_index"] in (None, str(task["map_index"]))
    )


def _name(task: dict[str, Any]) -> str:
    if task["map_index"] < 0:
        return str(task["task_id"])
    return f"{task['task_id']} {task['rendered_map_index'] or task['map_index']}"


def _log_file(logs: Path, task: dict[str, Any]) -> Path:
    folder = logs / f"dag_id={task['dag_id']}" / f"run_id={task['dag_run_id']}" / f"task_id={task['task_id']}"
    if task["map_index"] >= 0:
        folder /= f"map_index={task['map_index']}"
    return folder / f"attempt={task['try_number']}.log"


def _reason(file: Path) -> str:
    """The last error in a task's log (JSON lines); Airflow's wrapping of our own errors is taken off."""
    reason = "no reason logged"
    for line in file.read_text(errors="replace").splitlines() if file.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("level") in ("error", "critical"):
            reason = str(entry.get("event"))
            # Airflow lists an exception before what caused it.
            for detail in (entry.get("error_detail") or [])[:1]:
                is_plain = detail["exc_type"].startswith("Airflow") or detail["exc_type"] in _PLAIN
                kind = "" if is_plain else f"{detail['exc_type']}: "
                reason = kind + detail["exc_value"].partition("\n")[0]
    return reason

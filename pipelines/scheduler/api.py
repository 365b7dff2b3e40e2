"""The few calls to Airflow's REST API that a supervisor needs."""

from __future__ import annotations

import time
from typing import Any

import requests

from pipelines.errors import NightshiftError

_TIMEOUT_SECONDS = 60
# A busy SQLite refuses a write that a moment later it takes; what starts something is not asked for twice.
_REPEATABLE, _MORE_TRIES, _PAUSE_SECONDS = ("GET", "PATCH"), 5, 1.0
_ACTIVE = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "restarting")


class Api:
    """Airflow's public API v2 with a user's token. Raises `NightshiftError` when a call fails."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        # The environment's proxies and .netrc are for the world, not for loopback.
        self._session.trust_env = False

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON."""
        answer = self._answer(method, path, options)
        for _ in range(_MORE_TRIES if method in _REPEATABLE else 0):
            if answer.status_code < 500:
                break
            time.sleep(_PAUSE_SECONDS)
            answer = self._answer(method, path, options)
        content = answer.json() if answer.content else {}
        if not answer.ok:
            reason = str(content.get("detail", answer.reason)).splitlines()[0]
            raise NightshiftError(f"Airflow refused {method} {path}: {reason}")
        return content

    def _answer(self, method: str, path: str, options: dict[str, Any]) -> requests.Response:
        try:
            return self._session.request(method, f"{self._url}{path}", timeout=_TIMEOUT_SECONDS, **options)
        except requests.RequestException as error:
            raise NightshiftError(f"Airflow's api-server does not answer: {error}") from None

    def close(self) -> None:
        """Drop the connection, which the server would wait for when it stops."""
        self._session.close()

    def health(self) -> dict[str, str | None]:
        """Component -> `healthy`, `unhealthy` or None."""
        answer = self.call("GET", "/api/v2/monitor/health")
        return {component: (state or {}).get("status") for component, state in answer.items()}

    def warm_up(self) -> None:
        self.call("GET", "/execution/health")

    def log_in(self, user: str, password: str) -> None:
        token = self.call("POST", "/auth/token", json={"username": user, "password": password})
        self._session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def ensure_pool(self, name: str, slots: int) -> None:
        pools = self.call("GET", "/api/v2/pools", params={"limit": 100})["pools"]
        if name not in {pool["name"] for pool in pools}:
            self.call("POST", "/api/v2/pools", json={"name": name, "slots": slots})

    def import_errors(self) -> list[dict[str, Any]]:
        return list(self.call("GET", "/api/v2/importErrors")["import_errors"])

    def dags(self) -> dict[str, bool]:
        """DAG id -> is it paused, of every DAG that has been parsed."""
        found = self.call("GET", "/api/v2/dags", params={"limit": 100})["dags"]
        return {dag["dag_id"]: dag["is_paused"] for dag in found}

    def pause(self, dag_id: str, is_paused: bool) -> None:
        self.call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": is_paused})

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run without a logical date, so that it never collides with a scheduled one; its run id."""
        run = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        return str(run["dag_run_id"])

    def unfinished_runs(self, dag_id: str) -> list[str]:
        runs = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"state": ["queued", "running"], "limit": 100})
        return [run["dag_run_id"] for run in runs["dag_runs"]]

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def abandon_run(self, dag_id: str, run_id: str) -> None:
        """Fail what is under way in a run, so that its teardown runs and it ends as failed.

        To fail the run itself would skip the rest of its tasks, after which Airflow calls it a success.
        """
        run = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
        active = [task for task in self.tasks(dag_id, run_id) if task["state"] in _ACTIVE]
        for task in active:
            mapped = f"/{task['map_index']}" if task["map_index"] >= 0 else ""
            path = f"{run}/taskInstances/{task['task_id']}{mapped}"
            self.call("PATCH", path, json={"new_state": "failed"})
        if not active:
            self.call("PATCH", run, json={"state": "failed"})

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return list(self.call("GET", path, params={"limit": 100})["task_instances"])

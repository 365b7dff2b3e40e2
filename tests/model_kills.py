"""Trainings and promotions killed before every commit: a process apart that forks one for each.

    python model_kills.py HOME EVERY     kills at every so manieth commit of a training, then of a promotion

It prints a line of JSON for each, the first of a step without a kill. MLflow is imported once, before the forks;
nothing of it is used there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demand_home import day, mlflow_client, noisy, scored, snapshot
from kills import counted
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipelines import decisions
from pipelines.home import Home
from pipelines.promotion import promote
from pipelines.settings import Settings
from pipelines.training import train


def _silent(line: str) -> None: ...


def _forked(work: Callable[[], Any]) -> Any:
    """What `work` returns in a process of its own; None when that is killed."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writer, json.dumps(work()).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return json.loads(text) if text else None


def _killed(work: Callable[[], Any], fatal: int) -> Callable[[], int]:
    """`work`, killed before its commit of that number, of a file or of MLflow's database; returns how many it made."""

    def run() -> int:
        number = 0

        def commit(*ignored: object) -> None:
            nonlocal number
            number += 1
            if number == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "commit", commit)
        with counted(commit):
            work()
        return number

    return run


def main(root: Path, every: int) -> None:
    import mlflow  # noqa: F401 -- once, before the forks

    home = Home.create(root)
    settings = Settings.load(home=root)
    names = {days: snapshot(home, noisy(days)) for days in (50, 60)}

    def trained(days: int) -> str:
        return train(settings, day(days), names[days], ["demand"], log=_silent)[0].model_version

    def promoted() -> str:
        return promote(settings, "demand", "1", "it was better", _silent).model_version

    def seen() -> dict[str, Any]:
        """Who is champion, who speaks, who is under the alias, and how many versions and decisions there are."""
        client = mlflow_client(settings)
        report = scored(home, day(60), names[60])
        return {
            "champion": decisions.champions_of(home, "demand")[0].model_version,
            "speaks": report.model_version,
            "is_fallback": report.is_fallback,
            "alias": client.get_model_version_by_alias("demand", "champion").tags["model_version"],
            "versions": len(client.search_model_versions("name = 'demand'")),
            "decisions": len(list(home.decisions.glob("*.json"))),
            "leftovers": [str(path) for path in home.decisions.glob(".*.tmp")],
        }

    kept = root.with_name("kept")
    before = _forked(lambda: trained(50))
    for step, work in (("training", lambda: trained(60)), ("promotion", promoted)):
        shutil.copytree(root, kept)
        count = _forked(_killed(work, 0))
        whole = _forked(seen)
        print(json.dumps({"step": step, "count": count, "before": before, "whole": whole}))
        for call in range(every, count + 1, every):
            shutil.rmtree(root)
            shutil.copytree(kept, root)
            made, after = _forked(_killed(work, call)), _forked(seen)
            _forked(work)
            print(json.dumps({"step": step, "call": call, "made": made, "after": after, "again": _forked(seen)}))
        shutil.rmtree(kept)
        before = whole["champion"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

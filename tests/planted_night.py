"""A night whose steps are stood in for, so that any of them can fail, and the ends that such nights must come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from models.questions import NAMES, description
from pipelines import export_delivery, free_space, night_exports, night_plan, nights

ALL = {export.name for name in NAMES for export in description(name).exports}
OF_RETURNS = {export.name for export in description("returns").exports}


@dataclass
class PlantedNight:
    """Those steps fail that `faults` names; dbt got the tables of `fates` wrong; `off` are models without feeds."""

    faults: dict[str, Exception] = field(default_factory=dict)
    fates: dict[str, str] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    done: list[str] = field(default_factory=list)
    published: list[list[str]] = field(default_factory=list)

    def step(self, name: str) -> SimpleNamespace:
        if name in self.faults:
            raise self.faults[name]
        self.done.append(name)
        return SimpleNamespace(feed=name, status="loaded", message="3 rows")

    def able(self, settings: Any, as_of: date, models: Any = None, log: Any = None) -> list[str]:
        return [name for name in (NAMES if models is None else models) if name not in self.off]

    def late(self, settings: Any, as_of: date, *_: Any) -> list[str]:
        self.step(f"wait {as_of}")
        return []

    def build(self, *_: Any) -> str:
        self.step("build")
        return "snapshot"

    def score(self, settings: Any, as_of: date, model: str, *_: Any) -> Any:
        return None if model in self.off else self.step(f"score {model}")

    def tables(self, settings: Any, as_of: date, owner: str, models: Any = None, log: Any = None) -> dict[str, str]:
        self.step("tables")
        names = [table.name for table in night_exports.tables_of(models)]
        return dict.fromkeys(names, "") | self.fates

    def publish(self, settings: Any, as_of: date, owner: str, log: Any = None, without: Any = ()) -> None:
        self.step("publish")
        self.published.append(list(without))

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of what a night calls."""
        steps: dict[Any, dict[str, Callable[..., Any]]] = {
            free_space: {"refuse_too_little": lambda *_: None},
            night_plan: {"late_feeds": self.late},
            night_exports: {
                "able": self.able,
                "tables_by_fate": self.tables,
                "deliver": lambda settings, as_of, owner, table, *_: self.step(f"export {table}"),
            },
            export_delivery: {"refuse_undelivered": lambda *_: None, "undelivered": lambda *_: []},
            nights: {
                "load": lambda settings, feed, *_: self.step(f"ingest {feed}"),
                "build": self.build,
                "train_model": lambda settings, as_of, model, *_: self.step(f"train {model}"),
                "score_model": self.score,
                "publish": self.publish,
                "release": lambda *_: self.done.append("release"),
            },
        }
        for module, functions in steps.items():
            for name, function in functions.items():
                monkeypatch.setattr(module, name, function)


@dataclass(frozen=True)
class End:
    """What is planted, and what each publish then leaves out; none where nothing is to be published."""

    faults: tuple[str, ...] = ()
    fates: dict[str, str] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    published: tuple[list[str], ...] = ([],)

    def plant(self, night: PlantedNight, kind: type[Exception]) -> None:
        night.faults = {step: kind(f"{step} is damaged") for step in self.faults}
        night.fates, night.off = self.fates, self.off


ENDS = {
    "nothing fails": End(),
    "a model fails": End(("score returns",), published=(sorted(OF_RETURNS),)),
    "an export fails": End(("export replenishment",), published=(["replenishment"],)),
    "a table fails": End(fates={"replenishment": "Got 2 results"}, published=(["replenishment"],)),
    "a table beside the exports fails": End(
        fates={"model_decisions": "Got 1 result"}, published=(["model_decisions"],)
    ),
    "a model is off": End(off=("returns",)),
    "every model is off": End(off=NAMES),
    "one is off, the others fail": End(("score demand", "score abandonment"), off=("returns",), published=()),
    "every model fails": End(tuple(f"score {name}" for name in NAMES), published=()),
    "every export fails": End(tuple(f"export {name}" for name in sorted(ALL)), published=()),
    "dbt fails": End(("tables",), published=()),
    "the build fails": End(("build",), published=()),
}

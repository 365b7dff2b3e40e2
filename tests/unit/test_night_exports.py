"""A table that failed keeps no other from leaving."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines import night_exports
from pipelines.errors import NightshiftError, PartlyFailedError, UsageError
from pipelines.exports import EXPORTS
from pipelines.settings import Settings

DAY = date(2025, 3, 1)
OF_DEMAND = {name for name, table in EXPORTS.items() if table.model == "demand"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(night_exports, "able", lambda settings, as_of, models, log: models or ["demand"])
    return Settings.load(home=tmp_path)


def dbt_fails(monkeypatch: pytest.MonkeyPatch, reasons: dict[str, str]) -> None:
    def build(*_: Any) -> list[str]:
        raise PartlyFailedError("dbt build failed: ...", reasons)

    monkeypatch.setattr(night_exports, "build_tables", build)


def test_a_table_that_failed_is_named_beside_those_that_are_right(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dbt_fails(monkeypatch, {"replenishment": "Got 2 results", "model_decisions": "Got 1 result"})
    fates = night_exports.tables_by_fate(settings, DAY, "me", ["demand"], lambda _: None)
    assert fates == dict.fromkeys(OF_DEMAND, "") | {"replenishment": "Got 2 results", "model_decisions": "Got 1 result"}


@pytest.mark.parametrize("reasons", [{}, dict.fromkeys(OF_DEMAND, "no such column")], ids=["dbt did not start", "all"])
def test_without_one_that_is_right_the_step_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, reasons: dict[str, str]
) -> None:
    dbt_fails(monkeypatch, reasons)
    with pytest.raises(PartlyFailedError, match="dbt build failed"):
        night_exports.tables_by_fate(settings, DAY, "me", ["demand"], lambda _: None)


def test_the_command_delivers_what_is_right_then_says_what_failed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dbt_fails(monkeypatch, {"replenishment": "Got 2 results"})
    delivered = []

    def deliver(settings: Settings, as_of: date, owner: str, table: str, log: Any) -> Any:
        if table == "demand_forecast":
            raise NightshiftError("a reader relies on it")
        delivered.append(table)
        return SimpleNamespace(table=table)

    monkeypatch.setattr(night_exports, "deliver", deliver)
    with pytest.raises(PartlyFailedError) as failed:
        night_exports.export(settings, DAY, "me", lambda _: None)
    assert set(delivered) == OF_DEMAND - {"replenishment", "demand_forecast"}
    assert failed.value.reasons == {"replenishment": "Got 2 results", "demand_forecast": "a reader relies on it"}
    assert str(failed.value) == "replenishment: Got 2 results; demand_forecast: a reader relies on it"


def test_a_wrong_setting_stops_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night_exports, "build_tables", lambda *_: ["demand_forecast", "replenishment"])
    asked = []

    def deliver(*arguments: Any) -> Any:
        asked.append(arguments[3])
        raise UsageError("no such connection")

    monkeypatch.setattr(night_exports, "deliver", deliver)
    with pytest.raises(UsageError):
        night_exports.export(settings, DAY, "me", lambda _: None)
    assert asked == ["demand_forecast"]

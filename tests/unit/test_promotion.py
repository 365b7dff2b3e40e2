"""A person decides who is champion: by name and reason, back and forth, and never on a model that is not whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demand_home import day, mlflow_client, noisy, scored, snapshot

from pipelines import decisions, training
from pipelines.choosing import Chosen
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.promotion import promote
from pipelines.settings import Settings
from pipelines.training import train


@pytest.fixture(scope="module")
def reign(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str, list[str]]:
    """A home whose champion, version 2, was promoted by a training after that of version 1; the newest snapshot."""
    home = Home.create(tmp_path_factory.mktemp("reign") / "home")
    settings = Settings.load(home=home.root)
    versions = []
    for days in (50, 60):
        name = snapshot(home, noisy(days))
        (report,) = train(settings, day(days), name, ["demand"], log=lambda line: None)
        assert report.status == "promoted"
        versions.append(report.model_version)
    assert versions[0] != versions[1]
    return settings, name, versions


@pytest.fixture
def two(reign: tuple[Settings, str, list[str]]) -> Iterator[tuple[Settings, str, list[str]]]:
    """The reign, with version 2 as champion; what a test decides is taken back after it."""
    home = Home(reign[0].home)
    before = set(home.decisions.iterdir())
    yield reign
    for path in set(home.decisions.iterdir()) - before:
        path.unlink()


def _promote(settings: Settings, number: str, because: str = "it misjudges the sale") -> decisions.Version:
    return promote(settings, "demand", number, because, lambda line: None)


def test_going_back_takes_effect_the_next_night_and_says_who_and_why(two: tuple[Settings, str, list[str]]) -> None:
    settings, name, (first, second) = two
    home = Home(settings.home)
    assert scored(home, day(60), name).model_version == second
    assert _promote(settings, "1").model_version == first
    report = scored(home, day(60), name)
    assert (report.model_version, report.is_fallback) == (first, False)
    event = json.loads(sorted(home.decisions.glob("*.json"))[-1].read_text())
    assert (event["kind"], event["reason"], event["previous_model_version"]) == (
        "promotion",
        "it misjudges the sale",
        second,
    )
    assert event["decided_by"] not in ("", "gate")
    version = mlflow_client(settings).get_model_version_by_alias("demand", "champion")
    assert str(version.version) == "1"
    assert version.tags["decision.reason"] == "it misjudges the sale"


def test_who_was_gone_back_from_is_no_fallback_either(two: tuple[Settings, str, list[str]]) -> None:
    settings, name, (first, _) = two
    home = Home(settings.home)
    version = _promote(settings, first)
    path = home.root / version.folder / "model.json"
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    assert scored(home, day(60), name).method == "fallback_weekday_mean"
    path.write_bytes(content)
    # Until it is promoted again: then the one gone back to is what comes after it.
    again = _promote(settings, "2")
    assert [each.registered_version for each in decisions.champions_of(home, "demand")] == ["2", "1"]
    assert again.registered_version == "2"


def test_a_training_that_judged_against_another_champion_decides_nothing(
    two: tuple[Settings, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _, (first, _) = two
    home, choose = Home(settings.home), training.choose

    def chosen_while_somebody_goes_back(*arguments: Any) -> Chosen:
        chosen = choose(*arguments)
        _promote(settings, first)
        return chosen

    monkeypatch.setattr(training, "choose", chosen_while_somebody_goes_back)
    newest = snapshot(home, noisy(70))
    with pytest.raises(NightshiftError, match="the champion changed meanwhile; train again"):
        train(settings, day(70), newest, ["demand"], log=lambda line: None)
    assert [version.model_version for version in decisions.champions_of(home, "demand")] == [first]
    monkeypatch.undo()
    (again,) = train(settings, day(70), newest, ["demand"], log=lambda line: None)
    assert again.status in ("promoted", "refused")


def test_promoting_the_champion_decides_nothing(two: tuple[Settings, str, list[str]]) -> None:
    settings, _, (_, second) = two
    before = list(Home(settings.home).decisions.glob("*.json"))
    _promote(settings, second[:6])
    assert list(Home(settings.home).decisions.glob("*.json")) == before


def test_what_is_not_there_not_said_or_not_whole_is_refused(two: tuple[Settings, str, list[str]]) -> None:
    settings, name, (_, second) = two
    home = Home(settings.home)
    with pytest.raises(UsageError, match="no version of demand is called 7"):
        _promote(settings, "7")
    with pytest.raises(UsageError, match="--because is empty"):
        _promote(settings, "1", because=" ")
    first = _promote(settings, "1")
    _promote(settings, "2")
    path = home.root / first.folder / "model.json"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(NightshiftError, match=r"model\.json is not the file that was registered"):
        _promote(settings, "1")
    path.write_bytes(content)
    assert scored(home, day(60), name).model_version == second


def test_a_version_without_checksums_is_tried_apart_and_has_them_then(two: tuple[Settings, str, list[str]]) -> None:
    settings, _, (first, _) = two
    client = mlflow_client(settings)
    digest = client.get_model_version("demand", "1").tags["sha256.model.json"]
    client.delete_model_version_tag("demand", "1", "sha256.model.json")
    assert _promote(settings, "1").model_version == first
    assert client.get_model_version("demand", "1").tags["sha256.model.json"] == digest


def test_mlflow_shows_what_a_version_was_made_from(two: tuple[Settings, str, list[str]]) -> None:
    settings, name, (_, second) = two
    client = mlflow_client(settings)
    version = client.get_model_version("demand", "2")
    run = client.get_run(version.run_id)
    assert version.tags["model_version"] == second
    assert (version.tags["snapshot_hash"], version.tags["as_of"]) == (name, str(day(60)))
    assert len(version.tags["git_commit"]) in (7, 40)
    assert version.tags["decision.kind"] == "promotion"
    assert run.data.params["seed"] == str(settings.seed)
    folder = Path(client.get_model_version_download_uri("demand", "2"))
    assert not list(folder.rglob("*.pkl"))
    card = (folder / "artifacts" / "card.html").read_text()
    assert f"demand: weekday_mean {second}" in card
    assert name in card
    assert "promotions that are announced" in card

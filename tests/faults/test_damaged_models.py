"""A model's files that are not what was registered: the previous champion speaks, and nothing of them runs."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from demand_home import HORIZON_DAYS, crown, day, noisy, scored, snapshot, steady

from models.demand.question import Question
from models.demand.trees import PARAMETERS
from models.description import Recipe
from pipelines import model_files
from pipelines.decisions import Version
from pipelines.errors import NightshiftError
from pipelines.home import Home

DAYS = 70
TREES = Recipe("lightgbm", {**PARAMETERS, "rounds": 15, "horizon_days": HORIZON_DAYS}, 7)
Reign = tuple[Home, str, list[Version]]


class Evil:
    """Unpickled, it leaves a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.fixture(scope="module")
def reign(tmp_path_factory: pytest.TempPathFactory) -> Reign:
    """A home with a champion of trees, and one before it."""
    home = Home.create(tmp_path_factory.mktemp("reign") / "home")
    frame = noisy(DAYS, skus=30)
    name = snapshot(home, frame)
    before = crown(home, frame, 1, Recipe(TREES.method, {**TREES.parameters, "rounds": 5}, 7), DAYS - 5)
    return home, name, [before, crown(home, frame, 2, TREES, DAYS)]


@pytest.fixture
def whole(reign: Reign) -> Iterator[Reign]:
    """The reign; what a test damages is mended after it."""
    home, _, versions = reign
    shutil.copytree(home.mlflow, home.root / "kept")
    yield reign
    shutil.rmtree(home.mlflow)
    (home.root / "kept").rename(home.mlflow)
    assert scored(home, day(DAYS), reign[1]).model_version == versions[1].model_version


def _truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    damaged[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _lengthened(content: bytes, rng: np.random.Generator) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 100)))


def _shuffled(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    at = sorted(rng.choice(len(lines), 2, replace=False))
    lines[at[0]], lines[at[1]] = lines[at[1]] + b" ", lines[at[0]]
    return b"\n".join(lines)


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (_truncated, _flipped, _lengthened, _shuffled)


def _damage(version: Version, home: Home, number: int, mark: Path) -> None:
    """One of many damages: of the trees, of the description, or an evil pickle in the place of either."""
    rng = np.random.default_rng(number)
    folder = home.root / version.folder
    path = folder / ("booster.txt", "model.json")[number % 2]
    if number % 5 == 4:
        path.write_bytes(pickle.dumps(Evil(mark)))
    else:
        path.write_bytes(DAMAGES[number // 2 % len(DAMAGES)](path.read_bytes(), rng))


def _previous_speaks(reign: Reign, count: int, mark: Path) -> None:
    home, name, (before, champion) = reign
    kept = {path: path.read_bytes() for path in (home.root / champion.folder).iterdir()}
    wanted = None
    for number in range(count):
        _damage(champion, home, number, mark)
        report = scored(home, day(DAYS), name)
        assert (report.model_version, report.method) == (before.model_version, "fallback_lightgbm"), number
        assert "is not the file that was registered" in report.message
        rows = report.predictions[["units_mean", "units_p10", "units_p50", "units_p90"]]
        wanted = rows if wanted is None else wanted
        pd.testing.assert_frame_equal(rows, wanted)
        for path, content in kept.items():
            path.write_bytes(content)
    assert not mark.exists()


def test_of_damaged_champions_none_speaks_and_nothing_of_them_runs(whole: Reign, tmp_path: Path) -> None:
    _previous_speaks(whole, 20, tmp_path / "mark")


@pytest.mark.campaign
def test_of_a_hundred_damaged_champions_none_speaks_and_nothing_of_them_runs(whole: Reign, tmp_path: Path) -> None:
    _previous_speaks(whole, 100, tmp_path / "mark")


def test_what_lies_in_a_files_place_is_no_model(whole: Reign, tmp_path: Path) -> None:
    home, name, (before, champion) = whole
    path = home.root / champion.folder / "booster.txt"
    content = path.read_bytes()
    path.unlink()
    assert "booster.txt is missing" in scored(home, day(DAYS), name).message
    path.mkdir()
    assert scored(home, day(DAYS), name).model_version == before.model_version
    path.rmdir()
    # A link is followed, and what it leads to has to be the file.
    (tmp_path / "elsewhere").write_bytes(content)
    path.symlink_to(tmp_path / "elsewhere")
    assert scored(home, day(DAYS), name).model_version == champion.model_version


def test_the_files_of_another_champion_are_not_taken_for_this_ones(whole: Reign) -> None:
    home, name, (before, champion) = whole
    shutil.copy(home.root / before.folder / "booster.txt", home.root / champion.folder / "booster.txt")
    assert scored(home, day(DAYS), name).model_version == before.model_version


def test_without_any_whole_champion_the_baseline_speaks(whole: Reign) -> None:
    home, name, versions = whole
    for number, version in enumerate(versions):
        _damage(version, home, number, home.root / "mark")
    report = scored(home, day(DAYS), name)
    assert (report.method, report.is_fallback) == ("fallback_weekday_mean", True)
    assert report.message.count("is not the file that was registered") == 2


def test_a_champion_of_other_features_or_too_old_does_not_speak(whole: Reign, monkeypatch: pytest.MonkeyPatch) -> None:
    home, name, (before, champion) = whole
    monkeypatch.setattr("models.demand.model.FEATURES", ("another",))
    report = scored(home, day(DAYS), name)
    assert report.method == "fallback_weekday_mean"
    assert "trained on other features" in report.message
    monkeypatch.undo()
    frame = steady(DAYS + 88, skus=30)
    later = snapshot(home, frame)
    report = scored(home, day(DAYS + 88), later)
    # 88 days after the champion learned, 93 after the one before it; 90 are allowed.
    assert (report.model_version, report.is_fallback) == (champion.model_version, False)
    frame = steady(DAYS + 91, skus=30)
    report = scored(home, day(DAYS + 91), snapshot(home, frame))
    assert report.method == "fallback_weekday_mean"
    assert "it was trained 91 days before, at most 90 are allowed" in report.message
    assert before.name in report.message


def test_files_that_nothing_proves_are_loaded_by_a_process_that_may_die(whole: Reign, tmp_path: Path) -> None:
    home, _, (_, champion) = whole
    files = {path.name: path.read_bytes() for path in (home.root / champion.folder).iterdir()}
    assert model_files.probe("demand", HORIZON_DAYS, files) == champion.model_version
    with pytest.raises(NightshiftError, match=r"took longer than 0\.01 s"):
        model_files.probe("demand", HORIZON_DAYS, files, seconds=0.01)
    half = {**files, "booster.txt": files["booster.txt"][: len(files["booster.txt"]) // 2]}
    with pytest.raises(NightshiftError, match="loading it ended with status"):
        model_files.probe("demand", HORIZON_DAYS, half)
    evil = {**files, "model.json": pickle.dumps(Evil(tmp_path / "mark"))}
    with pytest.raises(NightshiftError, match="loading it ended with status 1"):
        model_files.probe("demand", HORIZON_DAYS, evil)
    assert not (tmp_path / "mark").exists()
    assert Question(HORIZON_DAYS).load(files).version == champion.model_version

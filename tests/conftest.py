"""Options and fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns import Passed
from filelock import FileLock
from shop import Shop, nightshift, simulated_home


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--campaigns", action="store_true", help="run the long form of every check, and nothing else")
    parser.addoption("--resume", action="store_true", help="leave out the campaigns that have passed for these files")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "campaign: the long form of a check; run by make campaigns")
    if config.getoption("--campaigns"):
        config.pluginmanager.register(Passed(config), "passed campaigns")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_long = bool(config.getoption("--campaigns"))
    chosen = [item for item in items if (item.get_closest_marker("campaign") is not None) == is_long]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen
    if is_long and config.getoption("--resume"):
        config.pluginmanager.get_plugin("passed campaigns").skip(chosen)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "home")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Names a folder and what fills it; of several workers one fills it, the others find it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = root / name, root / f"{name}.made"
        with FileLock(root / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def night_home(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The simulated store after one whole night with training, run by the command line. Tests only read it."""
    return made_once("night", _night) / "home"


def _night(folder: Path) -> None:
    """The truth is not there while the night runs: whoever read it would fail here."""
    home = simulated_home(folder / "home")
    elsewhere = (home / "truth").rename(folder / "truth")
    assert nightshift(home, "run", "--train").returncode == 0
    elsewhere.rename(home / "truth")

"""Options and fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import Shop, nightshift, simulated_home


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--campaigns", action="store_true", help="run the long form of every check, and nothing else")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "campaign: the long form of a check; run by make campaigns")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_long = bool(config.getoption("--campaigns"))
    chosen = [item for item in items if (item.get_closest_marker("campaign") is not None) == is_long]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "home")


@pytest.fixture(scope="session")
def night_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated store after one whole night with training, run by the command line. Tests only read it.

    The truth is not there while the night runs: whoever read it would fail here.
    """
    home = simulated_home(tmp_path_factory.mktemp("night") / "home")
    elsewhere = (home / "truth").rename(home.parent / "truth")
    assert nightshift(home, "run", "--train").returncode == 0
    elsewhere.rename(home / "truth")
    return home

"""On a store without faults the checks of raw batches stop nothing and seldom warn, pay days and Christmas included."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from shop import Shop

from pipelines import ledger
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.simulate import simulate, sources_yml
from pipelines.simulate.arguments import Arguments


def _judge(folder: Path, arguments: Arguments) -> tuple[int, dict[tuple[str, str], list[str]]]:
    """How many days of feeds were judged, and what was found of them; that it loads says that nothing is critical."""
    shop = Shop(folder / "home")
    simulate(shop.settings.landing_folder, folder / "truth", arguments, lambda line: None)
    shop.settings.sources_file.write_text(sources_yml())
    ingest(shop.settings, None, None, None, lambda line: None)
    home = Home(shop.root)
    judged = sum(event["rows"] for event in ledger.events(home, "checks"))
    found = {
        (feed, entry["ds"]): [f"{finding['measure']}: {finding['observed']}" for finding in entry["findings"]]
        for feed in FEEDS
        for event in ledger.events(home, f"loads/{feed}")
        for entry in event["partitions"]
        if "findings" in entry
    }
    print(f"{len(found)} of {judged:,} judged days of feeds with a warning", *found.items(), sep="\n")
    return judged, found


def test_a_winter_with_black_friday_and_christmas_is_loaded(tmp_path: Path) -> None:
    judged, found = _judge(tmp_path, Arguments(0.15, 75, 1, date(2025, 11, 1)))
    # Seven feeds, 61 days each with two weeks before it, some of them too small.
    assert 250 < judged < 7 * 61
    assert len(found) < 0.06 * judged


@pytest.mark.campaign
@pytest.mark.parametrize(("scale", "days", "seed"), [(0.15, 540, 1), (0.15, 540, 2), (1, 200, 3)])
def test_warnings_are_seldom(tmp_path: Path, scale: float, days: int, seed: int) -> None:
    judged, found = _judge(
        tmp_path, Arguments(scale, days, seed, date(2025, 9, 1) if days == 200 else date(2025, 1, 1))
    )
    assert judged > 1_000
    assert len(found) <= 0.01 * judged

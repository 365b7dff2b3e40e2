"""A night of which a part failed publishes what is right and names what is not; a range of nights goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from planted_night import ENDS, PlantedNight
from shop import Shop

from models.questions import NAMES
from pipelines import export_delivery, whole_nights
from pipelines.errors import HomeBusyError, NightshiftError, UsageError
from pipelines.export_delivery import DeliveredInPartError, Delivery
from pipelines.night_plan import NothingDeliveredError
from pipelines.whole_nights import NightsInPartError

DAY = date(2025, 3, 1)
BEFORE = DAY - timedelta(days=1)
FEEDS = ("orders", "order_lines", "calendar")

Run = Callable[..., NightshiftError | None]


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> PlantedNight:
    planted = PlantedNight()
    planted.stand_in(monkeypatch)
    return planted


@pytest.fixture
def run(shop: Shop, night: PlantedNight) -> Run:
    shop.map(**{feed: f"{{uri: '{feed}/{{ds}}.csv', format: csv}}" for feed in FEEDS})

    def nights(days: int = 1, is_training: bool = False) -> NightshiftError | None:
        """What is owed at the end."""
        try:
            first = DAY - timedelta(days=days - 1)
            whole_nights.run(shop.settings, first, DAY, "nightshift 1", is_training, lambda line: None)
        except NightshiftError as error:
            return error
        return None

    return nights


@pytest.mark.parametrize("name", ENDS)
def test_what_is_right_is_published_and_the_rest_named(night: PlantedNight, run: Run, name: str) -> None:
    end = ENDS[name]
    end.plant(night, NightshiftError)
    owed = run()
    assert tuple(night.published) == end.published
    assert (owed is None) == (not end.faults and not end.fates)
    reasons = [f"{step} is damaged" for step in end.faults]
    reasons += [f"export {table}: {reason}" for table, reason in end.fates.items()]
    assert all(reason in str(owed) for reason in reasons)
    # What was published is in part, what was not has failed.
    assert isinstance(owed, NightsInPartError) == (owed is not None and end.published != ())
    assert night.done[-1] == "release"


def test_the_message_says_what_failed_why_and_how_to_go_on(night: PlantedNight, run: Run) -> None:
    night.faults = {"ingest orders": NightshiftError("12 % bad rows"), "train returns": NightshiftError("no label")}
    assert str(run(is_training=True)) == (
        "night of 2025-03-01: ingest orders, train returns failed, the rest is done and published; mend it, then: "
        "nightshift run --as-of 2025-03-01 --train (ingest orders: 12 % bad rows; train returns: no label)"
    )
    assert night.published == [[]]
    assert [f"train {name}" for name in NAMES if name != "returns"] == [s for s in night.done if s[:5] == "train"]
    # Of a day that the calendar calls closed no check expects rows, so it comes first.
    assert [s for s in night.done if s[:6] == "ingest"] == ["ingest calendar", "ingest order_lines"]


def test_a_night_in_part_does_not_end_a_range(night: PlantedNight, run: Run) -> None:
    night.faults = {"score returns": NightshiftError("damaged")}
    owed = str(run(days=2))
    assert night.published == [["return_risk"]] * 2
    assert [owed.count(f"nightshift run --as-of {day} ") for day in (BEFORE, DAY)] == [1, 1]


def test_a_day_without_any_feed_is_passed_over_in_a_range_and_a_failure_alone(night: PlantedNight, run: Run) -> None:
    night.faults = {f"wait {BEFORE}": NothingDeliveredError("2025-02-28: no feed was delivered (orders)")}
    assert str(run(days=2)) == "2025-02-28: no feed was delivered (orders)"
    assert night.published == [[]], "the day after it"
    night.faults = {f"wait {DAY}": NothingDeliveredError("2025-03-01: no feed was delivered (orders)")}
    owed = run()
    assert not isinstance(owed, NightsInPartError)
    assert str(owed) == "2025-03-01: no feed was delivered (orders)"


def test_a_night_that_fails_ends_the_range_and_names_all_that_failed_before(night: PlantedNight, run: Run) -> None:
    night.faults = {"ingest orders": NightshiftError("12 % bad rows"), "build": NightshiftError("no such column")}
    assert str(run(days=2)) == "no such column; ingest orders: 12 % bad rows"
    assert (night.done.count("release"), night.published) == (1, [])


@pytest.mark.parametrize("fault", [UsageError("no such column"), HomeBusyError("is held by")])
def test_a_wrong_setting_and_a_home_that_is_held_end_it_at_once(
    night: PlantedNight, run: Run, fault: NightshiftError
) -> None:
    night.faults = {"score demand": fault}
    assert str(run(days=2)) == str(fault)
    assert night.published == []
    assert "score returns" not in night.done


def test_a_place_that_is_away_is_told_beside_what_failed(
    night: PlantedNight, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Delivery("database ops", "plan", 1, "2025-03-01", "0" * 64, "the server cannot be reached", True)
    monkeypatch.setattr(export_delivery, "undelivered", lambda *_: [away])
    night.faults = {"publish": DeliveredInPartError("delivered in part"), "score returns": NightshiftError("damaged")}
    owed = run()
    assert isinstance(owed, NightsInPartError)
    assert "score returns: damaged" in str(owed)
    assert "database ops has not got plan v1 as of 2025-03-01 (the server cannot be reached)" in str(owed)

"""How far a day is from the weeks before it: the arithmetic, and what is too small or too early to be judged."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, norm

from pipelines.batch_measures import ENOUGH_ROWS, measures, stability_index, worth_judging
from pipelines.feeds import FEEDS

# A Friday.
DAY = date(2025, 8, 1)
ORDERS, INVENTORY = FEEDS["orders"], FEEDS["inventory"]
Day = dict[str, Any]


def _day(rows: int, **changes: Any) -> Day:
    whole: Day = {
        "rows": rows,
        "rows_in": rows,
        "refused": 0,
        "late": 0,
        "ahead": 0,
        "content": str(rows),
        "nulls": {},
        "values": {"channel": {"web": rows}},
        "medians": {"tax_amount": 10.0},
        "means": {"tax_amount": 10.0},
        "hours": {"0": rows},
    }
    return whole | changes


def _weeks(count: int = 28, **weekdays: int) -> dict[date, Day]:
    """So many days before `DAY`, of 200 rows or what the weekday (`fri=300`) is given."""
    days = [DAY - timedelta(days=n) for n in range(1, count + 1)]
    return {ds: _day(weekdays.get(f"{ds:%a}".lower(), 200), content=str(ds)) for ds in days}


def _scores(day: Day, before: dict[date, Day], feed: Any = ORDERS, undated: tuple[date, ...] = ()) -> dict[str, float]:
    found = measures(feed, {DAY: day}, before, undated).get(DAY, {})
    assert worth_judging({DAY: day}, before) or not found
    return {name: measure.score for name, measure in found.items()}


def test_volume_is_compared_with_the_same_weekdays() -> None:
    before = _weeks(fri=400)
    assert _scores(_day(200), before)["rows_ratio"] == pytest.approx(200 / 400)
    assert _scores(_day(500), before)["rows_ratio"] == pytest.approx(500 / 400)
    (told,) = [m for n, m in measures(ORDERS, {DAY: _day(200)}, before, ())[DAY].items() if n == "rows_ratio"]
    assert (told.observed, told.usual) == ("200 rows", "400 on such a day")


def test_after_a_week_at_half_the_level_half_is_usual_as_well() -> None:
    before = _weeks(fri=400)
    for n in range(1, 8):
        before[DAY - timedelta(days=n)] = _day(before[DAY - timedelta(days=n)]["rows"] // 2)
    # Of the Fridays 200, 400, 400, 400 the middle is 400; the last week is at half its weekdays' middle.
    assert _scores(_day(200), before)["rows_ratio"] == pytest.approx(200 / (400 / 2))
    assert _scores(_day(400), before)["rows_ratio"] == pytest.approx(400 / 400)
    assert _scores(_day(100), before)["rows_ratio"] == pytest.approx(100 / 200)


def test_a_day_without_rows_is_judged_by_its_volume_alone() -> None:
    assert _scores({"rows": 0, "rows_in": 0, "refused": 0}, _weeks()) == {"rows_ratio": 0}


@pytest.mark.parametrize("days", [0, 13])
def test_the_first_two_weeks_are_not_judged(days: int) -> None:
    assert _scores(_day(1000), _weeks(days)) == {}
    assert not worth_judging({DAY: _day(1000)}, _weeks(days))


def test_volume_is_not_judged_by_two_weekdays_of_which_one_may_be_odd() -> None:
    assert "rows_ratio" not in _scores(_day(1000), _weeks(20))
    assert "rows_ratio" in _scores(_day(1000), _weeks(21))
    assert _scores(_day(1000), _weeks(20))["channel_null_rise"] == 0


def test_a_day_of_few_rows_is_not_judged() -> None:
    few = {f"{day}": ENOUGH_ROWS - 1 for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    assert _scores(_day(ENOUGH_ROWS - 1), _weeks(**few)) == {}
    # Where there are usually enough, their absence is a finding.
    assert set(_scores(_day(ENOUGH_ROWS - 1), _weeks())) == {"rows_ratio"}


def test_days_that_are_missing_or_older_than_four_weeks_are_no_history() -> None:
    old = {DAY - timedelta(days=n): _day(200) for n in range(29, 60)}
    assert _scores(_day(1000), old) == {}
    assert _scores(_day(1000), {ds: day for ds, day in _weeks().items() if ds.day % 2}) != {}


def test_the_days_of_a_batch_are_history_to_each_other_and_a_new_one_takes_the_place_of_the_old() -> None:
    batch = _weeks(fri=400) | {DAY: _day(200)}
    assert measures(ORDERS, batch, {}, ())[DAY]["rows_ratio"].score == pytest.approx(200 / 400)
    replaced = {ds: _day(7) for ds in batch}
    assert measures(ORDERS, batch, replaced, ())[DAY]["rows_ratio"].score == pytest.approx(200 / 400)


def test_of_an_undated_day_neither_volume_nor_freshness_nor_repetition_is_judged() -> None:
    dated = {"rows_ratio", "late_rise", "ahead_rise", "silent_hours_rise", "repeated_days", "day_part_shift"}
    all_of_it, rest = _scores(_day(200), _weeks()), _scores(_day(200), _weeks(), undated=(DAY,))
    assert set(all_of_it) - set(rest) == dated
    assert rest["tax_amount_median_ratio"] == 1


def test_shares_are_compared_with_those_of_all_rows_before() -> None:
    before = _weeks()
    before[DAY - timedelta(days=1)]["nulls"] = {"channel": 56}
    before[DAY - timedelta(days=1)]["refused"] = 28
    before[DAY - timedelta(days=1)]["late"] = 112
    # 28 days of 200 rows are 5,600.
    scores = _scores(_day(200, nulls={"channel": 50}, refused=3, late=20, ahead=10), before)
    assert scores["channel_null_rise"] == pytest.approx(50 / 200 - 56 / 5600)
    assert scores["refused_rise"] == pytest.approx(3 / 200 - 28 / 5600)
    assert scores["late_rise"] == pytest.approx(20 / 200 - 112 / 5600)
    assert scores["ahead_rise"] == pytest.approx(10 / 200)


def test_levels_are_compared_with_the_middle_day() -> None:
    before = _weeks()
    for n, ds in enumerate(sorted(before)):
        before[ds]["medians"] = {"tax_amount": float(n + 1)}
    # The middle of 1 to 28 is 14.5.
    scores = _scores(_day(200, medians={"tax_amount": 29.0}, means={"tax_amount": 5.0}), before)
    assert scores["tax_amount_median_ratio"] == pytest.approx(29 / 14.5)
    assert scores["tax_amount_mean_ratio"] == pytest.approx(5 / 10)
    # Nothing is no level to compare with.
    free = {ds: day | {"means": {"tax_amount": 0.0}} for ds, day in before.items()}
    assert "tax_amount_mean_ratio" not in _scores(_day(200), free)


def test_silence_at_the_days_end_is_compared_with_the_usual_one() -> None:
    before = {ds: day | {"hours": {"6": 100, "9": 100}} for ds, day in _weeks().items()}
    assert _scores(_day(200, hours={"8": 1, "12": 199}), before)["silent_hours_rise"] == 8 - 6


def test_a_repeated_day_names_the_day_it_repeats() -> None:
    same = measures(ORDERS, {DAY: _day(200, content="2025-07-20")}, _weeks(), ())[DAY]["repeated_days"]
    assert (same.score, same.observed) == (1, "the same rows as 2025-07-20")
    assert _scores(_day(200, content="new"), _weeks())["repeated_days"] == 0


def test_the_stability_index_is_siddiqis_less_what_chance_may_give() -> None:
    now, usual = {"a": 600, "b": 400}, {"a": 4000, "b": 6000}
    # Half a row more on each count: shares 600.5/1001 and 4000.5/10001, and so on.
    p, q = np.array([600.5, 400.5]) / 1001, np.array([4000.5, 6000.5]) / 10001
    chance = (1 / 1001 + 1 / 10001) * chi2.ppf(norm.cdf(4), 1)
    assert stability_index(now, usual) == pytest.approx(((p - q) * np.log(p / q)).sum() - chance, abs=2e-3)


def test_chance_alone_is_no_shift_and_a_lost_value_is_a_large_one() -> None:
    chance = np.random.default_rng(5)
    shares = [0.5, 0.3, 0.15, 0.05]
    names = ["a", "b", "c", "d"]
    draws = [
        stability_index(
            dict(zip(names, chance.multinomial(150, shares).tolist(), strict=True)),
            dict(zip(names, chance.multinomial(4000, shares).tolist(), strict=True)),
        )
        for _ in range(2_000)
    ]
    # Once in 30,000 is expected; twice in 2,000 would be odd.
    assert sum(draw > 0 for draw in draws) <= 1
    assert stability_index({"a": 150}, {"a": 2000, "b": 2000}) > 1
    assert stability_index({"a": 150}, {"a": 4000}) == 0


def test_a_value_from_outside_steers_no_terminal() -> None:
    day = _day(200, values={"channel": {"\x1b[2J": 200}})
    told = measures(ORDERS, {DAY: day}, _weeks(), ())[DAY]["channel_shift"]
    assert told.observed == r"100.0% \x1b[2J"


def test_a_snapshot_feed_has_no_hours() -> None:
    day = _day(200, hours={}, medians={"on_hand": 4.0}, means={"on_hand": 4.0}, values={"location_id": {"main": 200}})
    before = {ds: day | {"content": str(ds)} for ds in _weeks()}
    assert set(_scores(day, before, INVENTORY)) == {
        "rows_ratio",
        "refused_rise",
        "location_id_shift",
        "on_hand_median_ratio",
        "on_hand_mean_ratio",
        "late_rise",
        "ahead_rise",
        "repeated_days",
    }


def test_clicks_of_a_small_store_are_not_judged() -> None:
    days = [date(2024, 7, 1) + timedelta(days=n) for n in range(28)]
    for usual, names in ((999, set()), (1_000, {"rows_ratio"})):
        history = {ds: _day(usual) for ds in days}
        day = days[-1] + timedelta(days=1)
        found = measures(FEEDS["events"], {day: _day(50)}, history, ())
        assert {name for scores in found.values() for name in scores} == names

"""The figures on the page about a simulated store, by arithmetic."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from described import (
    BOT_SESSIONS,
    CLOSING,
    FIRST,
    HOSTILE,
    HOSTILE_CATEGORY,
    HOSTILE_REASON,
    LINES,
    LOST,
    SKUS,
    SOLD,
    UNITS_SOLD,
    Seen,
    described,
    drawn_texts,
    drop_products,
    key_figure,
    put,
    write_truth,
)

from pipelines.simulate.describe import describe, messages


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return described(tmp_path_factory.mktemp("sto[r]e"))


@pytest.fixture(scope="module")
def seen(html: str) -> Seen:
    return Seen(html)


def test_key_figures(html: str) -> None:
    kept = [line for line in LINES if not line[2]]
    sku_days = sum(len(days) for days in SOLD.values())
    lost = sum(sum(days) for days in LOST.values())
    empty = sum(units == 0 for days in CLOSING.values() for units in days)
    assert key_figure(html, "SKUs") == str(len(SKUS))
    assert key_figure(html, "order lines") == str(len(LINES))
    assert key_figure(html, "units") == str(sum(line[1] - line[3] for line in kept))
    assert key_figure(html, "return rate") == f"{100 * 3 / len(kept):.1f} %"
    assert key_figure(html, "units on hand") == str(5 + 0 + 0)
    assert key_figure(html, "of SKU-days out of stock") == f"{100 * empty / sku_days:.1f} %"
    assert key_figure(html, "of demand lost") == f"{100 * lost / (UNITS_SOLD + lost):.1f} %"


def test_the_days_are_those_of_the_data(seen: Seen) -> None:
    assert "2025-03-01 to 2025-03-10, 10 days." in seen.text


def test_best_sellers_come_with_the_newest_titles_and_prices(seen: Seen) -> None:
    at = seen.rows.index(["title", "SKU", "category", "units", "list price"])
    assert seen.rows[at + 1 : at + 4] == [
        [HOSTILE, "A", "Clothing > Women > Dresses", "30", "12.50"],
        ["Mug", "B", HOSTILE_CATEGORY, "6", "-"],
        ["-", "C", "Home > Mugs", "1", "-"],
    ]
    assert "read from the drop of 2025-03-02." in seen.text


def test_a_drop_of_products_may_be_parquet(tmp_path: Path) -> None:
    write_truth(tmp_path / "truth")
    drop_products(tmp_path / "landing", FIRST, "Yesterday's title")
    drop = tmp_path / "landing" / "products" / "2025-03-09.parquet"
    put(drop, "sku text, title text, list_price text", [("A", "Today's title", "3.00")])
    page = describe(tmp_path / "landing", tmp_path / "truth", tmp_path / "store.html")
    seen = Seen(page.read_text())
    assert seen.row("Today's title") == ["Today's title", "A", "Clothing > Women > Dresses", "30", "3.00"]


def test_units_by_category_are_noted_at_their_bars(html: str) -> None:
    texts = drawn_texts(html, "Units sold by category")
    names = ["Clothing > Women > Dresses", HOSTILE_CATEGORY, "Home > Mugs"]
    assert [text for text in texts if text in names] == names
    assert {"30", "6", "1"} <= set(texts)


def test_intermittency_counts_skus_by_their_own_days(html: str, seen: Seen) -> None:
    with_sale = 10 + 3 + 1
    # B sells on 3 of 10 days and C on 1 of 5; D was never listed and has no days.
    assert f"{100 * 2 / 3:.1f} % of the SKUs sell on a minority of their days" in seen.text
    assert f"{100 * with_sale / 25:.1f} % of all SKU-days have a sale" in seen.text
    assert "SKUs" in drawn_texts(html, "SKUs by share of days with a sale")


def test_the_funnel_counts_who_got_at_least_so_far_without_bots(html: str, seen: Seen) -> None:
    texts = drawn_texts(html, "Sessions by the furthest step reached")
    assert {"100 (100.0 %)", "50 (50.0 %)", "20 (20.0 %)", "10 (10.0 %)", "4 (4.0 %)"} <= set(texts)
    assert f"bots, {100 * BOT_SESSIONS / (100 + BOT_SESSIONS):.1f} % of all sessions, are left out" in seen.text


def test_return_reasons(seen: Seen) -> None:
    assert seen.row("does not fit") == ["does not fit", "2", "66.7 %", "25.0 %", "3"]
    assert seen.row(HOSTILE_REASON) == [HOSTILE_REASON, "1", "33.3 %", "12.5 %", "3"]
    assert [row for row in seen.rows if row[:2] == ["all", "3"]] == [["all", "3", "100.0 %", "37.5 %", "6"]]
    assert "(true_return_probability) is 50.0 % of the lines" in seen.text


def test_return_shares_of_departments_leave_cancelled_lines_out(html: str) -> None:
    texts = drawn_texts(html, "Returned share of lines, by department and cause")
    # Two of Clothing's three lines came back, one of the five of Home.
    assert {"66.7 %", "20.0 %"} <= set(texts)


def wilson(bought: int, carts: int) -> tuple[float, float]:
    """The roots of (p - x)^2 = z^2 x (1 - x) / n, which is what the interval is defined by."""
    z2, share = 1.959964**2, bought / carts
    a, b, c = 1 + z2 / carts, -(2 * share + z2 / carts), share**2
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def with_bounds(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def test_the_experiment_compares_abandoned_carts_by_segment(seen: Seen) -> None:
    (low, high), (low_held, high_held) = wilson(10, 40), wilson(3, 20)
    down = math.hypot(0.25 - low, high_held - 0.15)
    up = math.hypot(high - 0.25, 0.15 - low_held)
    assert seen.row("new") == [
        "new",
        "40 / 20",
        with_bounds(0.25, low, high),
        with_bounds(0.15, low_held, high_held),
        with_bounds(0.10, 0.10 - down, 0.10 + up),
        "8.0 %",
    ]
    assert seen.row("regular")[4].startswith("-10.0 % (")
    (together,) = [row for row in seen.rows if row[:2] == ["all", "50 / 30"]]
    assert together[2].startswith("22.0 % (")
    assert together[5] == f"{100 * (60 * 0.08 + 20 * 0.02) / 80:.1f} %"


def test_a_group_without_carts_has_no_share_and_no_effect() -> None:
    lonely = messages.Segment("new", 10, 2, 0, 0, 0.05)
    assert lonely.treatment is not None
    assert (lonely.holdout, lonely.effect) == (None, None)


@pytest.mark.parametrize("bought", [0, 7])
def test_an_interval_stays_within_0_and_1(bought: int) -> None:
    interval = messages.wilson(bought, 7)
    assert interval.low is not None
    assert interval.high is not None
    assert 0 <= interval.low <= bought / 7 <= interval.high <= 1
    assert interval.high - interval.low > 0.1

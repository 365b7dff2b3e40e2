"""The pages of the checks: whole, readable without a network, swapped in as one, and no part of any result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from pipelines import data_docs, quality
from pipelines.errors import CheckFailedError, NightshiftError
from pipelines.home import Home
from pipelines.quality import check, validate


def _orders(**days: float) -> pd.DataFrame:
    """Days with their volume; every other measure is as usual."""
    names = {item["kwargs"]["column"] for item in quality.read_suite("raw_orders")["expectations"]}
    usual = {name: 1.0 if name.endswith("_ratio") else 0.0 for name in names}
    return pd.DataFrame([usual | {"ds": ds, "rows_ratio": ratio} for ds, ratio in days.items()])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.create(tmp_path / "home")
    validate(home, "raw_orders", _orders(**{"2025-11-27": 1.0}), "orders of 2025-11-27", row_name="ds")
    validate(home, "raw_orders", _orders(**{"2025-11-28": 5.0}), "orders of 2025-11-28", row_name="ds")
    return home


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


def _links(page: Path) -> Iterator[str]:
    parser = _Links()
    parser.feed(page.read_text())
    return iter(parser.found)


def test_the_index_tells_every_kept_result_and_each_has_its_page(home: Home) -> None:
    data_docs.publish(home, lambda line: None)
    index = (home.published / "data_docs" / "index.html").read_text()
    rows = re.findall(r'<tr class="(\w*)">.*?>(orders of [\d-]+)</a></td><td>1</td><td>(.*?)</td></tr>', index)
    assert rows == [
        ("critical", "orders of 2025-11-28", "critical: rows_ratio on 2025-11-28"),
        ("", "orders of 2025-11-27", "passed"),
    ]
    suites = re.findall(r'href="expectations/(\w+)\.html"', index)
    assert suites == sorted(path.stem for path in quality.SUITES.glob("*.json"))


def test_no_page_refers_to_another_host_and_no_link_is_dead(home: Home) -> None:
    data_docs.publish(home, lambda line: None)
    site = home.published / "data_docs"
    pages = [Path(path) for path in site.resolve().rglob("*.html")]
    # The index, a page a suite and a page a result.
    assert len(pages) == 1 + 14 + 2
    for page in pages:
        assert "://" not in re.sub(r"<[^>]*xmlns[^>]*>", "", page.read_text())
        assert "<script" not in page.read_text()
        for link in _links(page):
            assert link.startswith("#") or (page.parent / link).resolve().exists(), link


def test_the_pages_say_why(home: Home) -> None:
    data_docs.publish(home, lambda line: None)
    suite = (home.published / "data_docs" / "expectations" / "raw_orders.html").read_text()
    assert "critical: so few or so many that a delivery broke off, or holds more than its day" in suite


def test_pages_that_show_the_kept_results_are_left_alone_and_newer_ones_take_their_place(home: Home) -> None:
    said: list[str] = []
    data_docs.publish(home, said.append)
    first = (home.published / "data_docs").resolve()
    opened = (home.published / "data_docs" / "index.html").open()
    data_docs.publish(home, said.append)
    assert (home.published / "data_docs").resolve() == first
    assert len(said) == 1
    with pytest.raises(CheckFailedError):
        check(home, "predictions_demand", pd.DataFrame({"sku": []}), "the demand predictions as of 2025-11-28")
    data_docs.publish(home, said.append)
    site = (home.published / "data_docs").resolve()
    assert site != first
    assert "the demand predictions as of 2025-11-28" in (site / "index.html").read_text()
    # Whoever has a page open keeps it; nothing else of the earlier site stays.
    assert "orders of 2025-11-28" in opened.read()
    assert list(site.parent.iterdir()) == [site]


def test_a_site_that_cannot_be_built_leaves_the_last_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    data_docs.publish(home, lambda line: None)
    site = (home.published / "data_docs").resolve()
    validate(home, "raw_orders", _orders(**{"2025-11-29": 1.0}), "orders of 2025-11-29", row_name="ds")
    monkeypatch.setattr(data_docs, "_subject", lambda result: "a/b")
    with pytest.raises(NightshiftError, match="of 3 results of checks 0 could be shown"):
        data_docs.publish(home, lambda line: None)
    assert (home.published / "data_docs").resolve() == site
    assert (site / "index.html").exists()


def test_without_results_there_are_no_pages(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    data_docs.publish(home, lambda line: None)
    assert list(home.published.iterdir()) == []

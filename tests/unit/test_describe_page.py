"""The page about a simulated store stands alone, lets nothing from the data act, and is there whatever is missing."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from described import (
    FIRST,
    HOSTILE,
    HOSTILE_CATEGORY,
    Seen,
    described,
    drawn_texts,
    drop_products,
    figure,
    key_figure,
    write_truth,
)

from pipelines.cli import cli
from pipelines.errors import NightshiftError
from pipelines.simulate import RECORD
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.describe import describe
from pipelines.simulate.parameters import Parameters


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    described(folder)
    return folder


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "store.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(html: str) -> Seen:
    return Seen(html)


def test_nothing_from_the_data_becomes_markup(html: str, seen: Seen) -> None:
    used = {tag for tag, _ in seen.tags}
    assert used & {"script", "img", "link", "iframe", "image", "object", "b", "g", "text"} == {"b", "g", "text"}
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    assert sum(tag == "b" for tag, _ in seen.tags) == html.count('<div class="key">')
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; $a_b$") == 1


def test_dollars_are_no_mathematics(html: str) -> None:
    assert HOSTILE_CATEGORY in drawn_texts(html, "Units sold by category")


def test_the_page_refers_to_nothing_outside_it(html: str, seen: Seen) -> None:
    assert "://" not in html
    assert "@import" not in html
    references = [
        value for _, attributes in seen.tags for name, value in attributes.items() if name in ("href", "xlink:href")
    ]
    assert references
    assert {str(value)[0] for value in references} == {"#"}
    assert set(re.findall(r"url\((.)", html)) == {"#"}
    assert "src" not in {name for _, attributes in seen.tags for name in attributes}


def test_ids_are_unique_and_references_resolve(html: str, seen: Seen) -> None:
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', html))
    assert used == set(ids)


def test_equal_data_give_equal_bytes(folder: Path, html: str, tmp_path: Path) -> None:
    again = describe(folder / "landing", folder / "truth", tmp_path / "again.html")
    assert again.read_bytes() == html.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["again.html"]


@pytest.mark.parametrize(
    ("table", "gone", "stays"),
    [
        ("cart", "Effect of the message", "Sessions by the furthest step"),
        ("session", "Sessions by the furthest step", "Effect of the message"),
        ("line", "Return reasons", "Units sold by day"),
        ("sku", "Units sold by category", "Units sold by day"),
        ("sku_day", "Units sold by day", "Return reasons"),
    ],
)
def test_a_table_that_is_missing_leaves_out_what_it_would_show(
    html: str, tmp_path: Path, table: str, gone: str, stays: str
) -> None:
    write_truth(tmp_path / "truth")
    (tmp_path / "truth" / f"{table}.parquet").unlink()
    without = describe(tmp_path / "landing", tmp_path / "truth", tmp_path / "store.html").read_text()
    assert gone in html
    assert gone not in without
    assert stays in without
    sentence = "Not shown: the truth of this store has no table"
    assert sentence not in html
    assert sentence in Seen(without).text


def test_a_store_without_truth_says_so_section_by_section(tmp_path: Path) -> None:
    page = describe(tmp_path / "landing", tmp_path, tmp_path / "store.html").read_text()
    seen = Seen(page)
    assert "<svg" not in page
    assert seen.text.count("Not shown") >= sum(tag == "h2" for tag, _ in seen.tags) == 6


def test_empty_tables_are_described(folder: Path, tmp_path: Path) -> None:
    for name in ("sku", "sku_day", "line", "session", "cart"):
        duckdb.execute(
            f"copy (from read_parquet($path) limit 0) to '{tmp_path}/{name}.parquet'",
            {"path": str(folder / "truth" / f"{name}.parquet")},
        )
    html = describe(tmp_path / "landing", tmp_path, tmp_path / "store.html").read_text()
    assert key_figure(html, "order lines") == "0"
    assert key_figure(html, "return rate") == "-"


def test_a_single_day_is_drawn_as_a_point(folder: Path, tmp_path: Path) -> None:
    duckdb.execute(
        f"copy (from read_parquet($path) where sold_on = date '2025-03-01') to '{tmp_path}/sku_day.parquet'",
        {"path": str(folder / "truth" / "sku_day.parquet")},
    )
    html = describe(tmp_path / "landing", tmp_path, tmp_path / "store.html").read_text()
    assert "2025-03-01 to 2025-03-01, 1 day." in Seen(html).text
    assert "<use" in figure(html, "Units on hand at close")


def test_truth_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "line.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(NightshiftError, match=re.escape(str(tmp_path))):
        describe(tmp_path / "landing", tmp_path, tmp_path / "store.html")
    assert not (tmp_path / "store.html").exists()


def test_parameters_that_the_page_names_exist(html: str) -> None:
    """A name without a class belongs to the class named before it in the same sentence."""
    own = {type(part).__name__: part for part in vars(Parameters()).values()}
    sentences = re.findall(r"<(?:figcaption|p)>(.*?)</(?:figcaption|p)>", html.replace("<wbr>", ""))
    named = 0
    for sentence in sentences:
        holder = None
        for word in re.findall(r"<code>(\w+(?:\.\w+)?)</code>", sentence):
            head, _, name = word.rpartition(".")
            if word.split(".")[0] in own:
                holder = own[head or word]
                name = name if head else ""
            elif "Parameters" in word:
                raise AssertionError(word)
            elif holder is None or "." in word or word.startswith(("true_", "knowable_")):
                continue
            assert not name or hasattr(holder, name), word
            named += 1
    assert named >= 20


def test_the_command_describes_a_store_that_is_already_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_truth(home / "truth")
    for day in range(2):
        drop_products(home / "landing", FIRST + timedelta(days=day), HOSTILE)
    record = {"arguments": Arguments(0.01, 2, 1, FIRST, frozenset({"products"})).record(), "rows": {"products": 6}}
    (home / "truth" / RECORD).write_text(json.dumps(record))
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.*")}
    options = ["--scale", "0.01", "--days", "2", "--first-day", str(FIRST), "--feeds", "products", "--home", str(home)]
    done = CliRunner().invoke(cli, ["simulate", *options, "--describe"], catch_exceptions=False)
    page = home / "truth" / "store.html"
    assert f"described: {page}" in done.stdout.splitlines()
    assert Seen(page.read_text()).row(HOSTILE)[3] == "30"
    assert {path: path.stat().st_mtime_ns for path in before} == before
    page.unlink()
    CliRunner().invoke(cli, ["simulate", *options], catch_exceptions=False)
    assert not page.exists()

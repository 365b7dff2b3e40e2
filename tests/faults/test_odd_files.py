"""Files that cannot be read and files with odd names: taken in as they are, or refused by name."""

from __future__ import annotations

import errno
import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop import Shop, lines

from pipelines import ledger
from pipelines.errors import NightshiftError
from pipelines.home import Home

ORDERS = "order_id,ordered_at,status,currency"
DAY = "2024-07-01"
NAMES = {
    "a line end": "\n",
    "quotation marks": "'\"",
    "wildcards": "*",
    "a question mark": "?",
    "a class of characters": "[1]",
    "braces": "{a,b}",
    "spaces": "  x ",
    "dots": "...",
    "a hidden end": "\u202egpj",
    "a backslash": "\\n",
    "SQL": "'); drop table checked; --",
    "as long as can be": "x" * (255 - len(f"{DAY}.csv")),
}


def _row(number: int) -> str:
    return f"o{number},{DAY},paid,GBP"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_odd_name_is_that_of_one_file_and_of_no_other(shop: Shop, name: str, format: str) -> None:
    shop.map(orders=f"{{uri: 'orders/{{ds}}*.{format}', format: {format}}}")
    odd = name[: 255 - len(f"{DAY}.{format}")]
    # These would be read as well if a wildcard in the name were taken for one.
    for number, part in enumerate([odd, "-1", "1", "x"]):
        path = shop.deliver(f"orders/{DAY}{part}.{format}", "")
        fields = dict(zip(ORDERS.split(","), _row(number).split(","), strict=True))
        if format == "parquet":
            pq.write_table(pa.table({key: [value] for key, value in fields.items()}), path)
        else:
            path.write_text(lines(ORDERS, [_row(number)]) if format == "csv" else f"{fields}\n".replace("'", '"'))
    report = shop.ingest("orders")
    assert (report.rows_in, report.rows_loaded, report.rows_duplicate) == (4, 4, 0)
    (entry,) = ledger.delivered_names(Home(shop.root), "orders").values()
    assert f"orders/{DAY}{odd}.{format}" in entry


def test_a_home_with_an_odd_name_works(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "ho[m]e *'s")
    shop.map(orders="{uri: 'orders/{ds}*.csv', format: csv}")
    shop.deliver(f"orders/{DAY}[1]?.csv", lines(ORDERS, [_row(1), "o2,never,paid,GBP"]))
    report = shop.ingest("orders")
    assert (report.rows_loaded, report.rows_quarantined) == (1, 1)
    assert shop.ingest("orders", again=True).rows_loaded == 1


def test_a_name_that_is_no_utf_8_is_refused(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}*.csv', format: csv}")
    folder = shop.deliver(f"orders/{DAY}.csv", lines(ORDERS, [_row(1)])).parent
    (folder / os.fsdecode(f"{DAY}caf".encode() + b"\xe9.csv")).write_text(lines(ORDERS, [_row(2)]))
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    assert str(caught.value) == f"orders/{DAY}caf\\udce9.csv: its name is no UTF-8; rename it and deliver it again"
    assert shop.raw("orders") == []


def test_a_name_is_no_way_out_of_the_landing_folder(shop: Shop, tmp_path: Path) -> None:
    shop.map(orders="{uri: '**/{ds}.csv', format: csv}")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / f"{DAY}.csv").write_text(lines(ORDERS, [_row(1)]))
    shop.deliver("orders/..x/2024-07-02.csv", lines(ORDERS, ["o2,2024-07-02,paid,GBP"]))
    # A folder that is a link is not entered by **.
    (shop.settings.landing_folder / "link").symlink_to(outside)
    assert shop.ingest("orders").rows_loaded == 1
    assert shop.raw("orders", "ds") == [(date(2024, 7, 2),)]
    shop.map(orders="{uri: 'link/{ds}.csv', format: csv}")
    with pytest.raises(NightshiftError, match=rf"^link/{DAY}\.csv: it is a link out of the landing folder"):
        shop.ingest("orders")


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to nothing", "a link to itself"])
def test_what_is_no_file_is_refused_by_name(shop: Shop, kind: str) -> None:
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    path = shop.deliver(f"orders/{DAY}.csv", "")
    path.unlink()
    match kind:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case _:
            path.symlink_to(path if "itself" in kind else "nowhere")
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    assert str(caught.value) == (f"orders/{DAY}.csv: is a folder, a pipe or a link to nothing; deliver the file itself")


def test_a_folder_among_files_that_a_wildcard_finds_is_no_delivery(shop: Shop) -> None:
    shop.map(orders="{uri: 'orders/{ds}*', format: csv}")
    shop.deliver(f"orders/{DAY}.csv", lines(ORDERS, [_row(1)]))
    (shop.settings.landing_folder / "orders" / f"{DAY}-archive").mkdir()
    assert shop.ingest("orders").rows_loaded == 1


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
@pytest.mark.parametrize("name", ["orders/{ds}.csv", "orders/{ds}.csv.gz"])
def test_a_file_that_cannot_be_read_is_refused_by_name(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    """The first reading of it fails, which takes its hash."""
    shop.map(orders=f"{{uri: '{name}', format: csv}}")
    path = shop.deliver(name.format(ds=DAY), lines(ORDERS, [_row(1)]))

    def fail(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", fail)
        with pytest.raises(NightshiftError) as caught:
            shop.ingest("orders")
    assert str(caught.value) == f"{name.format(ds=DAY)}: cannot be read: {os.strerror(number)}"
    assert shop.ingest("orders").rows_loaded == 1

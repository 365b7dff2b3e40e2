"""A hand-written simulated store for the page about it, and what a browser makes of that page."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import duckdb

from pipelines.simulate.describe import describe

FIRST = date(2025, 3, 1)
DAYS = 10
HOSTILE = '<script>alert(1)</script> & "x" $a_b$'
HOSTILE_REASON = "<img src=x onerror=alert(2)> $\\frac{1}$"
HOSTILE_CATEGORY = "Home > <b>Pots</b> $x^2$"

SKUS = [
    ("A", "Clothing", "Clothing > Women > Dresses", "2024-01-01", None),
    ("B", "Home", HOSTILE_CATEGORY, "2024-01-01", None),
    ("C", "Home", "Home > Mugs", "2025-03-06", None),
    ("D", "Shoes", "Shoes > Boots", "2026-01-01", None),
]
# A sells 3 a day on all ten days, B 2 units on each of the first three, C one on one of its five days.
SOLD = {"A": [3] * 10, "B": [2] * 3 + [0] * 7, "C": [0, 1, 0, 0, 0]}
LOST = {"A": [1] * 10, "B": [0] * 10, "C": [0, 0, 0, 0, 4]}
CLOSING = {"A": [5] * 10, "B": [7] * 8 + [0] * 2, "C": [9, 8, 8, 8, 0]}
UNITS_SOLD = 30 + 6 + 1


def sku_days() -> Iterator[tuple[object, ...]]:
    for sku, sold in SOLD.items():
        for at, units in enumerate(sold):
            on = FIRST + timedelta(days=DAYS - len(sold) + at)
            lost, closing = LOST[sku][at], CLOSING[sku][at]
            yield sku, on, 1.5, units + lost, lost, units, closing, closing > 0, 1.0, 0.0, 1.5


# sku, quantity, whole order cancelled, units cancelled, reason, units returned
LINES = [
    ("A", 2, False, 0, "does not fit", 2),
    ("A", 1, False, 0, "does not fit", 1),
    ("A", 3, False, 1, None, 0),
    ("A", 1, True, 0, None, 0),
    ("B", 4, False, 0, HOSTILE_REASON, 3),
    ("B", 1, False, 0, None, 0),
    ("B", 1, False, 0, None, 0),
    ("C", 1, False, 0, None, 0),
    ("C", 1, False, 0, None, 0),
]
STATES = {"browsed": 50, "viewed": 30, "carted": 10, "checked_out": 6, "purchased": 4}
BOT_SESSIONS = 25
# segment, group: carts, bought later
CARTS = {
    ("new", "treatment"): (40, 10),
    ("new", "holdout"): (20, 3),
    ("regular", "treatment"): (10, 1),
    ("regular", "holdout"): (10, 2),
}
EFFECTS = {"new": 0.08, "regular": 0.02}


def put(path: Path, columns: str, rows: list[tuple[object, ...]]) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table written ({columns})")
        connection.executemany(f"insert into written values ({', '.join('?' * len(rows[0]))})", rows)
        connection.execute(f"copy written to '{path}' (format parquet)")


def carts() -> Iterator[tuple[object, ...]]:
    for (segment, group), (number, bought) in CARTS.items():
        for at in range(number):
            yield "abandoned", group, segment, at < bought, EFFECTS[segment]
    # Neither a cart that was bought at once nor one outside the experiment says anything about messages.
    yield from [("purchased", "treatment", "new", True, 0.9)] * 7
    yield from [("abandoned", None, "new", True, 0.9)] * 5


def write_truth(truth: Path) -> None:
    truth.mkdir(parents=True)
    put(
        truth / "sku.parquet",
        "sku text, department text, category text, launched_on date, ends_on date",
        [tuple(row) for row in SKUS],
    )
    put(
        truth / "sku_day.parquet",
        "sku text, sold_on date, true_demand_mean double, true_demand_units bigint, true_lost_units bigint, "
        "sold_units bigint, closing_units bigint, is_in_stock boolean, true_in_stock_share double, "
        "true_discount_pct double, knowable_demand_mean double",
        list(sku_days()),
    )
    put(
        truth / "line.parquet",
        "order_line_id text, sku text, ordered_on date, quantity bigint, is_cancelled boolean, "
        "cancelled_quantity bigint, true_return_probability double, is_returned boolean, returned_quantity bigint, "
        "return_reason text",
        [
            (f"L{at}", sku, FIRST, quantity, cancelled, units, 0.0 if cancelled else 0.5, back > 0, back, reason)
            for at, (sku, quantity, cancelled, units, reason, back) in enumerate(LINES)
        ],
    )
    sessions = [(state, False) for state, number in STATES.items() for _ in range(number)]
    put(truth / "session.parquet", "state text, is_bot boolean", [*sessions, *[("viewed", True)] * BOT_SESSIONS])
    put(
        truth / "cart.parquet",
        "state text, experiment_group text, segment text, is_purchased boolean, knowable_message_effect double",
        list(carts()),
    )


def drop_products(landing: Path, ds: date, title: str) -> None:
    quoted = title.replace('"', '""')
    text = f'sku,title,list_price\nA,"{quoted}",12.5\nB,Broken row,none,surplus\nB,Mug,cheap\n'
    path = landing / "products" / f"{ds}.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


class Seen(HTMLParser):
    """What a browser makes of the page: its text, its tags with their attributes, its table rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.rows.append([])

    def row(self, first: str) -> list[str]:
        (found,) = [row for row in self.rows if row and row[0] == first]
        return found


def described(folder: Path) -> str:
    """Write the whole store into the folder, with a drop of products on each of two days; returns its page."""
    write_truth(folder / "truth")
    drop_products(folder / "landing", FIRST, "Yesterday's title")
    drop_products(folder / "landing", FIRST + timedelta(days=1), HOSTILE)
    page = describe(folder / "landing", folder / "truth", folder / "store.html")
    assert page == folder / "store.html"
    return page.read_text(encoding="utf-8")


def key_figure(html: str, name: str) -> str:
    (value,) = re.findall(rf'<div class="key"><b>([^<]*)</b>{name}<p>', html)
    return str(value)


def figure(html: str, heading: str) -> str:
    (found,) = re.findall(rf"<figure[^>]*><h3>{heading}</h3>.*?</figure>", html, re.DOTALL)
    return str(found)


def drawn_texts(html: str, heading: str) -> list[str]:
    return Seen("".join(re.findall(r"<text.*?</text>", figure(html, heading), re.DOTALL))).words

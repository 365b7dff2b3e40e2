"""An export as CSV: the same rows as its Parquet file, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from planted_exports import COLUMNS, Row, deliver, manifest_of

from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.spreadsheet import harmless

DAY = date(2025, 3, 28)
OPENERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BODIES = (
    "1+1",
    "cmd|' /C calc'!A0",
    'HYPERLINK("http://x.invalid/?"&A1,"look")',
    "SUM(A1:A9)*\u20ac",
    '"quoted" and, comma',
    "line\nbreak\r\nand more",
    "\u202egnp.exe",
    "=2",
    "\u0301combined",
)
PAYLOADS = [f"{opener}{body}" for opener in OPENERS for body in BODIES] + ["=", "-", "@", "+", "'=1", "a=1"]
NUMBERS = ["-5", "+1.5e3", "-0.25", "12", "-inf"]


def _export(tmp_path: Path, rows: list[Row]) -> tuple[str, dict[str, object]]:
    home = Home.create(tmp_path / "home")
    settings = Settings(home=home.root, export_csv=True)
    report = deliver(home, DAY, rows, settings=settings)
    parquet, text = manifest_of(report)["files"]
    assert (parquet["format"], text["format"], parquet["rows"]) == ("parquet", "csv", text["rows"])
    content = (report.path.parent / text["name"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == text["sha256"]
    again = deliver(home, DAY, rows, settings=settings)
    assert again.status == "unchanged"
    return content.decode(), manifest_of(again)


def test_none_of_a_hundred_payloads_is_live_and_numbers_stay_numbers(tmp_path: Path) -> None:
    assert len(PAYLOADS) >= 100
    rows: list[Row] = [
        (f"{number:04}", -number, f"-{number}.25", payload) for number, payload in enumerate(PAYLOADS + NUMBERS)
    ]
    text, _ = _export(tmp_path, rows)
    header, *cells = csv.reader(io.StringIO(text, newline=""))
    assert header == list(COLUMNS)
    by_key = {row[2]: dict(zip(header, row, strict=True)) for row in cells}
    for key, quantity, margin, reason in rows:
        cell = by_key[key]
        assert (int(cell["order_quantity"]), Decimal(cell["margin_amount"])) == (quantity, Decimal(str(margin)))
        if reason in NUMBERS:
            assert cell["reason"] == reason
        else:
            assert not cell["reason"].startswith(OPENERS)
            assert cell["reason"] in (reason, f"'{reason}")


def test_null_and_empty_text_are_told_apart(tmp_path: Path) -> None:
    text, _ = _export(tmp_path, [("a", 1, "1.00", ""), ("b", None, None, None)])
    assert [line.split(",")[4:7] for line in text.splitlines()[1:]] == [["1", "1.00", '""'], ["", "", ""]]


@pytest.mark.parametrize("seed", range(2))
def test_the_sql_and_the_python_of_a_harmless_cell_agree(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    alphabet = "=+-@\t\r\n\uff1d\uff200123456789.eEinf' a\u0663\U0001f600\""
    texts = ["".join(chance.choices(alphabet, k=chance.randint(1, 6))) for _ in range(300)]
    text, _ = _export(tmp_path, [(f"{n:04}", n, "1.00", reason) for n, reason in enumerate(texts)])
    assert [row["reason"] for row in csv.DictReader(io.StringIO(text, newline=""))] == [
        harmless(cell) for cell in texts
    ]

"""UCI's spreadsheet becomes the Parquet file that the example reads."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

CONVERT = Path(__file__).parents[2] / "examples" / "online_retail" / "convert.py"
HEADER = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
AT = datetime(2010, 12, 1, 8, 26)

ROWS = [
    [536365, "85123A", "HOLDER", 6, AT, 2.55, 17850, "United Kingdom"],  # an invoice number in a number cell
    ["C536379", "D", " Discount ", -1, AT, 27.5, 14527, "EIRE"],  # one in a text cell; blanks around the text
    [536544, 21773, 20713, 1, AT, 2.51, None, "United Kingdom"],  # stock code and description as numbers; a guest
    [536414, "22139", None, 56, AT, 0, None, "RSA"],  # no description
    ["A563185", "B", "NA", 1, datetime(2011, 8, 12, 14, 50), -11062.06, None, "Unspecified"],  # text like a null
]


def test_cells_become_columns_of_one_type(tmp_path: Path) -> None:
    converted = _convert(tmp_path, [HEADER, *ROWS])
    assert converted.returncode == 0, converted.stderr
    schema = pq.read_schema(tmp_path / "made" / "online_retail.parquet")
    assert schema.names == HEADER
    for name in ("InvoiceNo", "StockCode", "Description", "Country"):
        assert pa.types.is_string(schema.field(name).type) or pa.types.is_large_string(schema.field(name).type)
    for name in ("Quantity", "UnitPrice", "CustomerID"):
        assert schema.field(name).type == pa.float64()
    assert schema.field("InvoiceDate").type == pa.timestamp("us")


def test_values_are_the_spreadsheets(tmp_path: Path) -> None:
    _convert(tmp_path, [HEADER, *ROWS])
    frame = pd.read_parquet(tmp_path / "made" / "online_retail.parquet").astype(object)
    assert frame.where(frame.notna(), None).to_numpy().tolist() == [
        ["536365", "85123A", "HOLDER", 6.0, AT, 2.55, 17850.0, "United Kingdom"],
        ["C536379", "D", "Discount", -1.0, AT, 27.5, 14527.0, "EIRE"],
        ["536544", "21773", "20713", 1.0, AT, 2.51, None, "United Kingdom"],
        ["536414", "22139", None, 56.0, AT, 0.0, None, "RSA"],
        ["A563185", "B", "NA", 1.0, datetime(2011, 8, 12, 14, 50), -11062.06, None, "Unspecified"],
    ]


def test_another_spreadsheet_is_refused(tmp_path: Path) -> None:
    converted = _convert(tmp_path, [["Invoice", *HEADER[1:]], *ROWS])
    assert converted.returncode != 0
    assert "has the columns Invoice, StockCode" in converted.stderr
    assert not (tmp_path / "made").exists()


def _convert(folder: Path, cells: list[list[object]]) -> subprocess.CompletedProcess[str]:
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    for row in cells:
        sheet.append(row)
    workbook.save(folder / "Online Retail.xlsx")
    command = [sys.executable, CONVERT, folder / "Online Retail.xlsx", folder / "made" / "online_retail.parquet"]
    return subprocess.run(command, capture_output=True, text=True, check=False)

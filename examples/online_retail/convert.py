"""Turns UCI's spreadsheet 'Online Retail.xlsx' into the Parquet file that sources.yml reads."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

TEXT = ("InvoiceNo", "StockCode", "Description", "Country")
NUMBERS = ("Quantity", "UnitPrice", "CustomerID")
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


def read_spreadsheet(path: Path) -> pd.DataFrame:
    """The first sheet's rows: text without blanks around it, numbers as float64, instants in microseconds.

    Invoice numbers, stock codes and even a description are numbers in some cells and text in others, so that
    their type is stated here. Raises `ValueError` when the columns are not UCI's.
    """
    # A description such as 'NA' is text; only an empty cell is missing.
    frame = pd.read_excel(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])
    if tuple(frame.columns) != COLUMNS:
        raise ValueError(f"{path.name} has the columns {', '.join(map(str, frame.columns))}, not {', '.join(COLUMNS)}")
    for name in TEXT:
        text = frame[name].str.strip()
        frame[name] = text.mask(text == "")
    return frame.astype(dict.fromkeys(NUMBERS, "float64")).astype({"InvoiceDate": "datetime64[us]"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spreadsheet", type=Path, help="UCI's 'Online Retail.xlsx'")
    parser.add_argument("parquet", type=Path, help="the file to write")
    paths = parser.parse_args()
    print(f"reading {paths.spreadsheet}; its half a million rows take a minute or two")
    frame = read_spreadsheet(paths.spreadsheet)
    paths.parquet.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(paths.parquet, index=False)
    print(f"{len(frame):,} rows in {paths.parquet}")


if __name__ == "__main__":
    main()

"""Columns of text turned into the types of their contract, for deliveries that carry types."""

from __future__ import annotations

import re

import pyarrow as pa

from pipelines.feeds import BOOLEAN, DATE, FEEDS, INSTANT, INTEGER, NUMBER, TEXT
from pipelines.simulate import text

ARROW_TYPES = {
    TEXT: pa.string(),
    INSTANT: pa.timestamp("us", tz="UTC"),
    DATE: pa.date32(),
    BOOLEAN: pa.bool_(),
    INTEGER: pa.int32(),
    NUMBER: pa.float64(),
}
DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def arrow_type(contract_type: str) -> pa.DataType:
    if decimal := DECIMAL.fullmatch(contract_type):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return ARROW_TYPES[contract_type]


def typed(feed: str, table: pa.Table) -> pa.Table:
    """The feed's rows in the types of their contract; what is missing is null."""
    return pa.table(
        {column.name: text.column(table, column.name).cast(arrow_type(column.type)) for column in FEEDS[feed].columns}
    )

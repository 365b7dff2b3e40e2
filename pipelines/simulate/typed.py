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
    types = {name: arrow_type(FEEDS[feed].column(name).type) for name in text.delivered_columns(feed)}
    return pa.table({name: text.column(table, name).cast(type) for name, type in types.items()})

"""Numbers as a CSV file writes them, in SQL that turns them into numbers as DuckDB reads them."""

from __future__ import annotations

import re

from pipelines.delivered_sql import literal
from pipelines.feeds import INTEGER, MONEY, NUMBER, QUANTITY, UNIT_PRICE, Column
from pipelines.sources import Source

_NUMERIC = (INTEGER, MONEY, NUMBER, QUANTITY, UNIT_PRICE)
# Stands where a separator has no business, so that the value cannot be read and the row is refused.
_MISPLACED = "'?'"


def mapped_expression(source: Source, column: Column, expression: str) -> str:
    """The expression of a contract column; text for a numeric one is rewritten from the file's own notation."""
    if column.type not in _NUMERIC or (source.decimal, source.thousands) == (".", None):
        return f"({expression}\n)"
    return _plain_number(f"({expression}\n)", source.decimal, source.thousands)


def _plain_number(value: str, decimal: str, thousands: str | None) -> str:
    """An expression that computes a number has no notation: only text is rewritten.

    A thousands separator counts between groups of three digits only: 1.50 with `thousands: "."` is no 150.
    """
    text = f"trim({value}::VARCHAR)"
    plain = text
    if thousands:
        grouped = rf"[+-]?[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+({re.escape(decimal)}[0-9]*)?"
        without = f"case when regexp_full_match({text}, {literal(grouped)}) then '' else {_MISPLACED} end"
        plain = f"replace({text}, {literal(thousands)}, {without})"
    if decimal == ",":
        plain = plain if thousands == "." else f"replace({plain}, '.', {_MISPLACED})"
        plain = f"replace({plain}, ',', '.')"
    return f"(case when typeof({value}) = 'VARCHAR' then {plain} else {value}::VARCHAR end)"

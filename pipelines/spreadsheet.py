"""Text cells that a spreadsheet would run as a formula, made harmless."""

from __future__ import annotations

import re

from pipelines.delivered_sql import literal

# What starts a formula in Excel, LibreOffice or Google Sheets, the wide forms of East Asian locales included, and the
# white space that they skip before it.
_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|inf)", re.ASCII)


def harmless(cell: str) -> str:
    """The cell with an apostrophe before it when it would be run; a plain number, as -5 or +1.5e3, stays one."""
    return f"'{cell}" if cell.startswith(tuple(_STARTS)) and not _NUMBER.fullmatch(cell) else cell


def harmless_sql(text: str) -> str:
    """The same as SQL, of the expression of a text."""
    is_run = f"{text} <> '' and contains({literal(_STARTS)}, left({text}, 1))"
    is_number = f"regexp_full_match({text}, {literal(_NUMBER.pattern)})"
    return f"case when {is_run} and not {is_number} then concat('''', {text}) else {text} end"

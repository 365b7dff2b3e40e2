"""Text cells that a spreadsheet would run as a formula, made harmless."""

from __future__ import annotations

import re

# What starts a formula in Excel, LibreOffice or Google Sheets, the wide forms of East Asian locales included, and the
# white space that they skip before it.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|inf)")


def harmless(cell: str) -> str:
    """The cell with an apostrophe before it when it would be run; a plain number, as -5 or +1.5e3, stays one."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell

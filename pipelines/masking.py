"""What is masked wherever text may hold it: addresses, telephone numbers, tokens. One list, for SQL and for Python.

The patterns mean the same to DuckDB's RE2 and to Python's `re` (ASCII classes, no look-around).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from pipelines.errors import visible


class Rule(NamedTuple):
    """A pattern and what stands in its place; `\\1` is what the pattern's first group caught."""

    pattern: str
    mask: str


_OUTSIDE = r"\t-\r \"'`,;:<>()\[\]{}/\\?&=#|"
_NAMED = (
    r"(?:(?:access|refresh|id|auth|csrf|reset)[_-]?)?token|(?:api|access|secret|private)[_-]?key|client[_-]?secret"
    r"|secret|password|passwd|pwd|signature|session[_-]?id|sid"
)
_VALUE = r"[^\t-\r \"'&;,<>\\]+"
# Four places where a small letter meets a capital, told so that Python has one way only to find them.
_HUMPS = r"(?:(?:[A-Z0-9_-]|[a-z]+[0-9_-])*[a-z]+[A-Z]){4}"
_RULES = (
    # `shoe@2x.png` is a picture, not an address; %40 and %2540 are the at sign of an address within an address.
    Rule(rf"[^{_OUTSIDE}@]+(?:@|%(?:25)*40)(?:[^{_OUTSIDE}0-9]|[0-9]+[^{_OUTSIDE}0-9x])[^{_OUTSIDE}]*", "[email]"),
    Rule(r"eyJ[\w-]{6,}(?:\.[\w-]*){1,4}", "[token]"),
    Rule(
        r"(?i)\b(bearer|authorization\s*[:=]\s*\w+)(?:\s|%20|\+)+(?:[\w.~+/=-]*\d[\w.~+/=-]*|[\w.~+/=-]{16,})",
        r"\1 [token]",
    ),
    Rule(rf"(?i)\b((?:{_NAMED})\\*[\"']?\s*(?:=|:|%3D)\s*\\*[\"']?|key(?:=|%3D)){_VALUE}", r"\1[token]"),
    # No id that people give is as long: 28 letters and digits without a break (a ULID has 26, a part of a UUID 12) ...
    Rule(r"[A-Za-z0-9]*[0-9][A-Za-z0-9]{27,}|[A-Za-z0-9]{27,}[0-9][A-Za-z0-9]*", "[token]"),
    # ... or changes its case at random, as base64 does.
    Rule(rf"{_HUMPS}[\w-]*[0-9][\w-]*|[\w-]*[0-9]{_HUMPS}[\w-]*", "[token]"),
    # Ids are digits too: a number is a telephone's by its + or by a leading zero with a gap behind the area code.
    Rule(
        r"(?:\+|%2[Bb])\d(?:[ ()/.-]*\d){7,}|\(?\b0\d{2,4}\)? \d{3,4} ?\d{3,4}\b|\(\d{3}\) ?\d{3}-\d{4}\b", "[number]"
    ),
)
# In a refused row of any shape: what follows a question mark, and where telephones are due every long number.
QUERY = Rule(r"\?[^\t-\r \"',;<>]+", "?[query]")
NUMBER = Rule(r"\+?\d(?:[ ()/.-]*\d){8,}", "[number]")
# Whatever a rule finds, this finds; most texts have none of it, and asking once costs a small part of the rules.
_HINT = (
    r"@|%(?:25)*40|eyJ|(?i:bearer|authorization|token|key|secret|passw|pwd|signature|session|sid)|[A-Za-z0-9]{28}"
    r"|(?:[\w-]*[a-z][A-Z]){4}|(?:\+|%2[Bb])\d|0\d{2,4}\)? \d|\(\d{3}\)"
)
_LONGEST = 2_000
_COMPILED = tuple((re.compile(rule.pattern, re.ASCII), rule.mask) for rule in _RULES)


def mask(text: str) -> str:
    """The text with every address, telephone number and token replaced by a word that says what stood there.

    It is cut at 2,000 characters, more than a message shows: unlike RE2, `re` may take the square of the length.
    """
    text = text[:_LONGEST]
    for pattern, word in _COMPILED:
        text = pattern.sub(word, text)
    return text


def shown(text: str) -> str:
    """Delivered text as a message may show it: masked, on one line."""
    return visible(mask(text))


def masked(value: str) -> str:
    """The SQL form of `mask` for the SQL expression `value`, which is read several times."""
    is_suspect = f"contains({value}, '@') or contains({value}, '=') or (strlen({value}) >= 8 and {_matches(value)})"
    return f"case when {is_suspect} then {_replaced(value, _RULES)} else {value} end"


def masked_refusal(value: str, has_phones: str) -> str:
    """The SQL form for the text of a refused row; long numbers go where the SQL condition `has_phones` holds."""
    text = _replaced(value, (QUERY, *_RULES))
    return f"case when {has_phones} then {_replaced(text, (NUMBER,))} else {text} end"


def _matches(value: str) -> str:
    return f"regexp_matches({value}, {_literal(_HINT)})"


def _replaced(value: str, rules: Iterable[Rule]) -> str:
    for rule in rules:
        value = f"regexp_replace({value}, {_literal(rule.pattern)}, {_literal(rule.mask)}, 'g')"
    return value


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

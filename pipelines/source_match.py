"""Which feed a file resembles most, and which of its columns is which of the contract's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from pipelines.feeds import BOOLEAN, DATE, FEEDS, INSTANT, TEXT, Column, Feed
from pipelines.source_profile import Profile
from pipelines.source_synonyms import COLUMNS, FILE_WORDS

# How numbers are written: the decimal sign, and what stands between thousands.
NOTATIONS: tuple[tuple[str, str | None], ...] = (
    *((".", None), (",", None), (",", "."), (".", ",")),
    *((",", " "), (",", "\u00a0"), (",", "\u202f"), (".", "'")),
)
TIME_FORMATS = tuple(
    day + time
    for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y%m%d", "%Y-%m-%d")
    for time in (" %H:%M:%S", " %H:%M", "", " %H:%M:%S %z")
)
_LEAST_FITTING = 0.5
_LEAST_SCORE = 4.0


@dataclass(frozen=True)
class Match:
    """A file taken for a feed's: contract columns with the path of names to the file's column for each."""

    profile: Profile
    feed: Feed
    columns: dict[str, tuple[str, ...]]
    score: float

    @property
    def missing(self) -> list[Column]:
        return [column for column in self.feed.columns if column.name not in self.columns]


def best_match(profile: Profile) -> Match | None:
    """The feed a file resembles most, if it resembles one at all."""
    best = max((_match(profile, feed) for feed in FEEDS.values()), key=lambda match: match.score)
    return best if best.score >= _LEAST_SCORE else None


def reads_all(values: Sequence[str], decimal: str, thousands: str | None) -> bool:
    return all(_is_number(value, decimal, thousands) for value in values)


def castable(values: Sequence[str], type: str) -> float:
    """The share of values that DuckDB reads as the type."""
    return _share("try_cast(value as " + ("TIMESTAMPTZ" if type == INSTANT else type) + ")", values)


def time_formats(values: Sequence[str]) -> list[str]:
    """The formats that read every value."""
    return [format for format in TIME_FORMATS if _share(f"try_strptime(value, '{format}')", values) == 1]


def _match(profile: Profile, feed: Feed) -> Match:
    found: dict[str, tuple[str, ...]] = {}
    # Exact names first: a column that bears a contract's own name is not to be taken as a synonym of another.
    for rank in range(3):
        for column in feed.columns:
            if column.name not in found:
                for path in profile.values:
                    is_free = not any(_overlap(path, other) for other in found.values())
                    if is_free and _normal(path) in _names(feed, column)[rank] and _fits(column, profile, path):
                        found[column.name] = path
                        break
    needed = [column.name for column in feed.columns if column.required and column.default is None]
    hit = [name for name in needed if name in found]
    is_named = any(word in re.findall("[a-z]+", _spelled(profile.path.as_posix())) for word in FILE_WORDS[feed.name])
    score = 3.0 * len(hit) - 3.0 * (len(needed) - len(hit)) + 0.5 * (len(found) - len(hit))
    score += 3.0 * len(found) / max(1, len(profile.values)) + (4 if is_named and hit else 0)
    return Match(profile, feed, found, score)


def _spelled(path: str) -> str:
    """The last two parts of the path, each with its words put together: order_lines/2024.csv is orderlines."""
    return " ".join(re.sub("[^a-z/.]", "", part.lower()) for part in path.split("/")[-2:])


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """The same column, or an object and a field within it, which a mapping cannot read both."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _names(feed: Feed, column: Column) -> tuple[set[str], set[str], set[str]]:
    """Normalised names for a column: its own, what it is called elsewhere, and both behind the feed's name."""
    own = {_normal((column.name,))}
    others = set(COLUMNS.get(column.name, ()))
    if column.name == feed.key[0]:
        others.add("id")
    singular = _normal((feed.name.removesuffix("s"),))
    return own, others, {f"{singular}{name}" for name in own | others}


def _normal(path: tuple[str, ...]) -> str:
    plain = unicodedata.normalize("NFKD", "".join(path)).casefold()
    return "".join(character for character in plain if character.isalnum())


def _fits(column: Column, profile: Profile, path: tuple[str, ...]) -> bool:
    values = profile.values[path]
    if column.type == TEXT or not values:
        return True
    if column.type in (INSTANT, DATE):
        return castable(values, column.type) >= _LEAST_FITTING or bool(time_formats(values))
    if column.type == BOOLEAN:
        return castable(values, BOOLEAN) >= _LEAST_FITTING
    return max(_readable(values)) >= _LEAST_FITTING


def _readable(values: Sequence[str]) -> Iterator[float]:
    for decimal, thousands in NOTATIONS:
        yield sum(_is_number(value, decimal, thousands) for value in values) / len(values)


def _is_number(value: str, decimal: str, thousands: str | None) -> bool:
    groups = rf"|[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+" if thousands else ""
    point = re.escape(decimal)
    return bool(re.fullmatch(rf"[+-]?(([0-9]+{groups})({point}[0-9]*)?|{point}[0-9]+)", value))


def _share(expression: str, values: Sequence[str]) -> float:
    row = duckdb.execute(
        f"select count({expression}) / count(*) from (select unnest($values::VARCHAR[]) as value)",
        {"values": list(values)},
    ).fetchone()
    return float(row[0]) if row and row[0] is not None else 1.0

"""A mapping tried on the first rows of each feed's newest delivery, by the code that loads them; nothing is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from pydantic import ValidationError

from pipelines import markers
from pipelines.batch_writing import write_quarantine
from pipelines.delivered_sql import literal, mixed_line_ends, one_line
from pipelines.deliveries import Delivery, file_stamp
from pipelines.errors import NightshiftError, UsageError
from pipelines.feeds import FEEDS, Feed
from pipelines.home import Home
from pipelines.load_batch import Batch, DayCounts
from pipelines.masking import mask
from pipelines.personal_data import PersonalDataKey, load_key
from pipelines.quarantine import is_over_limit
from pipelines.schema_drift import drift
from pipelines.settings import Settings
from pipelines.source_sample import Sample, cut_sample
from pipelines.sources import Source, Sources, Store, mapping_problems, read_sources

_SHOWN_ROWS = 3


@dataclass(frozen=True)
class Refusal:
    """Rows refused for one reason; `line` is that of the first of them, where the file has lines."""

    reason: str
    column: str | None
    rows: int
    file: str
    line: int | None


@dataclass(frozen=True)
class FeedCheck:
    """What a feed's first rows came to; with `problem` there are none. `first_rows` are typed, personal data hashed."""

    feed: str
    problem: str = ""
    delivery: str = ""
    notes: Sequence[str] = ()
    rows_in: int = 0
    rows_loaded: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    rows_excluded: int = 0
    first_rows: Sequence[dict[str, Any]] = ()
    refusals: Sequence[Refusal] = ()
    is_over_limit: bool = False


@dataclass(frozen=True)
class CheckReport:
    """`mapping` lists what is wrong in sources.yml itself; feeds named there were not read."""

    mapping: list[str] = field(default_factory=list)
    feeds: list[FeedCheck] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        if self.mapping:
            return 2
        return int(any(feed.problem or feed.is_over_limit for feed in self.feeds))


def check_sources(settings: Settings, feeds: Sequence[str], rows: int) -> CheckReport:
    """Check the mapping of `feeds` (all that are mapped by default), each one whatever the others came to."""
    home = Home.open(settings.home)
    sources, problems = _readable_part(settings.sources_file)
    mapping = [f"{settings.sources_file}: {problem}" for problem in problems]
    if sources is None:
        return CheckReport(mapping)
    key = load_key(home, settings)
    named = {_feed_of(problem) for problem in problems}
    wanted = [feed for feed in feeds or sources.feeds if feed not in named]
    return CheckReport(mapping, [_check(home, settings, sources, key, feed, rows) for feed in wanted])


def _readable_part(path: Path) -> tuple[Sources | None, list[str]]:
    """The mapping without its faulty feeds, and all that is wrong with those."""
    content = read_sources(path)
    problems: dict[str, None] = {}
    while True:
        try:
            return Sources.model_validate(content), list(problems)
        except ValidationError as error:
            found = mapping_problems(error)
        problems |= dict.fromkeys(found)
        named = {_feed_of(problem) for problem in found}
        feeds = content.get("feeds") if isinstance(content, dict) else None
        if not isinstance(feeds, dict):
            return None, list(problems)
        good = {feed: entry for feed, entry in feeds.items() if str(feed) not in named}
        if len(good) == len(feeds):
            return None, list(problems)
        content = {**content, "feeds": good}


def _feed_of(problem: str) -> str | None:
    match = re.match(r"feeds\.([^.:]+)", problem)
    return match[1] if match else None


def _check(home: Home, settings: Settings, sources: Sources, key: PersonalDataKey, name: str, rows: int) -> FeedCheck:
    source = sources.feeds.get(name)
    if source is None:
        return FeedCheck(name, problem=f"{settings.sources_file}: feeds.{name}: this feed is not mapped")
    if source.is_sql or source.is_s3:
        return FeedCheck(name, notes=[f"{source.place} lies elsewhere and is tried when it is ingested"])
    try:
        delivery, notes = _newest(settings, name, source)
        with TemporaryDirectory(prefix=".check-", dir=home.root) as folder:
            tried = _try_out(settings, FEEDS[name], source, sources.store, key, delivery, Path(folder), rows)
            return replace(tried, notes=[*notes, *tried.notes])
    except UsageError as error:
        return FeedCheck(name, problem=f"{settings.sources_file}: {error}")
    except NightshiftError as error:
        return FeedCheck(name, problem=str(error))
    except OSError as error:
        return FeedCheck(name, problem=f"{name}: {error.strerror or error}: {error.filename or ''}")


def _newest(settings: Settings, name: str, source: Source) -> tuple[Delivery, list[str]]:
    """The feed's newest complete delivery that has files, and what is there but not complete yet."""
    landing, where = settings.landing_folder, f"{settings.sources_file}: feeds.{name}"
    found = markers.landed(source, landing, None, None)
    with_files = [delivery for delivery in found.complete if delivery.paths]
    if with_files:
        stamps = [file_stamp(path, landing) for path in with_files[-1].paths]
        markers.verify_files(source, with_files[-1], stamps, landing)
        return with_files[-1], [f"{name}: {found.note}"] if found.note else []
    if found.note:
        raise NightshiftError(f"{where}.complete: {found.note}")
    raise NightshiftError(f"{where}.uri: no file matches {source.uri} in {landing}")


def _try_out(
    settings: Settings,
    feed: Feed,
    source: Source,
    store: Store,
    key: PersonalDataKey,
    delivery: Delivery,
    folder: Path,
    rows: int,
) -> FeedCheck:
    sample = cut_sample(delivery, settings.landing_folder, source, folder, rows)
    changes = drift(feed, source, tuple(sample.files), None)
    staging = folder / "staging"
    staging.mkdir()
    try:
        with Batch(settings, feed, source, store, key, [sample.folder], staging) as batch:
            batch.read(sample.files)
            return _judged(settings, batch, sample, [*changes.notes, *_unread(source, feed, sample)])
    except duckdb.Error as error:
        if mixed := mixed_line_ends(error):
            raise NightshiftError(f"{feed.name}: {mixed}") from None
        where = _blame(settings, feed, source, store, key, sample, staging)
        raise UsageError(f"feeds.{feed.name}{where}: {one_line(error)}") from None


def _judged(settings: Settings, batch: Batch, sample: Sample, notes: Sequence[str]) -> FeedCheck:
    counts = batch.counts()
    names = [file.path.relative_to(sample.folder).as_posix() for file in sample.files]
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    rows_in, refused = _total(counts, "rows_in"), _total(counts, "rows_quarantined")
    return FeedCheck(
        feed=batch.feed.name,
        delivery=f"{names[0]}{more}",
        notes=notes,
        rows_in=rows_in,
        rows_loaded=_total(counts, "rows_loaded"),
        rows_duplicate=_total(counts, "rows_duplicate"),
        rows_quarantined=refused,
        rows_excluded=_total(counts, "rows_excluded"),
        first_rows=batch.first_accepted(_SHOWN_ROWS),
        refusals=_refusals(batch, counts),
        is_over_limit=is_over_limit(settings, batch.source, refused, rows_in),
    )


def _total(counts: Sequence[DayCounts], name: str) -> int:
    return sum(int(getattr(day, name)) for day in counts)


def _refusals(batch: Batch, counts: Sequence[DayCounts]) -> list[Refusal]:
    """From the quarantine files that the sample would leave, so that lines are numbered as there."""
    paths = [write_quarantine(batch, day.ds) for day in counts if day.rows_quarantined]
    if not paths:
        return []
    files = ", ".join(literal(str(path)) for path in paths)
    rows = duckdb.execute(
        "select reason, column_name, count(*), arg_min(file, line_or_last), min(line) "
        f"from (select *, coalesce(line, 1 << 62) as line_or_last from read_parquet([{files}])) "
        "group by all order by count(*) desc, reason, column_name"
    ).fetchall()
    return [Refusal(*row) for row in rows]


def _unread(source: Source, feed: Feed, sample: Sample) -> list[str]:
    read = {name.lower() for name in source.referenced_columns(feed.name)}
    columns = dict.fromkeys(name for file in sample.files for name in file.columns if name.lower() not in read)
    return [f"{feed.name}: not read by the mapping: {', '.join(map(mask, columns))}"] if columns else []


def _blame(
    settings: Settings,
    feed: Feed,
    source: Source,
    store: Store,
    key: PersonalDataKey,
    sample: Sample,
    staging: Path,
) -> str:
    """The place in the mapping that DuckDB cannot run, found by trying each expression by itself."""
    alone = [(f".select.{column}", {"select": {column: text}}) for column, text in source.select.items()]
    for where, update in alone:
        one = source.model_copy(update={"where": None, **update})
        with Batch(settings, feed, one, store, key, [sample.folder], staging) as batch:
            try:
                batch.read(sample.files)
            except duckdb.Error:
                return where
    return ".where" if source.where else ""

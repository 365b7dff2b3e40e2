"""Deliveries mutated at random: never a traceback, never a row that is not accounted for, never half a load.

A refusal is one line that names the feed or the file. What was loaded balances with the ledger, and loading the
same bytes again changes nothing.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from shop import Shop

from pipelines import ledger
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.simulate import simulate, sources_yml
from pipelines.simulate.arguments import Arguments

FIRST_DAY = date(2025, 3, 29)
FEEDS = ("orders", "order_lines", "products", "customers", "shipments", "inventory", "events")
SHORT, LONG = 150, 1_000
LONG_SEEDS = range(2, 12)
ODD_VALUES = (
    "",
    "NULL",
    "nan",
    "-1",
    "1e309",
    "0x10",
    "9" * 40,
    "1,5",
    '"',
    "'; drop table checked; --",
    "=1+1",
    "\x00",
    "\ufeff",
    "\u202e",
    "a" * 100_000,
    "2025-03-30T01:30:00",  # the hour that does not exist in London
    "2024-10-27T01:30:00",  # the hour that comes twice
    "2038-01-19T03:14:08Z",
    "9999-12-31T23:59:59Z",
    "0000-00-00",
    "2025-02-30",
    "true",
    "{}",
    "[1, 2]",
)
Lines = list[bytes]
Mutation = Callable[[random.Random, Lines], Lines]


def _flip_bytes(draw: random.Random, lines: Lines) -> Lines:
    text = bytearray(b"".join(lines))
    for _ in range(draw.randint(1, 8)):
        text[draw.randrange(len(text))] = draw.randrange(256)
    return [bytes(text)]


def _cut(draw: random.Random, lines: Lines) -> Lines:
    text = b"".join(lines)
    return [text[: draw.randrange(len(text))]]


def _drop_a_column(draw: random.Random, lines: Lines) -> Lines:
    number = draw.randrange(1 + lines[0].count(b","))
    return [b",".join(part for at, part in enumerate(_fields(line)) if at != number) + b"\n" for line in lines]


def _swap_columns(draw: random.Random, lines: Lines) -> Lines:
    fields = [_fields(line) for line in lines]
    one, other = (draw.randrange(len(fields[0])) for _ in range(2))
    for row in fields:
        if len(row) > max(one, other):
            row[one], row[other] = row[other], row[one]
    return [b",".join(row) + b"\n" for row in fields]


def _rename_a_column(draw: random.Random, lines: Lines) -> Lines:
    names = _fields(lines[0])
    names[draw.randrange(len(names))] = draw.choice([b"", b"order_id", b"x y", b'a"b', b"\xff"])
    return [b",".join(names) + b"\n", *lines[1:]]


def _odd_value(draw: random.Random, lines: Lines) -> Lines:
    value = draw.choice(ODD_VALUES)
    at = draw.randrange(1, len(lines)) if len(lines) > 1 else 0
    if row := _json_object(lines[at]):
        row[draw.choice(list(row))] = draw.choice([value, 1.5, None, True, [value], {"a": value}])
        changed = json.dumps(row).encode() + b"\n"
    else:
        fields = _fields(lines[at])
        fields[draw.randrange(len(fields))] = value.encode("utf-8", "surrogatepass")
        changed = b",".join(fields) + b"\n"
    return [*lines[:at], changed, *lines[at + 1 :]]


def _nested_quotes(draw: random.Random, lines: Lines) -> Lines:
    at = draw.randrange(len(lines))
    place = draw.randrange(len(lines[at]))
    return [
        *lines[:at],
        lines[at][:place] + draw.choice([b'"', b'""', b'"\n"', b'\\"']) + lines[at][place:],
        *lines[at + 1 :],
    ]


def _mixed_line_ends(draw: random.Random, lines: Lines) -> Lines:
    return [line.replace(b"\n", draw.choice([b"\n", b"\r\n", b"\r", b"\n\n"])) for line in lines]


def _other_encoding(draw: random.Random, lines: Lines) -> Lines:
    name = draw.choice(["utf-16", "utf-8-sig", "latin-1"])
    return [(b"".join(lines).decode(errors="replace") + "é\n").encode(name, errors="replace")]


def _repeated_lines(draw: random.Random, lines: Lines) -> Lines:
    return [*lines, *(draw.choice(lines) for _ in range(draw.randint(1, 30)))]


def _nothing_left(draw: random.Random, lines: Lines) -> Lines:
    return draw.choice([[], [b"\n"], lines[:1], [b"\n", *lines], [*lines, b"\n\n"]])


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bytes,
    _cut,
    _drop_a_column,
    _swap_columns,
    _rename_a_column,
    _odd_value,
    _nested_quotes,
    _mixed_line_ends,
    _other_encoding,
    _repeated_lines,
    _nothing_left,
)


def _json_object(line: bytes) -> dict[str, object]:
    """The line's object; empty where it is none, as after another mutation."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _fields(line: bytes) -> list[bytes]:
    return line.rstrip(b"\n").split(b",")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lines]:
    """Some lines of each feed, as a store delivers them."""
    folder = tmp_path_factory.mktemp("templates")
    simulate(folder / "landing", folder / "truth", Arguments(0.02, 8, 5, FIRST_DAY), lambda _: None)
    newest = {feed: max((folder / "landing" / feed).iterdir()) for feed in FEEDS}
    return {feed: gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:40] for feed, path in newest.items()}


def test_mutated_deliveries(shop: Shop, templates: dict[str, Lines]) -> None:
    assert_all_accounted(shop, templates, SHORT, seed=1)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_many_mutated_deliveries(
    shop: Shop, templates: dict[str, Lines], capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    ends = assert_all_accounted(shop, templates, LONG, seed)
    with capsys.disabled():
        print(f"\n{LONG:,} mutated deliveries: {dict(ends)}")


def assert_all_accounted(shop: Shop, templates: dict[str, Lines], count: int, seed: int) -> Counter[str]:
    shop.settings.sources_file.write_text(sources_yml())
    ends: Counter[str] = Counter()
    for number in range(count):
        draw = random.Random(f"{seed}/{number}")
        feed, ds = draw.choice(FEEDS), FIRST_DAY + timedelta(days=number % 60)
        path = _deliver(draw, shop, feed, ds, templates[feed])
        ends[_load(shop, feed, ds, number)] += 1
        path.unlink(missing_ok=True)
    assert ends["loaded"] > 0 < ends["refused"]
    return ends


def _deliver(draw: random.Random, shop: Shop, feed: str, ds: date, lines: Lines) -> Path:
    for mutate in draw.sample(MUTATIONS, draw.choice([1, 1, 2])):
        if lines and lines[0].strip() and (feed != "events" or mutate not in (_drop_a_column, _swap_columns)):
            lines = mutate(draw, lines) or [b""]
    packed = gzip.compress(b"".join(lines), compresslevel=1, mtime=0)
    if draw.random() < 0.1:
        packed = bytearray(packed)
        for _ in range(draw.randint(1, 3)):
            packed[draw.randrange(len(packed))] ^= 1 << draw.randrange(8)
    if draw.random() < 0.05:
        packed = packed[: draw.randrange(len(packed))]
    path = shop.settings.landing_folder / feed / f"{ds}.{'jsonl' if feed == 'events' else 'csv'}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed)
    return path


def _load(shop: Shop, feed: str, ds: date, number: int) -> str:
    before = _partition(shop, feed, ds)
    try:
        ingest(shop.settings, [feed], ds, ds, lambda line: None)
    except NightshiftError as error:
        assert str(error).isprintable(), (number, str(error))
        assert feed in str(error) or str(ds) in str(error), (number, str(error))
        assert _partition(shop, feed, ds) == before, number
        return "refused"
    entry = ledger.partitions(Home(shop.root), feed)[ds]
    loaded, quarantined = (len(list(rows)) for rows in _rows(shop, feed, ds))
    assert (entry.rows_loaded, entry.rows_quarantined) == (loaded, quarantined), number
    assert entry.rows_in == entry.rows_loaded + entry.rows_duplicate + entry.rows_quarantined, number
    after = _partition(shop, feed, ds)
    ingest(shop.settings, [feed], ds, ds, lambda line: None, again=True)
    assert _partition(shop, feed, ds) == after, number
    return "loaded"


def _partition(shop: Shop, feed: str, ds: date) -> list[bytes | None]:
    files = [shop.root / kind / feed / f"ds={ds}" / "data.parquet" for kind in ("raw", "quarantine")]
    return [file.read_bytes() if file.exists() else None for file in files]


def _rows(shop: Shop, feed: str, ds: date) -> Iterator[list[tuple[object, ...]]]:
    yield [row for row in shop.raw(feed, "ds") if row == (ds,)]
    yield [row for row in shop.quarantined(feed, "ds", "ds") if row == (ds,)]

"""Truncated files and files with a flipped bit: refused by name wherever the format can tell, and counted where not."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from shop import Shop, lines

from pipelines import ledger, parquet_pages, unpacking
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.sources import Source, load_sources
from pipelines.whole_files import examine

ORDERS = ("order_id", "ordered_at", "status", "currency", "discount_amount")
ROWS = [
    (
        f"o{number}",
        f"2024-07-01T{number % 24:02}:00:00Z",
        ("paid", "placed")[number % 3 == 0],
        "GBP",
        f"{number / 7:.2f}",
    )
    for number in range(2_000)
]
TEXT = lines(",".join(ORDERS), [",".join(row) for row in ROWS]).encode()


def _parquet(has_checksums: bool) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({name: [row[place] for row in ROWS] for place, name in enumerate(ORDERS)})
    pq.write_table(table, sink, row_group_size=500, write_page_checksum=has_checksums)
    return bytes(sink.getvalue())


def _zstd(has_checksum: bool) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=has_checksum).compress(TEXT)


LONG = 1_000
# Name, whole content, and from where on every byte of it is covered by a checksum of the format. Before that: gzip's
# time of day and operating system, zstd's magic number, unused bit and size of window.
KINDS: dict[str, tuple[str, bytes]] = {
    "gzip": ("{ds}.csv.gz", gzip.compress(TEXT, mtime=0)),
    "zstd with a checksum, as its command writes": ("{ds}.csv.zst", _zstd(True)),
    "zstd without": ("{ds}.csv.zst", _zstd(False)),
    "Parquet with page checksums": ("{ds}.parquet", _parquet(True)),
    "Parquet without": ("{ds}.parquet", _parquet(False)),
}
CHECKED = [kind for kind in KINDS if "without" not in kind]
HEADERS = {"gzip": 10, "zstd with a checksum, as its command writes": 9}


def _flipped(draw: random.Random, content: bytes, first: int = 0, end: int | None = None) -> bytes:
    changed = bytearray(content)
    changed[draw.randrange(first, len(content) if end is None else end)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _truncated(draw: random.Random, content: bytes) -> bytes:
    return content[: draw.randrange(len(content))]


def _pages(content: bytes) -> tuple[int, int]:
    """From where to where the values of one data page lie: its checksum covers them, not the header before them."""
    column = pq.ParquetFile(pa.BufferReader(content)).metadata.row_group(0).column(0)
    end = column.dictionary_page_offset + column.total_compressed_size
    return end - column.total_compressed_size // 4, end


def _mapped(shop: Shop, kind: str, more: str = "") -> Source:
    name, _ = KINDS[kind]
    format = "parquet" if name.endswith("parquet") else "csv"
    shop.map(orders=f"{{uri: 'orders/{name}', format: {format}{more}}}")
    return load_sources(shop.settings.sources_file).feeds["orders"]


def _path(shop: Shop, kind: str) -> Path:
    return shop.deliver(f"orders/{KINDS[kind][0].format(ds='2024-07-01')}", "")


def _refusal(shop: Shop) -> str:
    with pytest.raises(NightshiftError) as caught:
        shop.ingest("orders")
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_hundred_damaged_files_are_refused_by_name(shop: Shop) -> None:
    draw = random.Random(1)
    for number in range(100):
        kind = CHECKED[number % 3]
        whole = KINDS[kind][1]
        first, end = _pages(whole) if "Parquet" in kind else (HEADERS[kind], len(whole))
        content = _truncated(draw, whole) if number % 2 else _flipped(draw, whole, first, end)
        _mapped(shop, kind)
        path = _path(shop, kind)
        path.write_bytes(content)
        assert _refusal(shop).startswith(f"orders/{path.name}: "), (number, kind)
        path.unlink()
    assert list(ledger.events(Home(shop.root), "loads/orders")) == []
    assert list(shop.root.glob("raw/orders/ds=*")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_taken(shop: Shop, kind: str) -> None:
    _mapped(shop, kind)
    _path(shop, kind).write_bytes(KINDS[kind][1])
    assert shop.ingest("orders").rows_loaded == len(ROWS)


def test_declared_hashes_leave_no_gap(shop: Shop) -> None:
    """Flips anywhere, of formats whose own checksums cover everything, some or nothing."""
    draw = random.Random(2)
    for number in range(100):
        kind = list(KINDS)[number % len(KINDS)]
        _mapped(shop, kind, ", complete: {marker: 'orders/{ds}.sha256', declares: sha256}")
        path, whole = _path(shop, kind), KINDS[kind][1]
        shop.deliver("orders/2024-07-01.sha256", f"{hashlib.sha256(whole).hexdigest()}  {path.name}\n")
        path.write_bytes(_flipped(draw, whole))
        assert _refusal(shop).startswith(f"orders/{path.name}: its SHA-256 is not the one"), (number, kind)
        path.unlink()


def _read(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        read = (
            "read_parquet($path)"
            if path.suffix == ".parquet"
            else "read_csv($path, all_varchar=true, compression='none')"
        )
        return connection.execute(f"from {read}", {"path": str(path)}).fetchall()


def _outcomes(shop: Shop, kind: str, flips: int) -> Counter[str]:
    """What becomes of files with one flipped bit anywhere: refused, the same rows, or other rows, taken in silence."""
    source, path, whole = _mapped(shop, kind), _path(shop, kind), KINDS[kind][1]
    outcomes: Counter[str] = Counter()
    for number in range(flips):
        path.write_bytes(_flipped(random.Random(f"{kind}/{number}"), whole))
        try:
            taken = examine(path, shop.settings.landing_folder, source, shop.root / "plain")
            outcomes["the same rows" if _read(taken.path) == ROWS else "other rows"] += 1
        except NightshiftError as error:
            assert str(error).startswith(f"orders/{path.name}: ")
            outcomes["refused"] += 1
        except duckdb.Error:
            outcomes["refused"] += 1
    return outcomes


# A page's checksum covers its values, not its header, nor the file's footer.
MOST_UNNOTICED = {"gzip": 0.0, "zstd with a checksum, as its command writes": 0.0, "Parquet with page checksums": 0.01}


@pytest.mark.parametrize(("kind", "share"), MOST_UNNOTICED.items())
def test_hardly_a_flipped_bit_anywhere_in_a_file_with_checksums_changes_a_row(
    shop: Shop, kind: str, share: float
) -> None:
    outcomes = _outcomes(shop, kind, 100)
    assert outcomes["other rows"] <= share * 100, outcomes
    assert outcomes["refused"] >= 80, outcomes


@pytest.mark.campaign
def test_what_share_of_flipped_bits_is_noticed(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shares = {kind: _outcomes(shop, kind, LONG) for kind in KINDS}
    with capsys.disabled():
        for kind, outcomes in shares.items():
            told = ", ".join(f"{name} {count / LONG:.1%}" for name, count in outcomes.most_common())
            print(f"\n{LONG:,} flipped bits, {kind}: {told}")
    for kind, share in MOST_UNNOTICED.items():
        assert shares[kind]["other rows"] <= share * LONG, kind


def _repeated_text() -> pa.Table:
    """One text of a mebibyte that stands in 2,000 rows, and once in the file."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), pa.array(["x" * (1 << 20)]))
    return pa.table({"order_id": text})


def _repeated_number() -> pa.Table:
    return pa.table({"order_id": pa.array([7] * 10_000_000, pa.int64())})


@pytest.mark.parametrize("table", [_repeated_text, _repeated_number])
def test_a_parquet_file_that_unpacks_without_end_is_refused(shop: Shop, table: Callable[[], pa.Table]) -> None:
    _mapped(shop, "Parquet without")
    path = _path(shop, "Parquet without")
    pq.write_table(table(), path, compression="zstd")
    assert path.stat().st_size < 300_000
    assert _refusal(shop) == "orders/2024-07-01.parquet: unpacks to more than 200 times its size; refused as a bomb"


@pytest.mark.parametrize("kind", ["gzip", "zstd without", "Parquet without"])
@pytest.mark.parametrize(
    ("bound", "value", "told"),
    [
        ("MAX_BYTES", 10_000, "is more than 0 GiB unpacked; refused, deliver it in several files"),
        ("MAX_SECONDS", 0.0, "not unpacked after 0 minutes; refused, deliver it in several files"),
    ],
)
def test_a_file_is_bounded_in_bytes_and_in_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str, bound: str, value: float, told: str
) -> None:
    _mapped(shop, kind)
    path = _path(shop, kind)
    path.write_bytes(KINDS[kind][1])
    monkeypatch.setattr(unpacking, bound, value)
    assert _refusal(shop) == f"orders/{path.name}: {told}"


def test_columns_of_every_kind_are_read_to_their_end(shop: Shop) -> None:
    """Also those that the mapping does not read, nested ones, and those that hold nothing."""
    shop.map(customers="{uri: 'c/{ds}.parquet', format: parquet, select: {customer_id: id}}")
    path = shop.deliver("c/2024-07-01.parquet", "")
    rows = {
        "id": ["a", None],
        "blob": [b"x", None],
        "list": [["p"], []],
        "object": [{"k": "v"}, None],
        "none": [None] * 2,
    }
    pq.write_table(pa.table(rows), path, write_page_checksum=True)
    assert parquet_pages.examine_parquet(path, "c") == tuple(rows)
    whole = path.read_bytes()
    column = pq.read_metadata(path).row_group(0).column(2)
    assert column.path_in_schema.startswith("list")
    place = column.dictionary_page_offset + column.total_compressed_size - 1
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(NightshiftError, match=r"^c/2024-07-01\.parquet: no whole Parquet file: .*; ask for it"):
        shop.ingest("customers")

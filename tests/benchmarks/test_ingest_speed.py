"""CPU of taking in clickstream against one hand-written DuckDB statement that makes the same rows in the same order.

The statement reads, trims, casts, applies the contract's rules, orders by key and writes one file a day. It runs on one
thread, as ingest does: on two, the rows of a day may end in two files. It leaves out what the rows of this store do
not need and raw/ promises all the same: keys that are there once, free text masked, archives proven whole, days judged,
hashes and a ledger. The figures say what those cost. Beside it stands the plainest statement: no more than read, cast
and write, in any order.
"""

from __future__ import annotations

import resource
import shutil
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import batch_checks, load_batch, loading
from pipelines.deliveries import file_stamp
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.settings import Settings
from pipelines.simulate import simulate, sources_yml
from pipelines.simulate.arguments import Arguments

RUNS = 3
# Every delivered file is hashed before it is read and after.
STAMPED = 2
READ = """
    from read_json('{landing}/events/*.jsonl.gz', format = 'newline_delimited', filename = true,
        columns = {{event_id: 'VARCHAR', visitor_id: 'VARCHAR', session_id: 'VARCHAR', customer_id: 'VARCHAR',
            occurred_at: 'VARCHAR', event_type: 'VARCHAR', sku: 'VARCHAR', quantity: 'VARCHAR', unit_price: 'VARCHAR',
            order_id: 'VARCHAR', device: 'VARCHAR', country: 'VARCHAR', traffic_source: 'VARCHAR',
            page_url: 'VARCHAR', attributes: 'VARCHAR'}})
"""
PLAIN = f"""
copy (
    select event_id, visitor_id, session_id, customer_id, occurred_at::timestamp as occurred_at, event_type, sku,
        quantity::decimal(18, 3) as quantity, unit_price::decimal(18, 4) as unit_price, order_id, device, country,
        traffic_source, split_part(page_url, '?', 1) as page_url, attributes,
        strptime(parse_filename(filename)[:10], '%Y-%m-%d')::date as ds
    {READ}
    where event_id is not null and visitor_id is not null and try_cast(occurred_at as timestamp) is not null
) to '{{target}}' (format parquet, partition_by (ds))
"""
TEXTS = "event_id visitor_id session_id customer_id event_type sku order_id device country traffic_source attributes"
# Only what has an edge to trim is copied; a text before '!' is empty or begins with a space.
EDGE = "{0} < '!' or suffix({0}, ' ') or strlen({0}) <> length({0})"
TRIMMED = ", ".join(
    f"case when {EDGE.format(name)} then nullif(trim({name}), '') else {name} end as {name}" for name in TEXTS.split()
)
# With the columns that ingest adds. London is an hour ahead of UTC from 30 March to 26 October 2025.
SAME = f"""
copy (
    select event_id, visitor_id, session_id, customer_id, occurred_at, event_type, sku, quantity, unit_price, order_id,
        device, country, traffic_source, page_url, attributes, false as is_deleted,
        (occurred_at + case when occurred_at >= '2025-03-30 01:00' and occurred_at < '2025-10-26 01:00'
            then interval 1 hour else interval 0 hour end)::date as business_date,
        ds as known_on, false as is_known_on_approximate, ds
    from (
        select {TRIMMED}, try_cast(occurred_at as timestamp) as occurred_at,
            try_cast(quantity as decimal(18, 3)) as quantity, quantity as quantity_text,
            try_cast(unit_price as decimal(18, 4)) as unit_price, unit_price as unit_price_text,
            split_part(page_url, '?', 1) as page_url, strptime(parse_filename(filename)[:10], '%Y-%m-%d')::date as ds
        {READ}
    )
    where event_id is not null and visitor_id is not null and occurred_at >= '2000-01-01' and occurred_at < ds + 2
        and event_type in ('page_view', 'search', 'product_view', 'add_to_cart', 'remove_from_cart', 'checkout_start',
            'purchase')
        and coalesce(quantity > 0, quantity_text is null) and coalesce(unit_price >= 0, unit_price_text is null)
    order by ds, event_id
) to '{{target}}' (format parquet, partition_by (ds))
"""
PARTS = {
    (loading, "examine"): "unpack files and prove them whole",
    (load_batch, "read_files"): "read, trim, mask, type, judge rows",
    (load_batch, "mark_duplicates"): "find repeated keys",
    (batch_checks, "check_batch"): "judge days",
    (loading, "write_days"): "sort and write",
    (loading, "_make_visible"): "flush, rename, record",
}


def _cpu_seconds(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _by_part(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """CPU seconds of each part of every load from now on, added up."""
    spent: dict[str, float] = defaultdict(float)

    def measured(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def run(*arguments: Any) -> Any:
            results: list[Any] = []
            spent[part] += _cpu_seconds(lambda: results.append(work(*arguments)))
            return results[0]

        return run

    for (module, name), part in PARTS.items():
        monkeypatch.setattr(module, name, measured(part, getattr(module, name)))
    return spent


@pytest.mark.campaign
@pytest.mark.parametrize(("days", "scale"), [(365, 0.15), (90, 1.0)])
def test_clickstream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, days: int, scale: float
) -> None:
    home = Home.create(tmp_path / "home")
    (home.root / "sources.yml").write_text(sources_yml())
    arguments = Arguments(days=days, scale=scale, feeds=frozenset({"events", "calendar"}))
    simulate(home.landing, home.root / "truth", arguments, lambda line: None)
    settings = Settings.load(home=home.root)
    ingest(settings, ["calendar"], None, None, lambda line: None)
    spent = _by_part(monkeypatch)
    same, plain, ours, parts = [], [], [], []
    for number in range(RUNS):
        for seconds, statement, name in ((same, SAME, "same"), (plain, PLAIN, "plain")):
            target = tmp_path / f"{name}_{number}"
            by_hand = statement.format(landing=home.landing, target=target)
            with duckdb.connect(config={"threads": 1}) as connection:
                seconds.append(_cpu_seconds(lambda by_hand=by_hand, run=connection.execute: run(by_hand)))
        for folder in (home.raw / "events", home.ledger / "loads" / "events"):
            shutil.rmtree(folder, ignore_errors=True)
        spent.clear()
        ours.append(_cpu_seconds(lambda: ingest(settings, ["events"], None, None, lambda line: None)))
        parts.append(dict(spent))
    delivered = sorted(home.landing.glob("events/*"))
    hashing = _cpu_seconds(lambda: [file_stamp(path, home.landing) for path in delivered * STAMPED])
    written = f"select * from read_parquet('{home.raw}/events/*/data.parquet', hive_partitioning = true)"
    by_hand = f"select * from read_parquet('{tmp_path}/same_0/*/*.parquet', hive_partitioning = true)"
    count = duckdb.sql(f"select count(*) from ({written})").fetchall()[0][0]
    assert count > 0
    # Rows that were delivered twice are there twice by hand.
    assert duckdb.sql(f"({written} except {by_hand}) union all ({by_hand} except {written})").fetchall() == []
    least = min(ours)
    of_least = parts[ours.index(least)]
    shares = {**of_least, "hash files": hashing, "all else": least - sum(of_least.values()) - hashing}
    with capsys.disabled():
        print(
            f"\n{count:,} events of {days} days, least of {RUNS} runs: {least:.1f} CPU s; by hand {min(same):.1f} for "
            f"the same rows in the same order, ratio without hashing {(least - hashing) / min(same):.2f}; "
            f"{min(plain):.1f} for the plainest statement, ratio {(least - hashing) / min(plain):.2f}"
        )
        print("of them " + ", ".join(f"{seconds:.1f} to {part}" for part, seconds in shares.items()))

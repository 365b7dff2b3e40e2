"""CPU of taking in clickstream against one hand-written DuckDB statement that reads, casts and writes the same rows."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.deliveries import file_stamp
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.settings import Settings
from pipelines.simulate import simulate, sources_yml
from pipelines.simulate.arguments import Arguments

RUNS = 3
# Every delivered file is hashed before it is read and after.
STAMPED = 2
BY_HAND = """
copy (
    select event_id, visitor_id, session_id, customer_id, occurred_at::timestamp as occurred_at, event_type, sku,
        quantity::decimal(18, 3) as quantity, unit_price::decimal(18, 4) as unit_price, order_id, device, country,
        traffic_source, split_part(page_url, '?', 1) as page_url, attributes{lineage},
        strptime(parse_filename(filename)[:10], '%Y-%m-%d')::date as ds
    from read_json('{landing}/events/*.jsonl.gz', format = 'newline_delimited', filename = true,
        columns = {{event_id: 'VARCHAR', visitor_id: 'VARCHAR', session_id: 'VARCHAR', customer_id: 'VARCHAR',
            occurred_at: 'VARCHAR', event_type: 'VARCHAR', sku: 'VARCHAR', quantity: 'VARCHAR', unit_price: 'VARCHAR',
            order_id: 'VARCHAR', device: 'VARCHAR', country: 'VARCHAR', traffic_source: 'VARCHAR',
            page_url: 'VARCHAR', attributes: 'VARCHAR'}})
    where event_id is not null and visitor_id is not null and try_cast(occurred_at as timestamp) is not null{order}
) to '{target}' (format parquet, partition_by (ds))
"""
# The columns that ingest adds and the order it promises. London is an hour ahead of UTC from 30 March to 26 October.
LINEAGE = """, false as is_deleted,
        (occurred_at::timestamp + case when occurred_at::timestamp >= '2025-03-30 01:00'
            and occurred_at::timestamp < '2025-10-26 01:00' then interval 1 hour else interval 0 hour end)::date
            as business_date,
        strptime(parse_filename(filename)[:10], '%Y-%m-%d')::date as known_on, false as is_known_on_approximate"""
ORDER = " order by ds, event_id"


def _cpu_seconds(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.campaign
@pytest.mark.parametrize(("days", "scale"), [(365, 0.15), (90, 1.0)])
def test_clickstream(tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, scale: float) -> None:
    home = Home.create(tmp_path / "home")
    (home.root / "sources.yml").write_text(sources_yml())
    arguments = Arguments(days=days, scale=scale, feeds=frozenset({"events", "calendar"}))
    simulate(home.landing, home.root / "truth", arguments, lambda line: None)
    settings = Settings.load(home=home.root)
    ingest(settings, ["calendar"], None, None, lambda line: None)
    same, plain, ours = [], [], []
    for number in range(RUNS):
        for seconds, lineage, order in ((same, LINEAGE, ORDER), (plain, "", "")):
            target = tmp_path / f"by_hand_{len(order)}_{number}"
            statement = BY_HAND.format(landing=home.landing, target=target, lineage=lineage, order=order)
            seconds.append(_cpu_seconds(lambda statement=statement: duckdb.connect().execute(statement)))
        for folder in (home.raw / "events", home.ledger / "loads" / "events"):
            shutil.rmtree(folder, ignore_errors=True)
        ours.append(_cpu_seconds(lambda: ingest(settings, ["events"], None, None, lambda line: None)))
    delivered = sorted(home.landing.glob("events/*"))
    hashing = _cpu_seconds(lambda: [file_stamp(path, home.landing) for path in delivered * STAMPED])
    written = f"select * from read_parquet('{home.raw}/events/*/data.parquet', hive_partitioning = true)"
    by_hand = f"select * from read_parquet('{tmp_path}/by_hand_{len(ORDER)}_0/*/*.parquet', hive_partitioning = true)"
    count = duckdb.sql(f"select count(*) from ({written})").fetchall()[0][0]
    assert count > 0
    # Rows that were delivered twice are there twice by hand.
    assert duckdb.sql(f"({written} except {by_hand}) union all ({by_hand} except {written})").fetchall() == []
    with capsys.disabled():
        least = min(ours) - hashing
        print(
            f"\n{count:,} events of {days} days, least of {RUNS} runs: {min(ours):.1f} CPU s, {hashing:.1f} of them to "
            f"hash files; by hand {min(same):.1f} CPU s for the same rows in the same order, ratio without hashing "
            f"{least / min(same):.2f}; {min(plain):.1f} without lineage and order, ratio {least / min(plain):.2f}"
        )

"""The simulated store is deterministic and keeps its own books."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from pipelines.errors import NightshiftError, UsageError
from pipelines.feeds import EVENT_TYPES, FEEDS
from pipelines.simulate import SimulatedStore, drops, simulate, sources_yml
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.text import delivered_columns
from pipelines.sources import load_sources

SCALE, DAYS, SEED = 0.02, 60, 11
# The 60 days hold the holiday peak, which empties shelves, and Christmas Day, when the shop is closed.
FIRST_DAY = date(2025, 11, 3)


def write(
    folder: Path,
    *,
    first_day: date = FIRST_DAY,
    days: int = DAYS,
    seed: int = SEED,
    feeds: Collection[str] = tuple(FEEDS),
    dirty: float = 0.0,
    scale: float = SCALE,
    format: str = drops.TEXT,
) -> SimulatedStore:
    landing, truth = folder / "landing", folder / "truth"
    arguments = Arguments(scale, days, seed, first_day, frozenset(feeds), dirty, format)
    return simulate(landing, truth, arguments, lambda _: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SimulatedStore:
    return write(tmp_path_factory.mktemp("store"))


def digests(landing: Path) -> dict[str, str]:
    return {
        str(path.relative_to(landing)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(landing.glob("*/*"))
    }


def drop_lines(store: SimulatedStore, feed: str, day: date) -> list[str]:
    (path,) = (store.landing / feed).glob(f"{day}.*.gz")
    return gzip.decompress(path.read_bytes()).decode().splitlines()


def days_of(store: SimulatedStore) -> list[date]:
    return [store.first_day + timedelta(days=day) for day in range((store.last_day - store.first_day).days + 1)]


def delivered(store: SimulatedStore, feed: str) -> pd.DataFrame:
    """All rows of a feed as text, in the order of delivery; missing fields are empty."""
    rows = []
    for day in days_of(store):
        lines = drop_lines(store, feed, day)
        drop = [json.loads(line) for line in lines] if feed == "events" else list(csv.DictReader(lines))
        rows += [{**row, "ds": str(day)} for row in drop]
    return pd.DataFrame(rows, columns=[*delivered_columns(feed), "ds"]).fillna("")


def truth(store: SimulatedStore, table: str) -> pd.DataFrame:
    return pd.read_parquet(store.truth / f"{table}.parquet")


def first_state(store: SimulatedStore, feed: str) -> pd.DataFrame:
    return delivered(store, feed).drop_duplicates(list(FEEDS[feed].key), keep="first")


def test_same_arguments_give_the_same_bytes(store: SimulatedStore, tmp_path: Path) -> None:
    again = write(tmp_path)
    assert digests(again.landing) == digests(store.landing)
    assert again.rows == store.rows
    for table in ("sku", "sku_day", "line", "injected"):
        assert (again.truth / f"{table}.parquet").read_bytes() == (store.truth / f"{table}.parquet").read_bytes()


def test_another_seed_is_another_store(store: SimulatedStore, tmp_path: Path) -> None:
    other = digests(write(tmp_path, days=3, seed=SEED + 1).landing)
    same = digests(store.landing)
    # The calendar is everybody's, and on the first days nothing has been shipped or sent back.
    own = ("customers", "events", "inventory", "order_lines", "orders", "products")
    assert not [name for name in other if name.startswith(own) and other[name] == same[name]]


def test_the_first_days_do_not_depend_on_how_many_follow(store: SimulatedStore, tmp_path: Path) -> None:
    first = digests(write(tmp_path, days=30).landing)
    whole, days = digests(store.landing), {str(day) for day in days_of(store)[:30]}
    # The feeds, and the log of cart messages.
    assert len(first) == 30 * len(FEEDS)
    assert first == {name: digest for name, digest in whole.items() if Path(name).name[:10] in days}


def test_chosen_feeds_are_the_same_as_in_the_whole_store(store: SimulatedStore, tmp_path: Path) -> None:
    some = write(tmp_path, days=5, feeds=("events", "orders"))
    assert list(some.rows) == ["orders", "events"]
    written, whole = digests(some.landing), digests(store.landing)
    assert len(written) == 10
    assert written.items() <= whole.items()


def test_a_store_that_is_there_is_left_alone(tmp_path: Path) -> None:
    once = write(tmp_path, days=2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert write(tmp_path, days=2) == once
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_interrupted_store_is_completed(tmp_path: Path) -> None:
    whole = digests(write(tmp_path, days=2).landing)
    (tmp_path / "landing" / "orders" / f"{FIRST_DAY}.csv.gz").unlink()
    write(tmp_path, days=2)
    assert digests(tmp_path / "landing") == whole


def test_folders_with_something_else_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", days=1)
    with pytest.raises(NightshiftError, match=r"another simulated store \(days 1\)"):
        write(tmp_path / "a", days=2)
    real = tmp_path / "b" / "landing" / "orders" / "export.csv"
    real.parent.mkdir(parents=True)
    real.write_text("order_id\n")
    with pytest.raises(NightshiftError, match="already holds deliveries of orders"):
        write(tmp_path / "b", days=1)


@pytest.mark.parametrize(
    "bad", [{"days": 0}, {"scale": 0.0}, {"seed": -1}, {"dirty": 1.5}, {"feeds": ("order",)}, {"format": "xml"}]
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        write(tmp_path, **bad)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_smallest_store_runs(tmp_path: Path) -> None:
    tiny = write(tmp_path, days=3, scale=0.0001)
    assert tiny.rows["products"] <= 3


@pytest.mark.parametrize("format", drops.FORMATS)
def test_sources_yml_maps_every_drop(tmp_path: Path, format: str) -> None:
    store = write(tmp_path, days=2, format=format)
    (tmp_path / "sources.yml").write_text(sources_yml(format))
    sources = load_sources(tmp_path / "sources.yml")
    assert set(sources.feeds) == set(FEEDS)
    assert str(sources.store.timezone) == "Europe/London"
    for source in sources.feeds.values():
        for day in days_of(store):
            assert (store.landing / source.uri.replace("{ds}", str(day))).is_file()


def test_the_command_writes_the_format_and_the_mapping_of_it(tmp_path: Path) -> None:
    options = f"simulate --home {tmp_path} --scale 0.01 --days 2 --feeds orders,events,cart_messages --format parquet"
    assert CliRunner().invoke(cli, options.split()).exit_code == 0
    source = load_sources(tmp_path / "sources.yml").feeds["events"]
    assert (source.uri, source.format) == ("events/{ds}.parquet", "parquet")
    files = [path.relative_to(tmp_path / "landing") for path in sorted((tmp_path / "landing").glob("*/*"))]
    assert [str(path) for path in files] == [
        f"{feed}/2025-01-0{day}.parquet" for feed in ("cart_messages", "events", "orders") for day in (1, 2)
    ]


def test_rows_are_counted_as_delivered(store: SimulatedStore) -> None:
    assert {feed: len(delivered(store, feed)) for feed in FEEDS} == store.rows
    assert all(store.rows.values())


def test_a_day_without_rows_is_a_header_alone(store: SimulatedStore) -> None:
    assert drop_lines(store, "returns", FIRST_DAY) == [",".join(delivered_columns("returns"))]


@pytest.mark.parametrize("feed", [feed for feed in FEEDS if feed != "calendar"])
def test_required_columns_are_filled_and_values_allowed(store: SimulatedStore, feed: str) -> None:
    rows = delivered(store, feed)
    for column in FEEDS[feed].columns:
        if column.required:
            assert (rows[column.name] != "").all(), column.name
        if column.values:
            assert set(rows[column.name]) <= set(column.values)


@pytest.mark.parametrize("feed", [feed for feed in FEEDS if feed != "events"])
def test_a_key_comes_once_in_a_drop(store: SimulatedStore, feed: str) -> None:
    assert not delivered(store, feed).duplicated([*FEEDS[feed].key, "ds"]).any()


def test_units_sold_and_lost_are_the_true_demand(store: SimulatedStore) -> None:
    lines = first_state(store, "order_lines")
    ordered = lines.assign(units=lines["quantity"].astype(int)).groupby(["sku", "ds"])["units"].sum()
    day = truth(store, "sku_day")
    day["ds"] = day["sold_on"].astype(str)
    known = day.set_index(["sku", "ds"])
    sold = ordered.reindex(known.index, fill_value=0)
    assert int(ordered.sum()) == int(sold.sum()) > 500
    assert (sold + known["true_lost_units"] == known["true_demand_units"]).all()
    assert known["true_lost_units"].sum() > 0
    assert (known.loc[known["true_lost_units"] > 0, "closing_units"] == 0).all()


def test_the_shelf_is_never_negative_and_only_holds_what_came_in(store: SimulatedStore) -> None:
    stock = delivered(store, "inventory").astype({"on_hand": int, "on_order": int})
    assert (stock[["on_hand", "on_order"]] >= 0).all().all()
    day = truth(store, "sku_day")
    day["ds"] = day["sold_on"].astype(str)
    both = stock.merge(day, on=["sku", "ds"]).sort_values(["sku", "ds"])
    assert len(both) == len(stock) == len(day)
    assert (both["on_hand"] == both["closing_units"]).all()
    assert (both["is_in_stock"] == (both["on_hand"] > 0)).all()
    opening = both.groupby("sku")["on_hand"].shift()
    received = both["on_hand"] + both["sold_units"] - opening
    assert (received.dropna() >= 0).all()


def test_nothing_is_ordered_on_a_closed_day(store: SimulatedStore) -> None:
    calendar = delivered(store, "calendar")
    assert set(calendar.loc[calendar["is_open"] == "false", "date"]) == {"2025-12-25", "2026-12-25"}
    day = truth(store, "sku_day")
    is_closed = day["sold_on"] == date(2025, 12, 25)
    assert (day.loc[is_closed, ["true_demand_mean", "true_demand_units"]] == 0).all().all()
    assert "2025-12-25" not in set(first_state(store, "orders")["ds"])


def test_instants_lie_in_their_own_day_also_when_the_clocks_change(tmp_path: Path) -> None:
    days = write(tmp_path, first_day=date(2025, 10, 25), days=3, scale=0.1)
    orders = first_state(days, "orders")
    local = pd.to_datetime(orders["ordered_at"]).dt.tz_convert("Europe/London")
    assert (local.dt.date.astype(str) == orders["ds"]).all()
    # Summer time until the 26th at 02:00, so that the same hour is another one in UTC.
    assert set(local.dt.strftime("%z")) == {"+0100", "+0000"}
    events = delivered(days, "events")
    assert not (events["occurred_at"] < "2025-10-24T23:00:00Z").any()
    assert not (events["occurred_at"] >= "2025-10-28T00:00:00Z").any()


def test_purchases_in_the_clickstream_are_the_orders(store: SimulatedStore) -> None:
    events = first_state(store, "events")
    # An event may be up to three days late, so the orders of the last three days may lack theirs.
    complete = str(store.last_day - timedelta(days=3))
    orders, lines = first_state(store, "orders"), first_state(store, "order_lines")
    whole = orders.loc[orders["ds"] <= complete, "order_id"]
    bought = events[(events["event_type"] == "purchase") & events["order_id"].isin(whole)]
    of_line = lines[lines["order_id"].isin(whole)].set_index(["order_id", "sku"]).sort_index()
    of_event = bought.set_index(["order_id", "sku"]).sort_index()
    assert list(of_event.index) == list(of_line.index)
    assert (of_event["quantity"].astype(float) == of_line["quantity"].astype(float)).all()
    assert set(of_event["occurred_at"]) == set(orders.loc[orders["ds"] <= complete, "ordered_at"])
    assert set(events.loc[events["event_type"] == "purchase", "order_id"]) <= set(orders["order_id"])


def test_a_visit_goes_down_the_funnel(store: SimulatedStore) -> None:
    events = first_state(store, "events")
    assert set(events["event_type"]) == set(EVENT_TYPES)
    complete = events[events["session_id"].isin(_delivered_whole(store, events))]
    steps = complete.groupby("session_id")["event_type"].agg(set)
    assert all("page_view" in seen for seen in steps)
    assert all("product_view" in seen for seen in steps if "add_to_cart" in seen)
    # Who comes back for a cart finds it filled.
    filled_before = [seen for seen in steps if "checkout_start" in seen and "add_to_cart" not in seen]
    assert all("purchase" in seen for seen in filled_before)
    carts = truth(store, "cart")
    assert 0 < len(filled_before) <= (carts["state"].eq("abandoned") & carts["is_purchased"]).sum()
    assert all("checkout_start" in seen for seen in steps if "purchase" in seen)
    bought, carted = (sum(kind in seen for seen in steps) for kind in ("purchase", "add_to_cart"))
    assert 0 < bought < carted < len(steps)


def _delivered_whole(store: SimulatedStore, events: pd.DataFrame) -> set[str]:
    """Sessions old enough that none of their events can still be under way."""
    last = events.groupby("session_id")["occurred_at"].max()
    return set(last.index[last < str(store.last_day - timedelta(days=3))])


def test_events_come_up_to_three_days_late_and_some_twice(store: SimulatedStore) -> None:
    events = delivered(store, "events")
    # There is no summer time in these months.
    local = pd.to_datetime(events["occurred_at"].str[:10])
    late = Counter((pd.to_datetime(events["ds"]) - local).dt.days)
    assert set(late) == {0, 1, 2, 3}
    assert late[0] > 0.97 * len(events)
    repeated = events[events.duplicated("event_id", keep=False)]
    assert len(repeated) > 0
    content = repeated.drop(columns="ds").drop_duplicates()
    assert content["event_id"].is_unique


def test_an_order_changes_state_on_later_days(store: SimulatedStore) -> None:
    orders = delivered(store, "orders")
    histories = orders.groupby("order_id", sort=False)["status"].agg(tuple)
    assert set(histories) == {("paid",), ("paid", "fulfilled"), ("paid", "cancelled")}
    cancelled = orders[orders["status"] == "cancelled"]
    assert (cancelled["cancelled_at"] > cancelled["ordered_at"]).all()
    parcels = set(delivered(store, "shipments")["order_id"])
    assert parcels == set(orders.loc[orders["status"] == "fulfilled", "order_id"])


def test_returns_are_those_of_the_truth(store: SimulatedStore) -> None:
    requested = first_state(store, "returns").set_index("order_line_id").sort_index()
    lines = truth(store, "line")
    due = lines[lines["is_returned"] & (lines["return_requested_on"] <= store.last_day)]
    due = due.set_index("order_line_id").sort_index()
    assert list(requested.index) == list(due.index)
    assert len(due) > 20
    assert (requested["ds"] == due["return_requested_on"].astype(str)).all()
    assert (requested["quantity"].astype(int) == due["returned_quantity"]).all()
    assert (due["returned_quantity"] + due["cancelled_quantity"] <= due["quantity"]).all()
    assert not due["is_cancelled"].any()
    assert (requested["reason"] == due["return_reason"]).all()
    assert set(delivered(store, "returns")["status"]) <= {"requested", "received", "refunded", "rejected"}


def test_a_clean_store_has_nothing_injected(store: SimulatedStore) -> None:
    assert len(truth(store, "injected")) == 0

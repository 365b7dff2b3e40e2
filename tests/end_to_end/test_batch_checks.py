"""A simulated store's feeds, six weeks as they were and then a day that went wrong: the checks see it, and only it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shop import Shop, nightshift

from pipelines import ledger, status
from pipelines.errors import CheckFailedError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.ingest import ingest
from pipelines.settings import Settings
from pipelines.simulate import drops, simulate, sources_yml
from pipelines.simulate.arguments import Arguments

FIRST_DAY, DAYS = date(2025, 2, 1), 46
JUDGED = FIRST_DAY + timedelta(days=42)
Rows = list[dict[str, Any]]
Change = Callable[["Store", Rows], Rows]


@dataclass(frozen=True)
class Store:
    """`shop` has loaded the days before `JUDGED`; its later deliveries lie in landing."""

    shop: Shop
    log: list[str] = field(default_factory=list)

    def rows(self, feed: str, ds: date = JUDGED) -> Rows:
        text = gzip.decompress(self._path(feed, ds).read_bytes()).decode()
        if feed == "events":
            return [json.loads(line) for line in text.splitlines()]
        return list(csv.DictReader(io.StringIO(text)))

    def deliver(self, feed: str, rows: Rows) -> None:
        if feed == "events":
            text = "".join(json.dumps(row) + "\n" for row in rows)
        else:
            out = io.StringIO()
            writer = csv.DictWriter(out, FEEDS[feed].column_names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            text = out.getvalue()
        self._path(feed, JUDGED).write_bytes(gzip.compress(text.encode()))

    @contextmanager
    def delivering(self, feed: str, change: Change) -> Iterator[None]:
        """The judged day's delivery as `change` leaves it; afterwards it is again as it was."""
        rows = self.rows(feed)
        self.deliver(feed, change(self, rows))
        yield
        self.deliver(feed, rows)

    def load(self, feed: str) -> dict[str, str]:
        """Load the judged day; severity by measure of what was found of it."""
        self.log.clear()
        settings = self.shop.settings
        ingest(settings, [feed], JUDGED, JUDGED, self.log.append, again=True)
        return {finding["measure"]: finding["severity"] for finding in self.entry(feed).get("findings", [])}

    def entry(self, feed: str) -> Mapping[str, Any]:
        event = ledger.latest(Home(self.shop.root), f"loads/{feed}")
        assert event is not None
        (entry,) = event["partitions"]
        assert entry["ds"] == str(JUDGED)
        return dict(entry)

    def stopped(self, feed: str) -> str:
        """The message that keeps the judged day out; nothing of the feed changes."""
        before = self.shop.raw(feed), ledger.partitions(Home(self.shop.root), feed)
        with pytest.raises(CheckFailedError) as caught:
            self.load(feed)
        assert (self.shop.raw(feed), ledger.partitions(Home(self.shop.root), feed)) == before
        return str(caught.value)

    def _path(self, feed: str, ds: date) -> Path:
        return drops.path(self.shop.settings.landing_folder, feed, str(ds), drops.TEXT)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    shop = Shop(tmp_path_factory.mktemp("checks") / "home")
    arguments = Arguments(0.15, DAYS, 3, FIRST_DAY)
    simulate(shop.settings.landing_folder, shop.root / "truth", arguments, lambda line: None)
    shop.settings.sources_file.write_text(sources_yml())
    ingest(shop.settings, None, None, JUDGED - timedelta(days=1), lambda line: None)
    return Store(shop)


def put(name: str, value: Any) -> Change:
    return lambda store, rows: [{**row, name: value} for row in rows]


def times(name: str, factor: int) -> Change:
    return lambda store, rows: [{**row, name: float(row[name]) * factor} if row.get(name) else row for row in rows]


def clock_ahead(name: str, hours: int) -> Change:
    def moved(text: str) -> str:
        return f"{datetime.fromisoformat(text.removesuffix('Z')) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}Z"

    return lambda store, rows: [{**row, name: moved(row[name])} for row in rows]


def until_noon(name: str) -> Change:
    return lambda store, rows: [row for row in rows if row[name] < f"{JUDGED}T12:00"]


def every_second(store: Store, rows: Rows) -> Rows:
    return rows[::2]


def as_the_day_before(feed: str) -> Change:
    return lambda store, rows: store.rows(feed, JUDGED - timedelta(days=1))


def eleven_days(feed: str) -> Change:
    return lambda store, rows: [row for n in range(11) for row in store.rows(feed, JUDGED - timedelta(days=n))]


def nothing(store: Store, rows: Rows) -> Rows:
    return []


STOPPED = [
    ("events", until_noon("occurred_at"), "silent_hours_rise", "12 silent hours at the day's end, usually 0"),
    ("products", every_second, "rows_ratio", "usually 224 on such a day"),
    ("inventory", every_second, "rows_ratio", "usually 224 on such a day"),
    ("orders", nothing, "rows_ratio", "0 rows, usually 1"),
    ("events", eleven_days("events"), "rows_ratio", " rows, usually 2,085 on such a day"),
    ("events", put("sku", None), "sku_null_rise", "100.0% null, usually 2"),
    ("orders", put("customer_id", ""), "customer_id_null_rise", "100.0% null, usually "),
    ("products", put("list_price", ""), "list_price_null_rise", "100.0% null, usually 0.0%"),
    ("order_lines", times("unit_price", 100), "unit_price_median_ratio", "median unit_price 2,"),
    ("events", times("unit_price", 100), "unit_price_median_ratio", "median unit_price 2,"),
    ("products", times("list_price", 100), "list_price_median_ratio", "median list_price 2,"),
    ("events", clock_ahead("occurred_at", -6), "day_part_shift", "0.0% from 18:00 to 21:00, usually 2"),
    ("events", clock_ahead("occurred_at", 8), "ahead_rise", "of later days, usually 0.0%"),
    ("events", as_the_day_before("events"), "late_rise", "100.0% of earlier days, usually 1"),
    ("orders", as_the_day_before("orders"), "repeated_days", f"the same rows as {JUDGED - timedelta(days=1)}"),
    ("order_lines", as_the_day_before("order_lines"), "repeated_days", "the same rows as"),
    ("shipments", as_the_day_before("shipments"), "repeated_days", "the same rows as"),
    ("orders", put("status", "cancelled"), "status_shift", "100.0% cancelled, usually 1"),
    ("orders", put("currency", "EUR"), "currency_shift", "100.0% EUR, usually 0.0%"),
    ("inventory", put("on_hand", "0"), "on_hand_mean_ratio", "mean on_hand 0.00, usually 1"),
]


@pytest.mark.parametrize(("feed", "change", "measure", "told"), STOPPED)
def test_a_day_that_cannot_be_is_kept_out(store: Store, feed: str, change: Change, measure: str, told: str) -> None:
    with store.delivering(feed, change):
        message = store.stopped(feed)
    assert message.startswith(f"{feed} {JUDGED}: ")
    assert told in message
    assert f"(critical: expect_column_values_to_be_between(column={measure}, " in message
    assert f"{JUDGED} is not loaded" in message
    assert message.endswith(f"nightshift ingest {feed} --from {JUDGED} --to {JUDGED} --accept-checks")


WARNED = [
    ("events", every_second, {"rows_ratio"}),
    ("orders", every_second, {"rows_ratio"}),
    ("order_lines", every_second, {"rows_ratio"}),
    ("orders", put("channel", ""), {"channel_null_rise"}),
    ("events", put("device", "mobile"), {"device_shift"}),
    # Local summer time taken for UTC.
    ("events", clock_ahead("occurred_at", 1), {"ahead_rise"}),
    ("inventory", as_the_day_before("inventory"), {"repeated_days"}),
    # A catalog may well stay as it is.
    ("products", as_the_day_before("products"), set()),
]


@pytest.mark.parametrize(("feed", "change", "measures"), WARNED)
def test_a_day_that_may_be_is_loaded_with_a_warning(
    store: Store, feed: str, change: Change, measures: set[str]
) -> None:
    with store.delivering(feed, change):
        assert store.load(feed) == dict.fromkeys(measures, "warning")
    lines = [line for line in store.log if line.startswith("check: ")]
    assert len(lines) == len(measures)
    assert all(line.startswith(f"check: {feed} {JUDGED}: ") for line in lines)


def test_the_day_as_it_was_is_loaded_without_a_word(store: Store) -> None:
    assert {feed: store.load(feed) for feed in FEEDS} == {feed: {} for feed in FEEDS}
    assert [line for line in store.log if line.startswith("check: ")] == []


def test_a_surprise_that_is_accepted_is_loaded_and_told(store: Store) -> None:
    with store.delivering("orders", put("status", "cancelled")):
        message = store.stopped("orders")
        (line,) = [
            line for line in status.report(store.shop.settings).splitlines() if line.startswith("checks: orders")
        ]
        assert line.startswith(f"checks: orders not loaded, {JUDGED}: 100.0% cancelled, usually ")
        # The command that the message ends with.
        _, command, *arguments = message[message.index("nightshift ingest ") :].split()
        assert nightshift(store.shop.root, command, *arguments).returncode == 0
        (finding,) = store.entry("orders")["findings"]
        assert (finding["severity"], finding["measure"], finding["is_accepted"]) == ("critical", "status_shift", True)
        assert store.shop.raw("orders", "distinct status", "1")[0] == ("cancelled",)
        (line,) = [
            line for line in status.report(store.shop.settings).splitlines() if line.startswith("checks: orders")
        ]
        assert line.startswith("checks: orders 1 finding on 1 of the last 7 days, accepted, newest ")
    # The day delivered again as it was: what was found of its earlier delivery is past.
    assert store.load("orders") == {}
    assert "checks: orders" not in status.report(store.shop.settings)


def test_a_backfill_is_judged_by_its_own_earlier_days(store: Store, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "home")
    shop.settings.sources_file.write_text(sources_yml())
    settings = Settings.load(home=shop.root, landing=store.shop.settings.landing_folder)
    with store.delivering("order_lines", times("unit_price", 100)), pytest.raises(CheckFailedError) as caught:
        ingest(settings, ["order_lines"], None, None, lambda line: None)
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    assert str(caught.value).startswith(f"order_lines {JUDGED}: median unit_price ")
    assert f"; {FIRST_DAY} to {last} are not loaded; " in str(caught.value)
    assert shop.raw("order_lines") == []


def test_the_command_says_in_one_line_why_a_day_is_not_loaded(store: Store) -> None:
    with store.delivering("orders", nothing):
        done = nightshift(store.shop.root, "ingest", "orders", "--from", str(JUDGED), "--to", str(JUDGED))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "orders" in line]
    assert f"orders {JUDGED}: 0 rows, usually " in line

"""The export of carts to recover: who is written to, who is not and why; planted carts on a real warehouse."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from shop import LAST_DAY, nightshift

from pipelines import night_exports, nights
from pipelines.recovery import CartRecovery
from pipelines.settings import Settings

POLICY, OWNER = CartRecovery(), "a test"
# Half of all carts bought, without a message, and a margin of 20: 0.3 x 0.5 x 0.5 x 20 - 0.10 = 1.40 is to be won.
WON = 1.40
# Of each planted cart: what else is so, and what comes of it.
PLANTED: dict[str, tuple[str, str | None]] = {
    "as usual": ("select 1", None),
    "a bot's": ("update features.feat_cart set is_bot = true where cart_key = $cart", "bot"),
    "nobody's": ("update predictions set customer_id = null where cart_key = $cart", "address_unknown"),
    "without an address": (
        "update marts.dim_customer set has_email = false where customer_id = $customer",
        "address_unknown",
    ),
    "without consent": (
        "update marts.dim_customer set has_marketing_consent = false where customer_id = $customer",
        "no_consent",
    ),
    "bought on another device": (
        "insert into marts.fct_orders (order_id, customer_id, ordered_at) values ('new', $customer, $later)",
        "bought_since",
    ),
    "bought before": (
        "insert into marts.fct_orders (order_id, customer_id, ordered_at) values ('old', $customer, $earlier)",
        None,
    ),
    "bought without an account": (
        "insert into marts.fct_events (event_id, visitor_id, event_type, occurred_at, occurred_on) "
        "values ('e', $visitor, 'purchase', $later, $later::date)",
        "bought_since",
    ),
    "given to a group last night": (
        "insert into assignments values ($later::date - 1, $cart, null, null, 'holdout', 0.9, 'carts')",
        "decided_before",
    ),
    "given to a group by this night": (
        "insert into assignments values ($later::date, $cart, null, null, 'holdout', 0.9, 'carts')",
        None,
    ),
    "the tool has decided": (
        "insert into features.feat_cart_message (cart_id, cart_key) values ('x', $cart)",
        "decided_before",
    ),
    "written to lately": (
        "insert into features.feat_cart_message (cart_id, cart_key, customer_id, sent_at) "
        "values ('y', 'another', $customer, $later - interval 6 day)",
        "messaged_lately",
    ),
    "written to a week ago": (
        "insert into features.feat_cart_message (cart_id, cart_key, customer_id, sent_at) "
        "values ('z', 'another', $customer, $later - interval 7 day)",
        None,
    ),
    "written to often": (
        "insert into features.feat_cart_message (cart_id, cart_key, customer_id, sent_at) "
        "select 'often ' || n, 'another', $customer, $later - interval 20 day from range(3) as days (n)",
        "frequency_cap",
    ),
    "sold out": ("update features.feat_cart set in_stock_pct = 0 where cart_key = $cart", "out_of_stock"),
    "below cost": (
        "update features.feat_cart set store_margin_amount = -1 where cart_key = $cart",
        "below_cost",
    ),
    # 0.3 x 0.25 x 1.30 - 0.10 is below 0, 0.3 x 0.25 x 1.40 - 0.10 above.
    "worth too little": (
        "update features.feat_cart set store_margin_amount = 1.30 where cart_key = $cart",
        "not_worth_it",
    ),
    "worth just enough": (
        "update features.feat_cart set store_margin_amount = 1.40 where cart_key = $cart",
        None,
    ),
    "of an effect that is known": (
        "update predictions set message_effect = 0.004 where cart_key = $cart",
        "not_worth_it",
    ),
}
Warehouse = tuple[duckdb.DuckDBPyConnection, Callable[[str], str]]


@pytest.fixture
def planted(night_home: Path, tmp_path: Path) -> Iterator[Warehouse]:
    """The warehouse with a planted cart for each case, and the export's own SQL on what is planted."""
    shutil.copy(night_home / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    compiled = night_home / "dbt/target/compiled/nightshift/models/exports/exp_cart_recovery.sql"
    sql = re.sub(r"read_parquet\('[^']*predictions[^']*'\)", "predictions", compiled.read_text())
    sql = re.sub(r"\(select [^()]*?(\([^()]*\)[^()]*?)*as \"salt\" where false\)", "assignments", sql)
    sql = sql.replace('"warehouse".', "")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        for table in ("feat_cart_message", "feat_cart"):
            connection.execute(f"delete from features.{table}")
        connection.execute(
            "delete from marts.fct_orders where ordered_on > $day", {"day": LAST_DAY - timedelta(days=9)}
        )
        connection.execute(
            "create table predictions (cart_key varchar, visitor_id varchar, customer_id varchar, "
            "purchase_probability double, message_effect double, effect_method varchar, reason_1 varchar, "
            "reason_2 varchar, reason_3 varchar, method varchar, model_version varchar, run_id varchar)"
        )
        connection.execute(
            "create table assignments (as_of date, cart_id varchar, visitor_id varchar, customer_id varchar, "
            "experiment_group varchar, propensity double, salt varchar)"
        )
        yield connection, lambda columns: f"select {columns} from ({sql})"


def _plant(connection: duckdb.DuckDBPyConnection, cart: str, customer: str, change: str = "select 1") -> None:
    """A cart worth a message, left at 18:00 by a known customer with consent; then a change."""
    last = pd.Timestamp(LAST_DAY) + pd.Timedelta(hours=18)
    at = {
        "cart": cart,
        "customer": customer,
        "visitor": f"v {cart}",
        "earlier": last - pd.Timedelta(hours=1),
        "later": last + pd.Timedelta(hours=1),
    }
    connection.execute(
        "insert into predictions values "
        "($cart, $visitor, $customer, 0.5, null, 'assumed', 'a', 'b', 'c', 'planted', 'v', 'r')",
        {name: at[name] for name in ("cart", "visitor", "customer")},
    )
    connection.execute(
        "insert into features.feat_cart (cart_key, visitor_id, customer_id, moment, decided_on, started_at, "
        "last_action_at, cart_amount, store_margin_amount, in_stock_pct, is_bot) "
        "values ($cart, $visitor, $customer, 'night', $day, $earlier, $last, 50, 20, 1, false)",
        {name: at[name] for name in ("cart", "visitor", "customer", "earlier")} | {"day": LAST_DAY, "last": last},
    )
    connection.execute(
        "insert into marts.dim_customer (customer_id, has_marketing_consent, has_email) values ($customer, true, true)",
        {"customer": customer},
    )
    connection.execute(change, {name: value for name, value in at.items() if f"${name}" in change})


def _cart(name: str, group: str = "treatment") -> str:
    """An id that is drawn for a group: its salted MD5 lies within the share held out, or above it."""
    for number in range(1000):
        cart = f"{name} {number}"
        draw = int(hashlib.md5(f"{POLICY.salt}|{cart}".encode()).hexdigest()[:13], 16) / 16**13
        if (draw < POLICY.holdout_pct) == (group == "holdout"):
            return cart
    raise AssertionError


def test_every_reason_against_a_message_is_told_and_nothing_else_stands_against_one(planted: Warehouse) -> None:
    connection, select = planted
    for name, (change, _) in PLANTED.items():
        _plant(connection, _cart(name), f"c {name}", change)
    found = connection.execute(select("cart_id, suppressed_reason, recommended_action, experiment_group")).fetchall()
    told = {cart.rpartition(" ")[0]: tuple(rest) for cart, *rest in found}
    assert told == {
        name: (reason, "none", None) if reason else (None, "message", "treatment")
        for name, (_, reason) in PLANTED.items()
    }


def test_gain_is_effect_times_margin_less_the_message(planted: Warehouse) -> None:
    connection, select = planted
    _plant(connection, _cart("as usual"), "c")
    _plant(connection, _cart("known"), "d", "update predictions set message_effect = 0.2 where cart_key = $cart")
    gains = dict(connection.execute(select("customer_id, expected_gain::double")).fetchall())
    # 0.2 x 20 - 0.10.
    assert gains == {"c": pytest.approx(WON), "d": pytest.approx(3.90)}


def test_held_out_are_the_same_carts_every_night_and_no_other(planted: Warehouse) -> None:
    connection, select = planted
    _plant(connection, "cart 0", "c0")
    cart = "'cart ' || n as cart_key, 'v ' || n as visitor_id, 'c' || n as customer_id"
    for table, changes in (
        ("predictions", cart),
        ("features.feat_cart", cart),
        ("marts.dim_customer", "'c' || n as customer_id"),
    ):
        connection.execute(
            f"insert into {table} select one.* replace ({changes}) from {table} as one, range(1, 400) as numbers (n) "
            "where one.customer_id = 'c0'"
        )
    columns = "cart_id, experiment_group, propensity, recommended_action, suppressed_reason"
    found = connection.execute(select(columns)).fetchall()
    assert sorted(found) == sorted(connection.execute(select(columns)).fetchall())
    held_out = {cart for cart, group, *_ in found if group == "holdout"}
    draws = {f"cart {n}": hashlib.md5(f"carts|cart {n}".encode()).hexdigest()[:13] for n in range(400)}
    assert held_out == {cart for cart, draw in draws.items() if int(draw, 16) / 16**13 < 0.1}
    # 400 x 0.1 = 40, give or take four standard deviations of 6.
    assert 16 <= len(held_out) <= 64
    for cart, group, *rest in found:
        wanted = [0.9, "none", "holdout"] if cart in held_out else [0.9, "message", None]
        assert (group, rest) == ("holdout" if cart in held_out else "treatment", wanted)


def test_a_customer_with_two_carts_is_written_to_about_the_better_one(planted: Warehouse) -> None:
    connection, select = planted
    better = "update features.feat_cart set store_margin_amount = 30 where cart_key = $cart"
    _plant(connection, _cart("first"), "c")
    _plant(connection, _cart("second"), "c", better)
    connection.execute("delete from marts.dim_customer where rowid = (select max(rowid) from marts.dim_customer)")
    found = connection.execute(select("cart_id, suppressed_reason")).fetchall()
    assert {cart.split()[0]: reason for cart, reason in found} == {"first": "another_cart", "second": None}


@pytest.fixture(scope="module")
def exported(night_home: Path) -> pd.DataFrame:
    return pd.read_parquet(next((night_home / f"exports/cart_recovery/v1/as_of={LAST_DAY}").glob("*.parquet")))


def test_the_nights_export_holds_every_cart_that_lay_half_an_hour(night_home: Path, exported: pd.DataFrame) -> None:
    with duckdb.connect(str(night_home / "published/warehouse.duckdb"), read_only=True) as connection:
        carts = connection.sql("select * from marts.fct_carts where cart_units > 0").df()
    # In summer time the last business day ends at 23:00 UTC.
    cut = pd.Timestamp(LAST_DAY) + pd.Timedelta(hours=23)
    rested = cut - carts["last_activity_at"]
    is_open = carts["purchased_at"].isna()
    wanted = carts[is_open & (rested >= pd.Timedelta(minutes=30)) & (rested < pd.Timedelta(days=POLICY.nights))]
    assert sorted(exported["cart_id"]) == sorted(wanted["cart_key"])
    assert len(exported) > 10
    assert exported["purchase_probability"].between(0, 1).all()
    assert (
        exported["cart_value"].astype(float)
        == wanted.set_index("cart_key")["cart_amount"].reindex(exported["cart_id"]).to_numpy()
    ).all()


def test_assignments_are_events_that_agree_with_the_export(night_home: Path, exported: pd.DataFrame) -> None:
    (file,) = (night_home / f"decisions/cart_recovery/as_of={LAST_DAY}").glob("*.parquet")
    recorded = pd.read_parquet(file).set_index("cart_id")
    tried = exported[exported["experiment_group"].notna()].set_index("cart_id")
    assert len(tried) > 3
    assert recorded["experiment_group"].to_dict() == tried["experiment_group"].to_dict()
    assert (recorded["propensity"] == 0.9).all()


def test_a_night_that_is_exported_twice_decides_once(night_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(night_home, home, symlinks=True, ignore=shutil.ignore_patterns("mlflow", "landing", "raw"))
    shutil.copytree(night_home / "raw", home / "raw")
    before = {path.relative_to(home): path.read_bytes() for path in _night_files(home)}
    settings = Settings.load(home=home)
    night_exports.build_tables(settings, LAST_DAY, OWNER, models=["abandonment"])
    night_exports.deliver(settings, LAST_DAY, OWNER, "cart_recovery")
    assert {path.relative_to(home): path.read_bytes() for path in _night_files(home)} == before
    assert len(before) >= 4


def _night_files(home: Path) -> list[Path]:
    roots = (home / "decisions/cart_recovery", home / "exports/cart_recovery")
    return [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]


def test_the_tools_own_experiment_is_measured_and_ours_is_too_young(night_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    unwanted = shutil.ignore_patterns("mlflow", "landing", "raw", "published", "truth")
    shutil.copytree(night_home, home, symlinks=True, ignore=unwanted)
    day = str(LAST_DAY)
    ours = nights.measure(Settings.load(home=home), LAST_DAY, OWNER, drawn_by="export")
    assert ours[-1].startswith("not yet: of 0 carts in the treatment 0 were bought")
    nights.release(Settings.load(home=home), OWNER)
    tools = nightshift(home, "measure", "cart_recovery", "--as-of", day)
    assert tools.returncode == 0
    messages = pd.read_parquet(next((night_home / "snapshots").glob("*/feat_cart_message.parquet")))
    # Of those drawn in the last week it is not known yet what they bring.
    mature = messages[pd.to_datetime(messages["assigned_on"]) <= pd.Timestamp(LAST_DAY) - pd.Timedelta(days=6)]
    single = mature[~mature["cart_key"].duplicated(keep=False)]
    count = int(tools.stdout.split()[0].replace(",", ""))
    # A cart that had not rested for half an hour, or of which clicks came late, has no row the night before.
    assert 0.9 * len(single) <= count <= len(single)
    assert "drawn by the e-mail tool" in tools.stdout

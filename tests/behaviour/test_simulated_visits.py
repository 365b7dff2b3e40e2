"""Visits without a purchase, programs among them, and clicks that arrive late or twice."""

from __future__ import annotations

from functools import cache

import duckdb
import numpy as np
import pandas as pd
import planted_carts
import planted_demand
from chance import LIMIT, is_count_of_rate, is_share, z_of_mean
from planted import Planted


def test_bots_are_a_few_visitor_ids_with_many_clicks_and_no_cart(planted: Planted) -> None:
    sessions = planted.truth("session")
    is_closed_day = (sessions["started_at"].dt.month == 12) & (sessions["started_at"].dt.day == 25)
    bots = sessions[sessions["is_bot"] & ~is_closed_day]
    open_days = planted.days - planted.dates.strftime("%m-%d").to_list().count("12-25")
    assert is_count_of_rate(len(bots), 25 * planted.scale * open_days)
    assert 1 < bots["visitor_id"].nunique() <= 20
    assert set(bots["state"]) == {"viewed"}
    assert not bots["session_id"].isin(planted.truth("cart")["cart_id"]).any()
    # A page, a search in a quarter of visits and 20 to 100 products.
    variance = (81**2 - 1) / 12 + 0.25 * 0.75
    assert abs(z_of_mean(bots["events"], 1 + 0.25 + 60, np.sqrt(variance))) < LIMIT
    assert bots["events"].min() > 20
    assert bots["true_customer_id"].isna().all()


def test_nobody_else_comes_so_often_under_one_visitor_id(planted: Planted) -> None:
    sessions = planted.truth("session")
    visits = sessions.groupby(["is_bot", "visitor_id"])["events"].sum()
    assert visits[True].median() > 10 * visits[False].quantile(0.99)


def test_visits_that_only_look_follow_the_pace_of_trade(planted: Planted) -> None:
    sessions = planted.truth("session")
    looking = sessions[sessions["state"].isin(["browsed", "viewed"]) & ~sessions["is_bot"]]
    # Buyers who found nothing on the shelf look like them: those of known carts are left out, the others are few.
    strangers = looking[looking["true_customer_id"].isna()]
    day = strangers["session_id"].str[1:6].astype(int)
    effects = planted_demand.effects(planted)
    pace = np.exp(sum(effects[name][:, 0] for name in ("weekday", "payday", "trend", "peak")))
    counts = day.value_counts().reindex(np.arange(planted.days), fill_value=0)
    # Half of 2,500 visits a day are by people without an account.
    expected = 2_500 * 0.5 * planted.scale * pace
    assert is_count_of_rate(int(counts.sum()), expected.sum())
    dispersion = (((counts - expected) ** 2 / expected).mean() - 1) / np.sqrt(2 / planted.days)
    assert abs(dispersion) < LIMIT


@cache
def _deliveries(store: Planted) -> pd.DataFrame:
    """By click: the day it happened, that of its first delivery, and how often it came."""
    files = store.landing / "events" / "*.parquet"
    query = f"""
        SELECT event_id, min(ds) AS min, count(*) AS count, max(ds) AS max
        FROM (SELECT event_id, filename[-18:-9]::DATE AS ds FROM read_parquet('{files}', filename = true)) GROUP BY 1"""
    with duckdb.connect(config={"threads": 2}) as connection:
        found = connection.execute(query).df().set_index("event_id")
    day = store.first_day + pd.to_timedelta(found.index.str[1:6].astype(int), unit="D")
    found["late"] = (found["min"] - day).dt.days
    # What would come after the last day is not seen.
    return found[day <= store.last_day - pd.Timedelta(days=3)]


def test_some_clicks_are_delivered_late(planted: Planted) -> None:
    late = _deliveries(planted)["late"]
    assert late.between(0, 3).all()
    for days, share in enumerate((0.985, 0.009, 0.004, 0.002)):
        assert is_share(int((late == days).sum()), len(late), share)


def test_some_clicks_are_delivered_twice(planted: Planted) -> None:
    found = _deliveries(planted)
    assert set(found["count"]) == {1, 2}
    is_twice = found["count"] == 2
    assert is_share(int(is_twice.sum()), len(found), 0.004)
    after = (found["max"] - found["min"]).dt.days[is_twice & (found["late"] < 3)]
    assert is_share(int((after == 1).sum()), len(after), 0.5)
    assert after.isin([0, 1]).all()


def test_visits_with_a_cart_look_further_and_try_things(planted: Planted) -> None:
    carts = planted_carts.carts(planted)
    at_once = carts["is_bought_at_once"]
    beyond = carts["views"] - carts["items"]
    # Geometric from 0 with mean 1.9, so with variance 1.9 * 2.9; of buyers some items were sold out and looked at.
    assert abs(z_of_mean(beyond[~at_once], 1.9, np.sqrt(1.9 * 2.9))) < LIMIT
    assert is_share(int((carts["searches"] > 0).sum()), len(carts), 0.25)
    # 0.06 of what is looked at by the way is put in the cart and taken out, unless it is sold out.
    removed, views = int(carts.loc[~at_once, "removed"].sum()), int(beyond[~at_once].sum())
    assert 0.9 * 0.06 < removed / views < 0.06 + LIMIT * np.sqrt(0.06 * 0.94 / views)

"""The log of cart messages says what was so, and only who agreed to be written to is in the experiment."""

from __future__ import annotations

import pandas as pd
import planted_carts
from chance import is_count_of_rate, is_share
from planted import Planted


def test_the_log_of_messages_agrees_with_the_truth(planted: Planted) -> None:
    carts = planted_carts.carts(planted)
    log = planted.landed("cart_messages")
    log = log[log["ds"] <= carts["on"].max() + pd.Timedelta(days=1)]
    tried = carts[carts["experiment_group"].notna()]
    both = tried.merge(log, on="cart_id", how="outer", suffixes=("", "_logged"), indicator=True)
    assert (both["_merge"] == "both").all()
    assert len(log) == len(tried) > 0
    assert (both["experiment_group"] == both["experiment_group_logged"]).all()
    assert (both["propensity"] == both["propensity_logged"].astype(float)).all()
    assert (both["visitor_id"] == both["visitor_id_logged"]).all()
    assert (both["customer_id"] == both["true_customer_id"]).all()
    assert (both["sent_at"].notna() == (both["experiment_group"] == "treatment")).all()
    assert (both["ds"] == both["on"] + pd.Timedelta(days=1)).all()
    assigned = pd.to_datetime(both["assigned_at"]).dt.tz_localize(None)
    assert (assigned > both["last_action_at"]).all()
    sent = pd.to_datetime(both["sent_at"]).dt.tz_localize(None)
    assert (sent.dropna() > assigned[sent.notna()]).all()


def test_all_known_owners_with_consent_are_in_the_experiment_and_nobody_else(planted: Planted) -> None:
    carts = planted_carts.carts(planted)
    left = carts[carts["state"] == "abandoned"].sort_values("on", kind="stable")
    told = planted.landed("customers", "customer_id, marketing_consent")
    # What is delivered with a day holds from the next; everybody is told of on the first day.
    told = told.assign(on=told["ds"].where(told["ds"] == planted.first_day, told["ds"] + pd.Timedelta(days=1)))
    told = told.sort_values("on", kind="stable").rename(columns={"customer_id": "true_customer_id"})
    known = left[left["is_known"]]
    consent = pd.merge_asof(
        known, told[["on", "true_customer_id", "marketing_consent"]], on="on", by="true_customer_id"
    )
    assert (consent["experiment_group"].notna() == consent["marketing_consent"].astype(bool)).all()
    assert left.loc[~left["is_known"], "experiment_group"].isna().all()
    assert 0.4 < consent["marketing_consent"].mean() < 0.7


def test_owners_are_known_by_a_log_in_or_at_the_checkout(planted: Planted) -> None:
    carts = planted_carts.carts(planted)
    left = carts[carts["state"] == "abandoned"]
    assert left.loc[left["is_logged_in"], "is_known"].all()
    assert (left["is_logged_in"] | left["is_checked_out"])[left["is_known"]].all()
    # At the checkout all but guests are known.
    rest = left[left["is_checked_out"] & ~left["is_logged_in"]]
    assert 0 < (~rest["is_known"]).mean() < 0.3


def test_nine_of_twenty_do_not_want_to_be_written_to_and_a_few_change_their_mind(planted: Planted) -> None:
    told = planted.landed("customers", "customer_id, marketing_consent").sort_values("ds", kind="stable")
    first = told.drop_duplicates("customer_id")
    assert is_share(int(first["marketing_consent"].sum()), len(first), 0.55)
    # One in 1,000 of the customers of the evening before, every day but the first.
    sign_ups = first["ds"].value_counts().reindex(planted.dates, fill_value=0)
    assert is_count_of_rate(len(told) - len(first), sign_ups.cumsum().iloc[:-1].sum() / 1_000)

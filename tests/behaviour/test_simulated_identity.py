"""People come under several visitor ids and addresses, and the identity map knows whose they are."""

from __future__ import annotations

import pandas as pd
from chance import is_share
from planted import Planted


def _owners(store: Planted, kind: str) -> pd.Series:
    known = store.truth("identity")
    return known[known["id_type"] == kind].set_index("id")["true_customer_id"]


def test_every_id_is_in_the_map_once(planted: Planted) -> None:
    known = planted.truth("identity")
    assert not known.duplicated(["id_type", "id"]).any()
    assert set(known["id_type"]) == {"visitor_id", "email"}
    assert set(known["true_customer_id"]) <= set(planted.truth("customer")["customer_id"])


def test_the_map_agrees_with_every_visit(planted: Planted) -> None:
    sessions, owners = planted.truth("session"), _owners(planted, "visitor_id")
    found = sessions["visitor_id"].map(owners)
    people = sessions["true_customer_id"].notna()
    assert (found[people] == sessions.loc[people, "true_customer_id"]).all()
    assert set(owners.index) == set(sessions.loc[people, "visitor_id"])


def test_the_map_agrees_with_every_order(planted: Planted) -> None:
    orders, owners = planted.orders(), _owners(planted, "email")
    found, people = orders["email"].map(owners), planted.buyers()
    assert (found.dropna() == people[found.dropna().index]).all()
    assert people[found.isna()].isna().all()
    told = planted.landed("customers", "customer_id, email").drop_duplicates()
    assert (told["email"].map(owners) == told["customer_id"]).all()


def test_known_clicks_and_visits_are_of_the_same_person(planted: Planted) -> None:
    both = planted.visits().merge(planted.truth("session"), left_index=True, right_on="session_id")
    # A visit's last clicks may arrive after the last day, but hardly all of one.
    assert len(both) > 0.99 * len(planted.truth("session"))
    known = both.dropna(subset=["customer_id"])
    assert (known["customer_id"] == known["true_customer_id"]).all()
    assert (both["visitor_id_x"] == both["visitor_id_y"]).all()
    assert len(known) > 0.2 * len(both)


def test_one_in_twelve_customers_has_a_second_address_and_uses_it_now_and_then(planted: Planted) -> None:
    owners = _owners(planted, "email").reset_index()
    owners = owners[~owners["id"].str.startswith("guest")]
    addresses = owners.groupby("true_customer_id")["id"].count()
    assert set(addresses) == {1, 2}
    assert is_share(int((addresses == 2).sum()), len(addresses), 0.08)
    orders = planted.orders().dropna(subset=["customer_id"])
    told = planted.landed("customers", "customer_id, email").drop_duplicates("customer_id").set_index("customer_id")
    is_second = orders["email"] != orders["customer_id"].map(told["email"])
    has_two = orders["customer_id"].map(addresses) == 2
    assert not is_second[~has_two].any()
    assert is_share(int(is_second[has_two].sum()), int(has_two.sum()), 0.3)


def test_a_visitor_id_lives_for_half_a_year_on_one_device(planted: Planted) -> None:
    sessions = planted.truth("session").dropna(subset=["true_customer_id"])
    began = sessions.groupby("visitor_id")["started_at"]
    assert (began.max() - began.min()).max() < pd.Timedelta(days=181)
    devices = sessions.merge(planted.visits()[["device"]], left_on="session_id", right_index=True)
    assert (devices.groupby("visitor_id")["device"].nunique() == 1).all()


def test_most_people_who_come_often_have_several_visitor_ids(planted: Planted) -> None:
    sessions = planted.truth("session").dropna(subset=["true_customer_id"])
    by_person = sessions.groupby("true_customer_id")["visitor_id"].agg(["count", "nunique"])
    often = by_person[by_person["count"] >= 20]
    # Of 20 visits all would be on the same of devices with shares 0.55, 0.38 and 0.07 with chance 0.55^20.
    assert (often["nunique"] >= 2).all()
    assert often["nunique"].mean() > 3
    # On each of three devices there may be as many as half years have begun.
    assert by_person["nunique"].max() <= 3 * (planted.days // 180 + 2)


def test_no_stranger_comes_under_a_customer_s_visitor_id(planted: Planted) -> None:
    strangers = planted.truth("session")[lambda f: f["true_customer_id"].isna()]
    assert not strangers["visitor_id"].isin(_owners(planted, "visitor_id").index).any()

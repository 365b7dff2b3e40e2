"""Parcels are late by carrier, country and service as published, and two carriers fail in the peak."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from chance import LIMIT, bins, is_share, z_of_counts, z_of_mean
from planted import Planted
from planted_demand import black_friday
from scipy import stats

MEAN_DAYS = {"Swift": 1.2, "Northline": 1.6, "Parcelwise": 2.4}
LANE_DAYS = {"GB": 0.0, "IE": 0.5, "FR": 0.8, "DE": 1.0}
FAILING = ("Northline", "Parcelwise")


@cache
def _parcels(store: Planted) -> pd.DataFrame:
    told = store.landed("shipments", "shipment_id, carrier, service").drop_duplicates("shipment_id")
    found = store.truth("parcel").merge(told.drop(columns="ds"), on="shipment_id")
    found = found.join(store.orders()[["ship_country"]], on="order_id")
    peaks = [(black_friday(year) - pd.Timedelta(days=3), pd.Timestamp(year, 12, 28)) for year in (2025, 2026)]
    found["is_peak"] = np.logical_or.reduce([found["shipped_on"].between(*peak) for peak in peaks])
    found["fails"] = found["carrier"].isin(FAILING) & found["is_peak"]
    usual = found["carrier"].map(MEAN_DAYS) + found["ship_country"].map(LANE_DAYS)
    is_express = found["service"] == "express"
    found["mean_days"] = usual * np.where(found["fails"], 2.2, 1.0) * np.where(is_express, 0.5, 1.0)
    # On its way for a day and a Poisson number of further ones; promised for the second or the fourth.
    found["chance"] = stats.poisson.sf(np.where(is_express, 2, 4) - 1, found["mean_days"])
    found["transit"] = (found["true_delivered_on"] - found["shipped_on"]).dt.days
    return found


def test_what_could_be_known_of_lateness_is_as_published(planted: Planted) -> None:
    parcels = _parcels(planted)
    assert np.allclose(parcels["knowable_late_probability"], parcels["chance"])
    assert np.allclose(parcels["knowable_mean_transit_days"], 1 + parcels["mean_days"])
    promised = np.where(parcels["service"] == "express", 2, 4)
    assert ((parcels["promised_on"] - parcels["shipped_on"]).dt.days == promised).all()
    assert (parcels["is_late"] == (parcels["true_delivered_on"] > parcels["promised_on"])).all()


def test_parcels_are_late_as_often_as_could_be_known(planted: Planted) -> None:
    parcels = _parcels(planted)
    chance = parcels["knowable_late_probability"]
    assert abs(z_of_counts(parcels["is_late"], chance)) < LIMIT
    for by in (["carrier"], ["ship_country"], ["carrier", "ship_country"], ["service"], ["is_peak", "carrier"]):
        for _, rows in parcels.groupby(by):
            assert abs(z_of_counts(rows["is_late"], chance[rows.index])) < LIMIT
    for _, rows in parcels.groupby(bins(chance, 8)):
        assert abs(z_of_counts(rows["is_late"], chance[rows.index])) < LIMIT


def test_days_in_transit_are_poisson(planted: Planted) -> None:
    parcels = _parcels(planted)
    further, mean = parcels["transit"] - 1, parcels["mean_days"]
    assert abs((further - mean).sum() / np.sqrt(mean.sum())) < LIMIT
    # A Poisson count has variance m, and that of its squared deviation is m + 2 m^2.
    spread = ((further - mean) ** 2 - mean).sum() / np.sqrt((mean + 2 * mean**2).sum())
    assert abs(spread) < LIMIT


def test_two_carriers_fail_in_the_peak_and_the_third_does_not(planted: Planted) -> None:
    parcels = _parcels(planted)
    usual = parcels["mean_days"] / np.where(parcels["fails"], 2.2, 1.0)
    for carrier, rows in parcels[parcels["is_peak"]].groupby("carrier"):
        excess = ((rows["transit"] - 1).sum() - usual[rows.index].sum()) / np.sqrt(usual[rows.index].sum())
        assert excess > LIMIT if carrier in FAILING else abs(excess) < LIMIT


def test_carriers_and_services_have_their_shares(planted: Planted) -> None:
    parcels = _parcels(planted)
    for carrier, share in (("Swift", 0.5), ("Northline", 0.3), ("Parcelwise", 0.2)):
        assert is_share(int((parcels["carrier"] == carrier).sum()), len(parcels), share)
    assert is_share(int((parcels["service"] == "express").sum()), len(parcels), 0.2)


def test_orders_leave_after_a_day_or_two(planted: Planted) -> None:
    parcels = _parcels(planted).join(planted.orders()["ordered_at"], on="order_id")
    ordered = parcels["ordered_at"].dt.tz_convert("Europe/London").dt.tz_localize(None).dt.normalize()
    after = (parcels["shipped_on"] - ordered).dt.days
    assert set(after) == {1, 2}
    assert abs(z_of_mean(after, 1.5, 0.5)) < LIMIT

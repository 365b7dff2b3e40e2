"""A simulated store as the tests read it: its truth and its deliveries as frames."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
import pandas as pd

DATES = ("as_of", "day", "forecast_date")


class Planted:
    """Tests only read it; two frames of the same call are the same object, so copy before writing."""

    def __init__(self, landing: Path, truth: Path, scale: float, days: int, first_day: pd.Timestamp) -> None:
        self.landing, self._truth = landing, truth
        self.scale, self.days, self.first_day = scale, days, first_day

    @property
    def last_day(self) -> pd.Timestamp:
        return self.first_day + pd.Timedelta(days=self.days - 1)

    @property
    def dates(self) -> pd.DatetimeIndex:
        return pd.date_range(self.first_day, periods=self.days)

    @cache  # noqa: B019 - as long-lived as the store
    def truth(self, name: str) -> pd.DataFrame:
        frame = pd.read_parquet(self._truth / f"{name}.parquet")
        return frame.assign(**{c: pd.to_datetime(frame[c]) for c in frame if c in DATES or c.endswith("_on")})

    @cache  # noqa: B019
    def landed(self, feed: str, columns: str = "* EXCLUDE (filename)") -> pd.DataFrame:
        """All rows delivered of a feed, with the day of their delivery as `ds`."""
        files = self.landing / feed / "*.parquet"
        query = f"SELECT {columns}, filename FROM read_parquet('{files}', filename = true)"
        with duckdb.connect(config={"threads": 2}) as connection:
            frame = connection.execute(query).df()
        return frame.assign(ds=pd.to_datetime(frame.pop("filename").str[-18:-8]))

    @cache  # noqa: B019
    def orders(self) -> pd.DataFrame:
        """Orders as first delivered, by their id."""
        columns = "order_id, customer_id, email, ordered_at, currency, ship_country, status, channel"
        first = self.landed("orders", columns).sort_values("ds", kind="stable")
        return first.drop_duplicates("order_id").set_index("order_id")

    @cache  # noqa: B019
    def line_prices(self) -> pd.DataFrame:
        """Lines as first delivered, by their id."""
        columns = (
            "order_line_id, sku, quantity::DOUBLE quantity, unit_price::DOUBLE unit_price, "
            "discount_amount::DOUBLE discount_amount"
        )
        first = self.landed("order_lines", columns).sort_values("ds", kind="stable")
        return first.drop_duplicates("order_line_id").set_index("order_line_id")

    @cache  # noqa: B019
    def buyers(self) -> pd.Series:
        """The person behind each order, also behind a guest's; strangers are missing."""
        carts = self.truth("cart").dropna(subset=["order_id"]).set_index("order_id")["true_customer_id"]
        return carts.reindex(self.orders().index).fillna(self.orders()["customer_id"]).rename("customer_id")

    @cache  # noqa: B019
    def lines(self) -> pd.DataFrame:
        """The truth about lines with their order, its buyer, and the discount's share of the price."""
        lines = self.truth("line").assign(order_id=lambda f: f["order_line_id"].str.rpartition("-")[0])
        price = self.line_prices().reindex(lines["order_line_id"]).reset_index(drop=True)
        lines["discount"] = price["discount_amount"] / (price["unit_price"] * price["quantity"])
        lines["customer_id"] = self.buyers().reindex(lines["order_id"]).to_numpy()
        parcel = self.truth("parcel").set_index("order_id")[["true_delivered_on", "is_late"]]
        return lines.join(parcel, on="order_id").merge(self.truth("sku"), on="sku")

    @cache  # noqa: B019
    def visits(self) -> pd.DataFrame:
        """What a shop sees of each visit, by its id: device, source, log-in, the first item put in, and counts."""
        files = self.landing / "events" / "*.parquet"
        query = f"""
            WITH clicks AS (
                SELECT DISTINCT ON (event_id) * FROM read_parquet('{files}')
            )
            SELECT session_id, min(visitor_id) AS visitor_id, max(customer_id) AS customer_id,
                   min(device) AS device, min(traffic_source) AS source, min(occurred_at) AS visit_began,
                   bool_or(customer_id IS NOT NULL AND event_type = 'page_view') AS is_logged_in,
                   min_by(sku, occurred_at) FILTER (WHERE event_type = 'add_to_cart') AS sku,
                   min_by(unit_price, occurred_at) FILTER (WHERE event_type = 'add_to_cart')::DOUBLE AS price,
                   count(*) FILTER (WHERE event_type = 'product_view') AS views,
                   count(*) FILTER (WHERE event_type = 'search') AS searches,
                   count(*) FILTER (WHERE event_type = 'remove_from_cart') AS removed
            FROM clicks GROUP BY 1"""
        with duckdb.connect(config={"threads": 2}) as connection:
            return connection.execute(query).df().set_index("session_id")

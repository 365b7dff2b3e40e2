"""Feature tables of a shop whose lines come back by chances that a test knows."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from models.returns import lines as tables_of
from models.returns.lines import HISTORY, Lines

FIRST, WINDOW_DAYS, DAYS, SKUS, CUSTOMERS = date(2025, 1, 1), 30, 240, 40, 300
LAST = FIRST + timedelta(days=DAYS - 1)


def tables(seed: int = 3, lines: int = 16_000) -> dict[str, pd.DataFrame]:
    """SKUs of chances from 0.02 to 0.5, which every third customer doubles; returns are asked for after 3 to 20 days.

    Parcels leave the day after the order and arrive three days after that.
    """
    draw = np.random.default_rng(seed)
    day = np.sort(draw.integers(0, DAYS, lines))
    sku, customer = draw.integers(0, SKUS, lines), draw.integers(0, CUSTOMERS, lines)
    chance = np.linspace(0.02, 0.5, SKUS)[sku] * np.where(customer % 3 == 0, 2.0, 1.0)
    wait = np.where(draw.random(lines) < chance, draw.integers(3, 21, lines), 0)
    frame = pd.DataFrame(
        {
            "order_line_id": [f"l{n:06d}" for n in range(lines)],
            "order_id": [f"o{n:06d}" for n in range(lines)],
            "customer_id": [f"c{n}" for n in customer],
            "sku": [f"s{n:02d}" for n in sku],
            "ship_country": np.where(customer % 2 == 0, "GB", "FR"),
            "ordered_on": _dates(day),
            "units": 1.0,
            "units_ordered": 1.0,
            "unit_price": 10.0,
            "iso_weekday": (day + 2) % 7 + 1,
            "order_hour": draw.integers(0, 24, lines),
            "line_discount_pct": 0.0,
            "price_to_usual_pct": 1.0,
            "order_line_count": 1,
            "order_gross_amount": 10.0,
            "style_line_count": 1,
            "style_size_count": 1,
            "category_1": np.where(sku % 2 == 0, "even", "odd"),
            "channel": "web",
            "device": None,
        }
    )
    keys = {"sku": sku, "style": sku, "category": sku % 2, "brand": sku % 5, "customer": customer, "store": sku * 0}
    history = {name: values for level, key in keys.items() for name, values in _history(level, key, day, wait).items()}
    frame = pd.concat([frame, pd.DataFrame({name: history[name] for name in HISTORY})], axis=1)
    frame["past_order_count"] = frame["customer_lines"]
    back = wait > 0
    asked = _dates((day + wait)[back])
    returns = pd.DataFrame({"order_line_id": frame["order_line_id"][back], "requested_on": asked, "known_on": asked})
    shipments = pd.DataFrame({"order_id": frame["order_id"], "carrier": "c", "service": None})
    for name, after in (("shipped_on", 1), ("known_on", 1), ("promised_on", 4), ("delivered_on", 4)):
        shipments[name] = _dates(day + after)
    return {
        "feat_night": pd.DataFrame({"as_of": [LAST]}),
        "feat_order_line": frame,
        "feat_order_line_return": returns.assign(units_requested=1.0),
        "feat_order_shipment": shipments.assign(delivery_known_on=shipments["delivered_on"]),
    }


def known(made: dict[str, pd.DataFrame], as_of: date) -> Lines:
    """The tables as they would have been on a day."""
    returns, shipments = made["feat_order_line_return"], made["feat_order_shipment"].copy()
    shipments = shipments[shipments["known_on"] <= as_of]
    is_open = shipments["delivery_known_on"] > as_of
    shipments = shipments.assign(**{n: shipments[n].mask(is_open) for n in ("delivered_on", "delivery_known_on")})
    return tables_of.Lines.from_tables(
        {
            "feat_night": pd.DataFrame({"as_of": [as_of]}),
            "feat_order_line": made["feat_order_line"][made["feat_order_line"]["ordered_on"] <= as_of],
            "feat_order_line_return": returns[returns["known_on"] <= as_of],
            "feat_order_shipment": shipments,
        }
    )


def _dates(numbers: np.ndarray) -> list[date]:
    return [FIRST + timedelta(days=int(number)) for number in numbers]


def _history(level: str, key: np.ndarray, day: np.ndarray, wait: np.ndarray) -> dict[str, np.ndarray]:
    """Counts of the days before, by prefix sums over a grid of keys and days."""
    grid = np.zeros((4, key.max() + 1, DAYS + 60))
    sixth, third, two_thirds = (WINDOW_DAYS + 5) // 6, (WINDOW_DAYS + 2) // 3, (2 * WINDOW_DAYS + 2) // 3
    found = {}
    np.add.at(grid[0], (key, day), 1)
    np.add.at(grid[1], (key[wait > 0], (day + wait)[wait > 0]), 1)
    so_far = grid.cumsum(axis=2)
    for name, after in (
        ("lines", 1),
        ("lines_6th", sixth + 1),
        ("lines_3rd", third + 1),
        ("lines_2_3rds", two_thirds + 1),
    ):
        found[f"{level}_{name}"] = np.where(day >= after, so_far[0][key, day - after], 0)
    found[f"{level}_returned"] = np.where(day >= 1, so_far[1][key, day - 1], 0)
    return found | {f"{level}_returned_{cause}": np.zeros(len(day)) for cause in ("fit", "quality", "mind")}

"""What writing about abandoned carts has brought: the groups that were drawn, compared by intention to treat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

EXPORT, TOOL = "export", "tool"
SOURCES = {EXPORT: "drawn by the export", TOOL: "drawn by the e-mail tool"}
FEWEST_CARTS, FEWEST_BOUGHT = 100, 30
# What was known of a cart when it was drawn, and tells most of what becomes of it.
_BEFORE = ("cart_amount", "earlier_order_count", "has_checkout", "is_logged_in", "nights_count", "in_stock_pct")
_DRAWN = {
    EXPORT: (
        "select cart_id as cart_key, experiment_group, propensity, as_of as drawn_on "
        "from {assignments} where as_of <= $last"
    ),
    TOOL: (
        "select cart_key, experiment_group, propensity, assigned_on - 1 as drawn_on from features.feat_cart_message "
        "where experiment_group is not null and assigned_on - 1 <= $last "
        "qualify count(*) over (partition by cart_key) = 1"
    ),
}
_OUTCOMES = """
    with drawn as ({drawn}),

    states as (

        select drawn.*, carts.* exclude (cart_key), purchases.order_id
        from drawn
        inner join features.feat_cart as carts
            on carts.cart_key = drawn.cart_key and carts.moment = 'night' and carts.decided_on = drawn.drawn_on
        left join features.feat_cart_purchase as purchases
            on purchases.cart_key = drawn.cart_key
            and purchases.purchased_at > carts.decision_at
            and purchases.held_from_at <= carts.decision_at
            and purchases.purchased_on <= drawn.drawn_on + $horizon
        where drawn.propensity > 0 and drawn.propensity < 1

    ),

    orders as (

        select
            order_id,
            sum(store_net_revenue_amount)::double as revenue,
            sum(margin_amount)::double as margin
        from marts.fct_order_lines
        where order_id in (select order_id from states)
        group by order_id

    )

    select
        states.cart_key,
        states.drawn_on,
        states.experiment_group = 'treatment' as is_treated,
        states.propensity,
        states.cart_key in (select cart_key from features.feat_cart_message where sent_at is not null) as is_written_to,
        states.order_id is not null as conversion,
        coalesce(orders.revenue, 0) as revenue,
        coalesce(orders.margin, 0) as margin,
        {before}
    from states
    left join orders on orders.order_id = states.order_id
    order by states.cart_key
"""


@dataclass(frozen=True)
class Figure:
    """One outcome a cart: both groups, and the difference with its 95 % bounds."""

    name: str
    treatment: float
    holdout: float
    effect: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What is shown; `figures` are empty, and `not_yet` says why, where the data is too thin for a number."""

    source: str
    lines: tuple[str, ...]
    figures: tuple[Figure, ...]
    not_yet: str


def measure(warehouse: Warehouse, settings: Settings, assignments: str, last: date, source: str | None) -> Measured:
    """Compare the groups of the carts drawn up to `last`, whose horizon has passed."""
    with warehouse.reading() as connection:
        for each in (source,) if source else (EXPORT, TOOL):
            query = _OUTCOMES.format(
                drawn=_DRAWN[each].format(assignments=assignments),
                before=", ".join(f"states.{name}::double as {name}" for name in _BEFORE),
            )
            carts = connection.execute(query, {"last": last, "horizon": settings.cart_horizon_days}).df()
            if len(carts):
                break
    return told(carts, each, warehouse.store.currency)


def told(carts: pd.DataFrame, source: str, currency: str) -> Measured:
    """The comparison of carts that were drawn, one row each, in words and figures."""
    treated = carts["is_treated"].to_numpy(bool)
    head = [
        f"{len(carts):,} carts {SOURCES[source]}: {int(treated.sum()):,} treatment, {int((~treated).sum()):,} holdout"
    ]
    if reason := _too_thin(carts, treated):
        return Measured(source, (*head, f"not yet: {reason}"), (), reason)
    days = (carts["drawn_on"].max() - carts["drawn_on"].min()).days + 1
    head[0] += f", {carts['drawn_on'].min():%Y-%m-%d} to {carts['drawn_on'].max():%Y-%m-%d}"
    figures, lines = _figures(carts, treated, days, currency)
    return Measured(source, (*head, _split(carts, treated), *_exposure(carts, treated), *lines), figures, "")


def _too_thin(carts: pd.DataFrame, treated: Any) -> str:
    for name, here in (("treatment", treated), ("holdout", ~treated)):
        bought = int(carts["conversion"].to_numpy(bool)[here].sum())
        if here.sum() < FEWEST_CARTS or bought < FEWEST_BOUGHT:
            return (
                f"of {int(here.sum()):,} carts in the {name} {bought:,} were bought; "
                f"{FEWEST_CARTS} and {FEWEST_BOUGHT} are needed"
            )
    return ""


def _split(carts: pd.DataFrame, treated: Any) -> str:
    from models.experiment import UNLIKELY, chance_of_split

    propensity = carts["propensity"].to_numpy(float)
    chance = chance_of_split(treated, propensity)
    drawn = f"{treated.mean():.3f} were drawn for treatment, {propensity.mean():.3f} was stated (p = {chance:.3g})"
    if chance < UNLIKELY:
        return f"sample ratio mismatch: {drawn}; trust no figure below before it is found why"
    return f"split as stated: {drawn}"


def _exposure(carts: pd.DataFrame, treated: Any) -> list[str]:
    written = carts["is_written_to"].to_numpy(bool)
    if not written.any():
        return ["who was written to is not known: whoever was drawn for a message counts as written to"]
    shares = written[treated].mean(), written[~treated].mean()
    return [f"written to: {shares[0]:.1%} of the treatment, {shares[1]:.1%} of the holdout"]


def _figures(carts: pd.DataFrame, treated: Any, days: int, currency: str) -> tuple[tuple[Figure, ...], list[str]]:
    import numpy as np

    from models.experiment import compare, days_needed, least_effect

    propensity = carts["propensity"].to_numpy(float)
    before = carts[list(_BEFORE)].to_numpy(float)
    before = np.where(np.isnan(before), np.nanmean(np.where(np.isnan(before).all(axis=0), 0, before), axis=0), before)
    figures, lines = [], []
    for name, unit in (("conversion", ""), ("revenue", f" {currency} a cart"), ("margin", f" {currency} a cart")):
        outcome = carts[name].to_numpy(float)
        plain, found = compare(outcome, treated, propensity), compare(outcome, treated, propensity, before)
        effect, error = float(found.effect), float(found.error)
        figures.append(
            Figure(name, float(plain.treatment), float(plain.holdout), effect, float(found.low), float(found.high))
        )
        less = 1 - (error / float(plain.error)) ** 2
        lines.append(
            f"{name}: {float(plain.treatment):.4f} against {float(plain.holdout):.4f}{unit}, {effect:+.4f} "
            f"(95 % interval {float(found.low):+.4f} to {float(found.high):+.4f}; what was known before takes "
            f"{max(less, 0):.0%} of the variance)"
        )
        if name == "conversion":
            needed = days_needed(effect, error, days)
            left = f"{needed - days:,.0f} days more" if needed > days else "no more days"
            lines.append(
                f"power: in {days:,} days an effect of {least_effect(error):.4f} is found four times of five; "
                f"for one as large as this {left if np.isfinite(needed) else 'no number of days'} would be needed"
            )
    return tuple(figures), lines

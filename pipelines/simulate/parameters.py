"""Every number the simulated store is made of, in one place.

Sizes are those of scale 1 and of 540 days; counts grow with the scale, nothing depends on how many days are
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TIMEZONE = "Europe/London"
CURRENCY = "GBP"
COUNTRY = "GB"
LOCATION = "main"

# Part of what identifies a store: raise it when the same arguments no longer give the same bytes.
WORLD = "1"


@dataclass(frozen=True)
class CatalogParameters:
    """What the store sells."""

    skus: int = 2_000
    skus_per_style: int = 4
    launch_share: float = 0.25  # share of styles that launch within `launch_days` of the first day
    launch_days: int = 540
    past_days: int = 720  # the other styles launched within so many days before the first day
    price_sigma: float = 0.35  # spread of a style's price around its department's, on the log scale
    cost_share: float = 0.52  # unit cost as a share of the reference price
    price_change_daily: float = 1 / 120
    price_change_sigma: float = 0.10  # a new list price is reference * exp(N(0, sigma))
    cost_change_daily: float = 1 / 180
    cost_change_sigma: float = 0.05
    suppliers: int = 12
    lead_time_days: tuple[int, int] = (4, 21)


@dataclass(frozen=True)
class DemandParameters:
    """Wishes per SKU-day are negative binomial around a product of effects; each wish has a quantity."""

    base_mean: float = 0.51  # wishes per SKU-day, mean over SKUs, before the effects
    base_sigma: float = 1.2  # log-normal spread over SKUs: the long tail
    dispersion: float = 1.5  # variance = mean + mean^2 / dispersion
    yearly_growth: float = 0.12
    weekday: tuple[float, ...] = (1.15, 1.05, 1.00, 0.95, 0.95, 0.80, 1.10)  # Monday first, mean 1
    season_amplitude: float = 0.15  # cosine over the year, its peak by department
    elasticity: tuple[float, float] = (1.4, 0.4)  # mean and sd over SKUs; demand ~ price ^ -elasticity
    promotion_lift: tuple[float, float] = (2.5, 0.5)  # mean and sd over SKUs; demand ~ exp(lift * discount)
    launch_ramp_days: float = 14.0  # a launch approaches its rate as 1 - exp(-(age + 1) / ramp)
    quantity_shares: tuple[float, ...] = (0.82, 0.12, 0.04, 0.02)  # a wish is for 1, 2, 3, 4 units


@dataclass(frozen=True)
class PromotionParameters:
    """One campaign is announced every Monday."""

    sku_share: float = 0.06
    announced_days: tuple[int, int] = (5, 9)  # days between announcement and start
    length_days: tuple[int, int] = (3, 10)
    discounts_percent: tuple[int, ...] = (10, 15, 20, 30)


@dataclass(frozen=True)
class StockParameters:
    """A reorder point with an order-up-to level, reviewed at the close of every day."""

    memory_days: float = 28.0  # of the planner's moving average of sales on days in stock
    safety_factor: float = 0.9
    cover_days: float = 21.0  # order up to the reorder point plus so many days of sales
    late_share: float = 0.10  # of supplier deliveries
    late_days: tuple[int, int] = (3, 14)


@dataclass(frozen=True)
class CustomerParameters:
    customers: int = 60_000  # by the 540th day
    initial_share: float = 0.4  # of them exist before the first day, the others sign up at an even rate
    rate_shape: float = 0.6  # gamma shape of a customer's rate of visits and orders
    consent_share: float = 0.55
    consent_change_daily: float = 1 / 1_000
    countries: tuple[tuple[str, float], ...] = (("GB", 0.86), ("IE", 0.08), ("FR", 0.04), ("DE", 0.02))
    return_shape: float = 1.5  # gamma shape (mean 1) of a customer's proneness to change their mind


@dataclass(frozen=True)
class OrderParameters:
    wishes_per_basket: float = 2.2  # geometric
    guest_share: float = 0.08
    app_share: float = 0.3
    voucher_share: float = 0.04
    voucher_percent: int = 10
    shipping_pence: int = 395
    free_shipping_pence: int = 5_000
    tax_percent: int = 20  # on top: prices are without tax
    cancel_share: float = 0.025
    cancel_days: tuple[int, int] = (1, 2)
    line_cancel_share: float = 0.01  # of lines of two or more units, one of which is cancelled the day after
    ship_days: tuple[int, int] = (1, 2)
    express_share: float = 0.2
    express_promise_days: int = 2
    standard_promise_days: int = 4
    # name, share of parcels, mean of the Poisson days in transit beyond the first
    carriers: tuple[tuple[str, float, float], ...] = (
        ("Swift", 0.5, 1.2),
        ("Northline", 0.3, 1.6),
        ("Parcelwise", 0.2, 2.4),
    )


@dataclass(frozen=True)
class ReturnParameters:
    """Causes act independently; a line comes back when any of them does, and names the first."""

    fit: tuple[float, float] = (2.0, 12.0)  # beta over styles that are worn
    quality: tuple[float, float] = (1.0, 40.0)  # beta over SKUs
    changed_mind: float = 0.03  # times the customer's proneness
    arrived_late: float = 0.10  # when delivered after the promised day
    partial_share: float = 0.3  # of returned lines with more than one unit
    delay_days: float = 8.0  # geometric, from the day after delivery
    delay_days_most: int = 45
    transit_days: tuple[int, int] = (3, 8)
    refund_days: tuple[int, int] = (1, 3)
    rejected_share: float = 0.03


@dataclass(frozen=True)
class ClickParameters:
    visits: float = 3_650.0  # browsing visits a day that follow no wish
    views_mean: float = 1.9  # product views of a visit, geometric from 0
    search_share: float = 0.25
    cart_share: float = 0.13  # of a browsing visit's product views, where the SKU is in stock
    remove_share: float = 0.2  # of what such a visit put in the cart
    checkout_share: float = 0.35  # of such visits with something left in the cart
    customer_share: float = 0.5  # of browsing visits, by somebody with an account ...
    login_share: float = 0.5  # ... of whom so many are logged in
    gap_seconds: float = 25.0  # mean time between two clicks of a visit
    late_shares: tuple[float, ...] = (0.985, 0.009, 0.004, 0.002)  # delivered 0, 1, 2, 3 days late
    twice_share: float = 0.004  # delivered a second time, the same day or the next
    devices: tuple[tuple[str, float], ...] = (("mobile", 0.6), ("desktop", 0.33), ("tablet", 0.07))
    sources: tuple[tuple[str, float], ...] = (
        ("search", 0.38),
        ("direct", 0.27),
        ("email", 0.15),
        ("social", 0.12),
        ("affiliate", 0.08),
    )


@dataclass(frozen=True)
class Parameters:
    catalog: CatalogParameters = field(default_factory=CatalogParameters)
    demand: DemandParameters = field(default_factory=DemandParameters)
    promotions: PromotionParameters = field(default_factory=PromotionParameters)
    stock: StockParameters = field(default_factory=StockParameters)
    customers: CustomerParameters = field(default_factory=CustomerParameters)
    orders: OrderParameters = field(default_factory=OrderParameters)
    returns: ReturnParameters = field(default_factory=ReturnParameters)
    clicks: ClickParameters = field(default_factory=ClickParameters)

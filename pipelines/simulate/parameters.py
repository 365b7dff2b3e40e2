"""Every number the simulated store is made of, in one place.

Sizes are those of scale 1 and of 540 days; counts grow with the scale, nothing depends on how many days are
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TIMEZONE = "Europe/London"
CURRENCY = "GBP"
SECOND_CURRENCY = "EUR"
COUNTRY = "GB"
LOCATION = "main"

# Part of what identifies a store: raise it when the same arguments no longer give the same bytes.
WORLD = "2"


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
    least_life_days: int = 120  # a style is sold for so long at least ...
    life_mean_days: float = 1_500.0  # ... and exponentially longer
    phase_out_days: int = 45  # before its last day a style is announced as phased out and fades
    faded_share: float = 0.25  # of its demand on the last day


@dataclass(frozen=True)
class DemandParameters:
    """Wishes per SKU-day are negative binomial around a product of effects; each wish has a quantity."""

    base_mean: float = 0.51  # wishes per SKU-day, mean over SKUs, before the effects
    base_sigma: float = 1.2  # log-normal spread over SKUs: the long tail
    dispersion: float = 1.5  # variance = mean + mean^2 / dispersion
    yearly_growth: float = 0.12
    payday_lift: float = 1.12  # on days 25 to 28 of a month
    shock_sd: float = 0.15  # of a department's common shock (weather), on the log scale
    shock_persistence: float = 0.85  # first-order autocorrelation from day to day
    promotion_dip: float = 1.0  # the day after a promotion demand is 1 - dip * discount ...
    dip_days: float = 5.0  # ... and recovers exponentially
    two_sizes_share: float = 0.06  # of wishes for what is worn: the next size is put in the basket as well
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
    last_order_days: int = 7  # nothing is ordered that arrives so few days before a SKU's last
    late_share: float = 0.10  # of supplier deliveries
    late_days: tuple[int, int] = (3, 14)


@dataclass(frozen=True)
class CustomerParameters:
    customers: int = 60_000  # by the 540th day
    initial_share: float = 0.4  # of them exist before the first day, the others sign up at an even rate
    rate_shape: float = 0.6  # gamma shape of a customer's rate of visits and orders
    life_mean_days: float = 700.0  # exponential time from sign-up (or the first day) to churn
    taste_weight: float = 4.0  # a customer's favourite department against each other one
    second_email_share: float = 0.08  # have two addresses ...
    second_email_use: float = 0.3  # ... and order so often under the second
    cookie_days: int = 180  # a browser's visitor id lives so long
    consent_share: float = 0.55
    consent_change_daily: float = 1 / 1_000
    countries: tuple[tuple[str, float], ...] = (("GB", 0.86), ("IE", 0.08), ("FR", 0.04), ("DE", 0.02))


@dataclass(frozen=True)
class OrderParameters:
    wishes_per_basket: float = 2.2  # geometric
    same_department_share: float = 0.6  # of wishes are dealt into baskets of their own department
    guest_share: float = 0.08
    guest_own_email_share: float = 0.5  # of guests who have an account give its address
    app_share: float = 0.3
    voucher_share: float = 0.04
    voucher_percent: int = 10
    shipping_pence: int = 395
    free_shipping_pence: int = 5_000
    tax_percent: int = 20  # on top: prices are without tax
    # With two currencies: the rate of the second, and its countries' tax.
    second_rate: float = 1.17
    second_tax_percent: tuple[tuple[str, int], ...] = (("IE", 23), ("FR", 20), ("DE", 19))
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
    lane_days: tuple[tuple[str, float], ...] = (("GB", 0.0), ("IE", 0.5), ("FR", 0.8), ("DE", 1.0))  # added to the mean
    failing_carriers: tuple[str, ...] = ("Parcelwise", "Northline")  # in the peak ...
    failing_factor: float = 2.2  # ... their mean is so many times the usual


@dataclass(frozen=True)
class ReturnParameters:
    """Causes act independently; a line comes back when any of them does, and names the first."""

    fit: tuple[float, float] = (2.0, 12.0)  # beta over styles that are worn
    quality: tuple[float, float] = (1.0, 40.0)  # beta over SKUs
    two_sizes: float = 0.40  # of a line whose style is in the order in another size as well
    changed_mind: float = 0.03  # rate; chance = 1 - exp(-rate * proneness * (1 + discount_weight * discount))
    proneness_shape: float = 1.5  # gamma over customers, mean 1
    abuser_share: float = 0.004  # of customers, with proneness ...
    abuser_proneness: float = 20.0
    discount_weight: float = 2.0
    arrived_late: float = 0.10  # when delivered after the promised day
    partial_share: float = 0.3  # of returned lines with more than one unit
    delay_days: float = 8.0  # geometric from the day after delivery, within the window
    window_days: int = 30
    transit_days: tuple[int, int] = (3, 8)
    refund_days: tuple[int, int] = (1, 3)
    rejected_share: float = 0.03


@dataclass(frozen=True)
class VisitParameters:
    """Visits with a cart follow the wishes; browsing visits and bots come on top."""

    browsing: float = 2_500.0  # visits a day that look and put nothing in a cart
    views_mean: float = 1.9  # product views of a visit beyond its cart, geometric from 0
    search_share: float = 0.25
    tried_share: float = 0.06  # of such views of a visit with a cart: put in and taken out again
    customer_share: float = 0.5  # of browsing visits, by somebody with an account
    login_share: float = 0.5  # of visits by account holders are logged in from the start
    checkout_share: float = 0.35  # of abandoned carts were at the checkout
    gap_seconds: float = 25.0  # mean time between two clicks of a visit
    bots: float = 25.0  # bot visits a day
    bot_views: tuple[int, int] = (20, 100)
    late_shares: tuple[float, ...] = (0.985, 0.009, 0.004, 0.002)  # delivered 0, 1, 2, 3 days late
    twice_share: float = 0.004  # delivered a second time, the same day or the next
    devices: tuple[tuple[str, float], ...] = (("mobile", 0.55), ("desktop", 0.38), ("tablet", 0.07))  # of buyers
    sources: tuple[tuple[str, float], ...] = (  # of buyers
        ("search", 0.38),
        ("direct", 0.29),
        ("email", 0.17),
        ("social", 0.08),
        ("affiliate", 0.08),
    )


@dataclass(frozen=True)
class CartParameters:
    """The log-odds that a cart is bought in its visit are a sum, kept within `bounds`; see the docs page."""

    intercept: float = -1.15
    device: tuple[float, ...] = (0.0, 0.35, 0.1)  # in the order of the visits' devices
    source: tuple[float, ...] = (0.0, 0.2, 0.35, -0.5, -0.1)
    evening: float = 0.2  # 19 to 22 o'clock
    night: float = -0.3  # 0 to 6 o'clock
    logged_in: float = 0.4
    past_orders: float = 0.25  # times log(1 + orders), at most log(10), of who is logged in
    price: float = -1.5  # times log(shown / reference price) of the first item, at most 0.4 either way
    low_stock: float = 0.3  # at most `low_stock_units` of the first item at last night's close
    low_stock_units: int = 3
    free_shipping: float = 0.4  # the cart is worth enough to be shipped free
    bounds: tuple[float, float] = (0.08, 0.65)  # of the chance
    # An abandoned cart is bought within a week with chance return_rate * odds * (factor by checkout).
    return_rate: float = 0.12
    checkout_factor: float = 1.6
    return_days: tuple[float, ...] = (0.40, 0.22, 0.14, 0.10, 0.07, 0.04, 0.03)  # 1 to 7 days later
    other_device_share: float = 0.2  # of known customers come back on another device
    # The message goes out the next morning to so many of the known customers with consent ...
    treatment_share: float = 0.5
    # ... and multiplies the chance by 1 + effect, by orders so far.
    segments: tuple[tuple[str, int, float], ...] = (("new", 0, 1.0), ("occasional", 1, 0.6), ("loyal", 4, -0.15))


@dataclass(frozen=True)
class FraudParameters:
    card_testing_daily: float = 1 / 20  # bursts a day
    card_testing_orders: tuple[int, int] = (20, 45)  # tried in a burst, one unit of one of the cheapest SKUs each
    card_testing_cancelled: float = 0.9
    reseller_daily: float = 1 / 7
    reseller_lines: int = 3
    reseller_units: tuple[int, int] = (8, 20)  # of each line


@dataclass(frozen=True)
class Parameters:
    catalog: CatalogParameters = field(default_factory=CatalogParameters)
    demand: DemandParameters = field(default_factory=DemandParameters)
    promotions: PromotionParameters = field(default_factory=PromotionParameters)
    stock: StockParameters = field(default_factory=StockParameters)
    customers: CustomerParameters = field(default_factory=CustomerParameters)
    orders: OrderParameters = field(default_factory=OrderParameters)
    returns: ReturnParameters = field(default_factory=ReturnParameters)
    visits: VisitParameters = field(default_factory=VisitParameters)
    carts: CartParameters = field(default_factory=CartParameters)
    fraud: FraudParameters = field(default_factory=FraudParameters)

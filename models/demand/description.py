"""The demand model in data."""

from models.description import Description, Export, Fallback, Gate, Metric

DESCRIPTION = Description(
    name="demand",
    purpose=(
        "How many units of each SKU will be demanded at each location on each of the next days, with quantiles; "
        "replenishment and planning read it."
    ),
    tables=("feat_sku_day", "feat_sku_promotion_day", "feat_calendar_day", "feat_sku_supply"),
    label="units demanded on a day, net of cancellations; days without stock or of a closed store are no outcome",
    matures_after="horizon_days",
    decided_at="the end of business day as_of, for every day of the horizon at once",
    challenger="lightgbm",
    baselines=("seasonal_naive", "weekday_mean", "moving_average"),
    metrics=(
        Metric("rmsse", "mean over SKUs of the root mean squared scaled error of M5", by="series", is_root=True),
        Metric("wape", "sum of absolute errors over units demanded"),
        Metric("bias", "units forecast too many over units demanded", better="near zero"),
        Metric("pinball_p10", "mean quantile loss of P10, units"),
        Metric("pinball_p50", "mean quantile loss of P50, units"),
        Metric("pinball_p90", "mean quantile loss of P90, units"),
    ),
    money=Metric("revenue_wape", "absolute errors at the SKU's price over revenue demanded"),
    slices=("volume", "intermittency", "category", "age", "promotion", "days_ahead"),
    claims=("p10", "p50", "p90"),
    fallback=Fallback("weekday_mean", max_age_days=90),
    exports=(
        Export("demand_forecast", 1, ("as_of", "sku", "location_id", "forecast_date"), ("horizon_days",)),
        Export("demand_forecast_total", 1, ("as_of", "level", "key", "forecast_date"), ("horizon_days",)),
        Export("replenishment", 1, ("as_of", "sku", "location_id")),
    ),
    further=("demand_total", "replenishment"),
    key=("sku", "location_id", "forecast_date", "horizon_days"),
    outputs=("units_mean", "units_p10", "units_p50", "units_p90"),
    limits=(
        "Days without stock are left out; what was sold on a day that sold out counts as half a day's demand.",
        "Of the days forecast it knows promotions that are announced; prices it takes to stay as they are.",
        "A SKU without history is forecast from its category, brand, age and price alone.",
        "Quantiles are of a single day; those of a span are not their sum.",
    ),
    # Eight weeks, so that the oldest fit knows the mean of eight weekdays.
    fewest_days=56,
    gate=Gate(),
    predicts_with=("lightgbm", "numpy", "pandas", "scipy"),
)

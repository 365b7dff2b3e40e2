"""The toy model in data."""

from models.description import Description, Export, Fallback, Gate, Metric

DESCRIPTION = Description(
    name="toy",
    purpose="Whether tomorrow sells more units than today.",
    tables=("feat_store_day",),
    label="more units a day later",
    matures_after=1,
    decided_at="the end of a business day",
    challenger="weekday_share",
    baselines=("overall_share",),
    metrics=(Metric("brier", "mean squared error of the probability"),),
    money=Metric("brier", "mean squared error of the probability"),
    slices=(),
    claims=("rise",),
    fallback=Fallback("overall_share", max_age_days=30),
    exports=(Export("store_rise", 1, ("as_of", "weekday")),),
    key=("weekday",),
    outputs=("rise_probability",),
    limits=("It is a toy.",),
    fewest_days=28,
    gate=Gate(windows=30, block_days=1, calibration_margin=0.3),
)

"""The returns model in data."""

from models.description import Description, Export, Fallback, Gate, Metric

DESCRIPTION = Description(
    name="returns",
    purpose=(
        "How likely each order line that may still come back is to come back until its return window closes, and why; "
        "the returns desk reads it."
    ),
    tables=("feat_night", "feat_order_line", "feat_order_line_return", "feat_order_shipment"),
    label=(
        "a return of the line was asked for within the return window, after the moment of the decision; whether it was "
        "rejected later makes no difference, a cancelled line is no outcome"
    ),
    matures_after="return_window_days",
    decided_at="the order, the shipment of its parcel, and every night until the return window closes",
    is_decided_daily=True,
    challenger="lightgbm",
    baselines=("sku_rate", "logistic_regression"),
    metrics=(
        Metric("log_loss", "mean negative logarithm of the chance given to what happened"),
        Metric("auc", "area under the ROC curve", better="higher"),
        Metric("average_precision", "area under the precision-recall curve", better="higher"),
        Metric("brier", "mean squared error of the probability"),
    ),
    money=Metric("value_brier", "squared error of the probability, each line weighing its gross amount"),
    slices=("moment", "buyer", "category", "channel"),
    groups=("buyer", "country"),
    claims=("return",),
    fallback=Fallback("sku_rate", max_age_days=120),
    exports=(Export("return_risk", 1, ("as_of", "order_line_id")),),
    key=("order_line_id", "customer_id"),
    moments="moment",
    drawings=("importance",),
    outputs=("return_probability", "returned_part", "reason_1", "reason_2", "reason_3"),
    limits=(
        "A chance is given that the line is not cancelled.",
        "Country, region and distance are no features, nor is anything else of a person but what they ordered and sent "
        "back; the country that an order ships to only parts the figures that people judge.",
        "What was sent back without a reason, or for one in other than English words, teaches no cause, only the rate.",
        "Reasons say what moved this model, not what would change the customer's mind.",
    ),
    needs=("orders", "order_lines", "returns"),
    # Older lines to grow on, a window apart from newer ones to calibrate on, whose own window has closed.
    fewest_days=150,
    gate=Gate(),
    predicts_with=("lightgbm", "numpy", "pandas", "scipy"),
)

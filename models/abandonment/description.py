"""The model of abandoned carts in data."""

from models.description import Description, Export, Fallback, Gate, Metric

DESCRIPTION = Description(
    name="abandonment",
    purpose=(
        "How likely each cart left behind is to be bought without a message, and what a message would add; "
        "the e-mail tool reads whom to write to and whom to leave alone."
    ),
    tables=("feat_night", "feat_cart", "feat_cart_purchase", "feat_cart_message"),
    label=(
        "the cart was bought within the horizon after the decision, at once or by a later visit; what carts written to "
        "would have done is not known, those held out at random stand for them"
    ),
    matures_after="cart_horizon_days",
    decided_at="the first addition, the first half hour without an action, and the first nights after the last action",
    is_decided_daily=True,
    challenger="lightgbm",
    baselines=("recency_rule", "logistic_regression"),
    metrics=(
        Metric("log_loss", "mean negative logarithm of the chance given to what happened"),
        Metric("auc", "area under the ROC curve, mean over the moments of decision", better="higher", by="moment"),
        Metric(
            "average_precision",
            "area under the precision-recall curve, mean over the moments of decision",
            better="higher",
            by="moment",
        ),
        Metric("brier", "mean squared error of the probability"),
    ),
    money=Metric("value_brier", "squared error of the probability, each cart weighing its amount"),
    slices=("moment", "buyer", "device", "source"),
    claims=("purchase",),
    fallback=Fallback("recency_rule", max_age_days=120),
    exports=(Export("cart_recovery", 1, ("as_of", "cart_id")),),
    key=("cart_key", "visitor_id", "customer_id"),
    moments="moment",
    drawings=("importance", "lead_time", "qini"),
    outputs=("purchase_probability", "message_effect", "effect_method", "reason_1", "reason_2", "reason_3"),
    limits=(
        "A purchase by somebody who is not known, on another device, is seen by nobody and counts as none.",
        "Carts held out at random speak for those written to; messages sent without chance teach nothing.",
        "Of a person it reads orders, carts and log-ins, neither country nor address.",
        "Reasons say what moved this model, not what would change the customer's mind.",
    ),
    needs=("events",),
    needs_rows=("feat_cart",),
    # Four weeks to grow on, a horizon apart from four newer ones to calibrate on, whose own horizon has passed.
    fewest_days=70,
    gate=Gate(),
    predicts_with=("lightgbm", "numpy", "pandas", "scipy"),
)

"""The table of chances by group: what it says, and that no gate goes by it."""

from __future__ import annotations

from dataclasses import replace

import judged
import numpy as np
import pandas as pd

from models.gate import decide
from models.trial import Trial
from pipelines import group_table

DESCRIPTION = replace(judged.DESCRIPTION, slices=(), groups=("who",), claims=("return",))


def _cases() -> pd.DataFrame:
    """Ten weeks: 600 cases of A stated at 0.2 of which 0.25 happened, 1,400 of B at 0.1 of which 0.1 did, 40 of C."""
    who = np.repeat(["A", "B", "C"], [600, 1_400, 40])
    stated = np.repeat([0.2, 0.1, 0.1], [600, 1_400, 40])
    happened = np.concatenate([np.tile([1, 0, 0, 0], 150), np.tile([1] + [0] * 9, 140), np.zeros(40)])
    days = np.arange(len(who)) % 70
    return pd.DataFrame(
        {
            "at": judged.LAST - days,
            "who": who,
            "loss.part": (stated - happened) ** 2,
            "loss.whole": 1.0,
            "return.stated": stated,
            "return.gap": happened - stated,
        }
    )


def test_each_large_group_is_told_with_its_chance_and_error() -> None:
    trial = Trial(DESCRIPTION, {"challenger": _cases()})
    assert trial.groups == ("who A", "who B")
    (table,) = group_table.tables(trial, "challenger")
    # 0.25 less 0.2; the squared error is 0.25 * 0.8^2 + 0.75 * 0.2^2.
    for text in ("who A", "600", "0.2000", "+0.0500", "0.1900", "who B", "1,400", "0.1000"):
        assert text in table
    gap = trial.gap("challenger", "return", "who A")
    assert gap.low < 0.05 < gap.high


def test_the_gate_goes_by_slices_alone() -> None:
    cases = _cases()
    worse = cases.assign(**{"loss.part": cases["loss.part"] * np.where(cases["who"] == "A", 3.0, 0.1)})
    for description, number in ((DESCRIPTION, 0), (replace(DESCRIPTION, slices=("who",)), 2)):
        verdict = decide(Trial(description, {"challenger": worse, "baseline": cases}), "challenger", None)
        assert sum("who" in check.name for check in verdict.checks) == number


def test_a_model_without_groups_has_no_table() -> None:
    assert (
        list(group_table.tables(Trial(replace(DESCRIPTION, groups=()), {"challenger": _cases()}), "challenger")) == []
    )

"""The gate on candidates of known quality: who passes, who does not, and with which reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from judged import LAST, WEEK, World, trial

from models import bootstrap
from models.gate import Verdict, decide


def _verdict(challenger: pd.DataFrame, world: World) -> Verdict:
    champion, baseline = world.candidate(), world.candidate(quality=1.3)
    return decide(trial(challenger=challenger, champion=champion, baseline=baseline), "challenger", "champion")


@pytest.mark.parametrize("seed", range(3))
def test_a_truly_better_challenger_is_accepted_and_its_gain_is_the_planted_one(seed: int) -> None:
    world = World(seed)
    champion, baseline, better = world.candidate(), world.candidate(quality=1.3), world.candidate(quality=0.85)
    tried = trial(challenger=better, champion=champion, baseline=baseline)
    verdict = decide(tried, "challenger", "champion")
    assert verdict.is_accepted
    assert "better beyond noise" in verdict.reason
    gain = tried.gain("challenger", "champion", tried.description.metrics[0])
    assert gain.low < 0.15 < gain.high


@pytest.mark.parametrize("seed", range(3))
def test_a_worse_challenger_is_refused_as_worse(seed: int) -> None:
    world = World(seed)
    verdict = _verdict(world.candidate(quality=1.15), world)
    assert not verdict.is_accepted
    assert "worse: loss" in verdict.reason
    assert "of champion" in verdict.reason


@pytest.mark.parametrize("seed", range(3))
def test_one_that_is_better_than_the_champion_but_not_than_a_baseline_is_refused(seed: int) -> None:
    world = World(seed)
    champion, baseline = world.candidate(quality=1.3), world.candidate(quality=0.8)
    verdict = decide(
        trial(challenger=world.candidate(), champion=champion, baseline=baseline), "challenger", "champion"
    )
    assert not verdict.is_accepted
    assert "of baseline" in verdict.reason
    assert "of champion" not in verdict.reason


def test_luck_on_one_slice_is_refused_and_named() -> None:
    world = World(5)
    champion = world.candidate()
    lucky = champion.copy()
    # One week of one group came out at a tenth: a gain of 0.9 x 1/5 x 1/16 of all losses, about 1 %.
    is_lucky = (lucky["group"] == 0) & (lucky["at"] > LAST - WEEK)
    lucky.loc[is_lucky, "loss.part"] *= 0.1
    # Everywhere else it is a little worse.
    lucky.loc[lucky["group"] != 0, "loss.part"] *= 1.002
    tried = trial(challenger=lucky, champion=champion, baseline=world.candidate(quality=1.3))
    verdict = decide(tried, "challenger", "champion")
    assert tried.value("challenger", tried.description.metrics[0]) < tried.value(
        "champion", tried.description.metrics[0]
    )
    assert not verdict.is_accepted
    assert "not better beyond noise" in verdict.reason
    assert "all of it on group 0" in verdict.reason


@pytest.mark.parametrize("off_by", [-0.12, 0.09])
def test_one_that_is_better_and_uncalibrated_is_refused_for_that_alone(off_by: float) -> None:
    world = World(2)
    verdict = _verdict(world.candidate(quality=0.8, off_by=off_by), world)
    assert not verdict.is_accepted
    assert verdict.reason.startswith("challenger: not calibrated: p90 happens 0.")
    assert ("more" if off_by > 0 else "less") in verdict.reason
    assert [check.name for check in verdict.checks if not check.holds] == ["calibrated at p90"]


def test_one_that_is_better_in_all_and_harms_a_slice_is_refused_for_that_slice() -> None:
    world = World(3)
    verdict = _verdict(world.candidate(quality=0.7, on_group=1.25 / 0.7), world)
    assert [check.name for check in verdict.checks if not check.holds] == ["no harm on group 0"]
    assert "worse than champion on group 0 (at most 5% is allowed)" in verdict.reason


def _accepted(seed: int, challengers: int = 50) -> int:
    """How many of as many challengers no better than the champion are accepted, each winner being the next champion."""
    world = World(seed)
    champion, accepted = world.candidate(), 0
    for _ in range(challengers):
        challenger = world.candidate()
        verdict = decide(trial(challenger=challenger, champion=champion), "challenger", "champion")
        if verdict.is_accepted:
            champion, accepted = challenger, accepted + 1
    return accepted


def test_of_fifty_identical_challengers_at_most_two_are_accepted() -> None:
    assert _accepted(seed=1) <= 2


@pytest.mark.campaign
def test_of_fifty_identical_challengers_at_most_two_are_accepted_in_many_worlds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts = [_accepted(seed) for seed in range(40)]
    with capsys.disabled():
        print(f"\naccepted of 50 identical challengers, in 40 worlds: {sorted(counts, reverse=True)}")
    assert max(counts) <= 2


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    # Weeks with a mean of 1 and a spread of 0.2, twelve of them: 98 of 100 intervals hold 1.
    rng, count = np.random.default_rng(7), 1_000
    held = 0
    for _ in range(count):
        weeks = rng.normal(1, 0.2, 12)
        sums = bootstrap.Sums(weeks[None, :], np.ones((1, 12)), is_root=False)
        interval = bootstrap.interval(sums.values(), 12, 0.98)
        held += interval.low <= 1 <= interval.high
    # Four standard errors of a share of a thousand.
    assert held / count == pytest.approx(0.98, abs=4 * np.sqrt(0.98 * 0.02 / count))


def test_a_metric_by_group_is_the_mean_of_the_groups_roots() -> None:
    # Errors of 2 and 0 in one group: mean square 2; of 3 in the other: 9. Roots, then their mean.
    part, group = np.array([4.0, 0.0, 9.0]), np.array([0, 0, 1])
    sums = bootstrap.sums(part, np.ones(3), group, np.zeros(3, np.int64), is_root=True)
    assert sums.values()[0] == pytest.approx((np.sqrt(2) + 3) / 2)


def test_the_newest_block_is_a_whole_one() -> None:
    at = pd.Series(LAST - np.arange(10))
    assert bootstrap.blocks(at, WEEK, LAST).tolist() == [0] * 7 + [1] * 3

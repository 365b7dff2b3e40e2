"""Runs one expectations suite at one boundary: on a batch before it becomes visible to anything downstream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import ledger
from pipelines.errors import NightshiftError
from pipelines.home import Home

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.load_batch import Batch

SUITES = Path(__file__).parent.parent / "expectations"


class CheckFailedError(NightshiftError):
    """A batch does not look like one; the message names the expectation, the share of bad rows and where to look."""


def check_raw_batch(home: Home, feed: str, batch: Batch, place: str) -> None:
    """Judge a feed's batch, if a suite is written for the feed; an empty batch has nothing to judge."""
    suite = f"raw_{feed}"
    if (SUITES / f"{suite}.json").exists():
        frame = batch.accepted()
        if len(frame):
            check(home, suite, frame, f"the delivery of {feed}, {place}")


def check(home: Home, suite_name: str, frame: pd.DataFrame, where: str) -> None:
    """Run `expectations/<suite_name>.json` on a frame and keep the result in the ledger.

    Raises `CheckFailedError` for the first expectation that does not hold.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    text = (SUITES / f"{suite_name}.json").read_text()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    suite = gx.ExpectationSuite(**json.loads(text))
    batch = (
        context.data_sources.add_pandas(suite_name)
        .add_dataframe_asset(suite_name)
        .add_batch_definition_whole_dataframe("batch")
        .get_batch({"dataframe": frame})
    )
    outcome = batch.validate(suite)
    results = [_summary(result.to_json_dict(), len(frame)) for result in outcome.results]
    ledger.append(
        home,
        "checks",
        {
            "suite": suite_name,
            "where": where,
            "rows": len(frame),
            "success": outcome.success,
            "results": results,
        },
    )
    for result in results:
        if not result["success"]:
            raise CheckFailedError(
                f"check {suite_name}: {result['expectation']} does not hold: {result['observed']}; look at {where}"
            )


def _summary(result: dict[str, Any], rows: int) -> dict[str, Any]:
    config = result["expectation_config"]
    kwargs = {name: value for name, value in config["kwargs"].items() if name != "batch_id"}
    text = ", ".join(f"{name}={value}" for name, value in kwargs.items())
    found = result.get("result", {})
    if "unexpected_count" in found:
        observed = f"{found['unexpected_count']:,} of {rows:,} rows ({found['unexpected_percent'] or 0:.2f} %) are bad"
    else:
        observed = f"observed {found.get('observed_value')}"
    if error := result.get("exception_info", {}).get("exception_message"):
        observed = str(error).splitlines()[0]
    return {"expectation": f"{config['type']}({text})", "success": result["success"], "observed": observed}

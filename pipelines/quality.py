"""Runs one expectations suite at one boundary: on a batch before it becomes visible to anything downstream."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import ledger
from pipelines.errors import CheckFailedError
from pipelines.home import Home, write_atomically

if TYPE_CHECKING:
    import pandas as pd

SUITES = Path(__file__).parent.parent / "expectations"
# What the pages show of each suite, a week of nights; the ledger remembers all.
RESULTS_KEPT = 7
TIME_FORMAT = "%Y%m%dT%H%M%S%fZ"


def check(home: Home, suite_name: str, frame: pd.DataFrame, where: str) -> None:
    """Run `expectations/<suite_name>.json` on a frame and keep the result in the ledger.

    Raises `CheckFailedError` for the first expectation that does not hold.
    """
    outcome = validate(home, suite_name, frame, where)
    results = [_summary(result, len(frame)) for result in outcome["results"]]
    event = {"suite": suite_name, "where": where, "rows": len(frame), "success": outcome["success"], "results": results}
    ledger.append(home, "checks", event)
    for result in results:
        if not result["success"]:
            raise CheckFailedError(
                f"check {suite_name}: {result['expectation']} does not hold: {result['observed']}; look at {where}"
            )


def validate(
    home: Home, suite_name: str, frame: pd.DataFrame, where: str, row_name: str | None = None
) -> dict[str, Any]:
    """The validation result of a suite on a frame, in Great Expectations' own form; it is kept for the pages.

    With `row_name`, a column, every unexpected row is told by its value there.
    """
    import great_expectations as gx

    told = {"result_format": "COMPLETE", "unexpected_index_column_names": [row_name]} if row_name else "BASIC"
    batch = (
        _context()
        .data_sources.add_or_update_pandas(suite_name)
        .add_dataframe_asset(suite_name)
        .add_batch_definition_whole_dataframe("batch")
        .get_batch({"dataframe": frame})
    )
    suite = gx.ExpectationSuite(**read_suite(suite_name))
    outcome: dict[str, Any] = batch.validate(suite, result_format=told).to_json_dict()
    outcome["meta"] |= {"where": where, "rows": len(frame)}
    _keep(home, suite_name, outcome)
    return outcome


def has_suite(suite_name: str) -> bool:
    return (SUITES / f"{suite_name}.json").exists()


def read_suite(suite_name: str) -> dict[str, Any]:
    """A suite as it is written in `expectations/`."""
    suite: dict[str, Any] = json.loads((SUITES / f"{suite_name}.json").read_text())
    return suite


def condition(result: dict[str, Any]) -> str:
    """An expectation as one reads it: its type with its arguments."""
    config = result["expectation_config"]
    kwargs = {name: value for name, value in config["kwargs"].items() if name != "batch_id"}
    return f"{config['type']}({', '.join(f'{name}={value}' for name, value in kwargs.items())})"


def kept_results(home: Home) -> dict[Path, dict[str, Any]]:
    """The newest results of every suite, by their path `checks/<suite>/<time>.json`."""
    results: dict[Path, dict[str, Any]] = {}
    for path in sorted(home.checks.glob("*/*.json")):
        # A load at the same time may have just put a newer one in its place.
        with suppress(FileNotFoundError):
            results[path] = json.loads(path.read_bytes())
    return results


@cache
def _context() -> Any:
    """One for the process: it costs seconds and hundreds of megabytes."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _keep(home: Home, suite_name: str, outcome: dict[str, Any]) -> None:
    folder = home.checks / suite_name
    write_atomically(folder / f"{datetime.now(UTC):{TIME_FORMAT}}.json", ledger.canonical_json(outcome))
    for old in sorted(folder.glob("*.json"))[:-RESULTS_KEPT]:
        old.unlink(missing_ok=True)


def _summary(result: dict[str, Any], rows: int) -> dict[str, Any]:
    found = result.get("result", {})
    if "unexpected_count" in found:
        observed = f"{found['unexpected_count']:,} of {rows:,} rows ({found['unexpected_percent'] or 0:.2f} %) are bad"
    else:
        observed = f"observed {found.get('observed_value')}"
    if error := result.get("exception_info", {}).get("exception_message"):
        observed = str(error).splitlines()[0]
    return {"expectation": condition(result), "success": result["success"], "observed": observed}

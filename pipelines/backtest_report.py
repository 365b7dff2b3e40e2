"""`nightshift backtest`: its table, its page of plots and its lines."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import backtest, model_figures
from pipelines.errors import NightshiftError
from pipelines.home import Home, write_atomically
from pipelines.model_inputs import model_inputs
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.trial import Trial

Log = Callable[[str], None]


@dataclass(frozen=True)
class BacktestReport:
    """Where the results lie, and a line a candidate."""

    table: Path
    page: Path
    lines: tuple[str, ...]


def report(settings: Settings, model: str, as_of: date, snapshot: str, origins: int | None, log: Log) -> BacktestReport:
    """Judge challenger and baselines at up to `origins` rolling origins, the gate's number by default.

    Raises `NightshiftError` when the history is too short for any.
    """
    from models.rolling import Rolling

    home = Home(settings.home)
    inputs = model_inputs(settings, model, as_of, snapshot)
    recipes = backtest.candidates(inputs, settings.seed, None)
    with Rolling(inputs.question, inputs.history, recipes, settings.threads) as rolling:
        tested = backtest.run(home, inputs, rolling, recipes, origins or inputs.description.gate.windows, log)
    trial = tested.trial(inputs.description.challenger)
    if trial is None:
        challenger = inputs.description.challenger
        raise NightshiftError(f"{model}: too little closed history up to {as_of} to judge {challenger}")
    folder = home.backtests / model / f"as_of={as_of}-origins={len(tested.windows)}"
    buffer = io.BytesIO()
    model_figures.results(tested).to_parquet(buffer, engine="pyarrow", index=False)
    write_atomically(folder / "results.parquet", buffer.getvalue())
    write_atomically(folder / "results.html", model_figures.results_page(tested).encode())
    return BacktestReport(folder / "results.parquet", folder / "results.html", tuple(_lines(trial)))


def _lines(trial: Trial) -> list[str]:
    description = trial.description
    metric, challenger, level = description.metrics[0], description.challenger, description.gate.confidence
    lines = []
    for name in trial.judged:
        figure = trial.figure(name, metric)
        line = f"{name}: {metric.name} {figure.value:.4f} ({level:.0%} interval {figure.low:.4f} to {figure.high:.4f})"
        if name != challenger:
            gain = trial.gain(challenger, name, metric)
            line += f"; {challenger} is {gain.value:+.1%} better ({gain.low:+.1%} to {gain.high:+.1%})"
        lines.append(line)
    return lines

"""What the life of a model needs to know of it: a description in data, and the few functions each model brings.

Backtest, training, gate, registration, scoring and model card are written once against these types. A model is a
folder under `models/` with `description.py` (its `DESCRIPTION`) and `question.py` (its class `Question`), and its
name in `models.questions.NAMES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from models.drawings import Drawing
    from models.splits import ClosedWindow

Better = Literal["lower", "higher", "near zero"]


@dataclass(frozen=True)
class Metric:
    """A figure of merit: sum of parts over sum of wholes, its root where `is_root`.

    With `by`, a column of the judged cases, it is the mean over that column's groups, each weighing the same.
    """

    name: str
    meaning: str
    better: Better = "lower"
    by: str | None = None
    is_root: bool = False


@dataclass(frozen=True)
class Gate:
    """What a challenger has to show; shares are of 1.

    `windows` newest closed windows are judged, in blocks of `block_days`. `confidence` is that of the two-sided
    interval of every difference. A slice of fewer than `fewest_cases` is not judged by itself.
    """

    windows: int = 4
    block_days: int = 7
    confidence: float = 0.98
    slice_margin: float = 0.05
    calibration_margin: float = 0.05
    fewest_cases: int = 500


@dataclass(frozen=True)
class Fallback:
    """Who speaks when no champion can: a baseline. A champion trained longer ago than this does not speak."""

    baseline: str
    max_age_days: int


@dataclass(frozen=True)
class Export:
    """One promise to ops systems: its major version and its key.

    `not_compared` are columns besides the lineage that differ every night for the same key.
    """

    name: str
    version: int
    key: tuple[str, ...]
    not_compared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """A model in data.

    `tables` are the feature tables it reads. `matures_after` is the setting, or the number of days, after which the
    label of a decision is known. `challenger` is the method that is learned; `baselines` need no learning. The first
    of `metrics` decides. `slices` and `claims` are columns of the judged cases: a claim is a stated probability.
    `groups` are columns too, of whom a decision is about: the card tells a person what is stated of each and how it
    came true, the gate does not go by them.
    `key` and `outputs` are the columns of its predictions; `further` names what a night makes of them besides.
    Where chances are drawn the slice `moments` parts them; `drawings` names the plots that only this model has.
    Without the feeds it `needs`, or rows in the feature tables of `needs_rows`, it is switched off by name. Decisions
    of a window are taken at its origin, or, where `is_decided_daily`, on each of its days.
    """

    name: str
    purpose: str
    tables: tuple[str, ...]
    label: str
    matures_after: str | int
    decided_at: str
    challenger: str
    baselines: tuple[str, ...]
    metrics: tuple[Metric, ...]
    money: Metric
    slices: tuple[str, ...]
    claims: tuple[str, ...]
    fallback: Fallback
    exports: tuple[Export, ...]
    key: tuple[str, ...]
    outputs: tuple[str, ...]
    limits: tuple[str, ...]
    fewest_days: int
    groups: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    moments: str | None = None
    drawings: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("orders", "order_lines")
    needs_rows: tuple[str, ...] = ()
    is_decided_daily: bool = False
    gate: Gate = field(default_factory=Gate)
    predicts_with: tuple[str, ...] = ("numpy", "pandas")


@dataclass(frozen=True)
class Recipe:
    """All that a fit depends on besides its data: the method, its parameters and the seed."""

    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    @property
    def text(self) -> str:
        """The same recipe always as the same JSON; `from_text` reads it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Recipe:
        return cls(**json.loads(text))


class TooLittleDataError(ValueError):
    """Too little history to learn from."""


class Model(Protocol):
    """What predicts: it can be written as files, and its version is the hash of what predicts."""

    @property
    def method(self) -> str: ...

    @property
    def version(self) -> str: ...

    def files(self) -> dict[str, bytes]:
        """No pickle among them; `Question.load` reads them back."""
        ...

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """The description's `outputs` for rows of features, in their order."""
        ...


class Question(Protocol):
    """What a model brings besides its description. History, cases and what was learned are its own types.

    `finish` is given what was learned before and its cases only where the model needs the window before.
    """

    needs_window_before: bool

    def __init__(self, matures_days: int) -> None: ...

    def read(self, tables: Mapping[str, pd.DataFrame]) -> Any:
        """The feature tables as a history; raises `ValueError` when they are not what the model reads."""
        ...

    def days(self, history: Any) -> tuple[date, date] | None:
        """First and last day of the history; None when it is empty."""
        ...

    def recipe(self, seed: int) -> Recipe:
        """How the challenger is learned."""
        ...

    def cases(self, history: Any, window: ClosedWindow) -> Any:
        """The decisions of a closed window with their outcome and what was known at each."""
        ...

    def learn(self, recipe: Recipe, history: Any, as_of: date) -> Any:
        """Learn from what was known at the end of `as_of`; a baseline learns nothing.

        Raises `TooLittleDataError`.
        """
        ...

    def finish(self, recipe: Recipe, learned: Any, before: Any, cases: Any) -> Model:
        """A model from what was `learned`, its spread or calibration from how what was learned `before` the cases
        did on them."""
        ...

    def judge(self, model: Model, cases: Any) -> pd.DataFrame:
        """One row a case: `at` (its day), each slice, `<metric>.part` and `<metric>.whole`, the columns metrics go
        `by`, and `<claim>.gap`, what happened (0 to 1) less the probability stated; where this differs from case to
        case, `<claim>.stated` too."""
        ...

    def score(self, model: Model, history: Any) -> pd.DataFrame:
        """The night's predictions: the description's `key` and `outputs`; `method` where a row's is its own."""
        ...

    def further(self, model: Model, history: Any) -> Mapping[str, pd.DataFrame]:
        """The night's tables that the description calls `further`; not asked for where it names none."""
        ...

    def drawings(self, model: Model, history: Any) -> Mapping[str, Drawing]:
        """The plots that the description names; not asked for where it names none."""
        ...

    def load(self, files: Mapping[str, bytes]) -> Model:
        """Read what `Model.files` wrote; raises `ValueError` when its features are not those computed here."""
        ...

    def example(self) -> pd.DataFrame:
        """Invented rows of features."""
        ...

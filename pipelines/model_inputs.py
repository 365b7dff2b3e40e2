"""What models read: the feature tables of one snapshot, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines import feature_snapshot
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.description import Description, Question


@dataclass(frozen=True)
class Inputs:
    """A model's question with its history up to `as_of`; its labels are known after `matures_days`."""

    description: Description
    question: Question
    history: Any
    as_of: date
    snapshot: str
    matures_days: int


def matures_days(settings: Settings, description: Description) -> int:
    """Days after a decision until its label is known."""
    after = description.matures_after
    return int(getattr(settings, after)) if isinstance(after, str) else after


def model_inputs(settings: Settings, name: str, as_of: date, snapshot: str, matures: int | None = None) -> Inputs:
    """A model's feature tables; raises `NightshiftError` unless the snapshot is whole and ends on `as_of`.

    `matures` stands for the label's maturity that the settings say.
    """
    from models import questions

    description = questions.description(name)
    matures = matures or matures_days(settings, description)
    question = questions.question(name, matures)
    home = Home(settings.home)
    # A flipped bit in Parquet reads as another number, without an error.
    if not feature_snapshot.is_whole(home, snapshot):
        raise NightshiftError(
            f"snapshot {snapshot} is missing or damaged; make it with: nightshift build --as-of {as_of}"
        )
    try:
        folder = home.snapshots / snapshot
        history = question.read({table: feature_snapshot.read(folder, table) for table in description.tables})
    except ValueError as error:
        raise NightshiftError(f"snapshot {snapshot}: {error}; build it again") from error
    days = question.days(history)
    if days is None:
        raise NightshiftError(f"snapshot {snapshot} holds no sales history; load orders, order_lines and products")
    if days[1] != as_of:
        raise NightshiftError(f"snapshot {snapshot} ends on {days[1]}, not on {as_of}; build that day first")
    return Inputs(description, question, history, as_of, snapshot, matures)

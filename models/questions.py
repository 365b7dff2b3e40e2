"""The models there are. A new one is a folder beside this file and its name here."""

from __future__ import annotations

from importlib import import_module

from models.description import Description, Question

NAMES = ("demand", "returns", "abandonment")


def description(name: str) -> Description:
    """What the model is; costs no heavy import."""
    found: Description = import_module(f"models.{name}.description").DESCRIPTION
    return found


def question(name: str, matures_days: int) -> Question:
    """The model's functions, for labels that are known after `matures_days`."""
    made: Question = import_module(f"models.{name}.question").Question(matures_days)
    return made

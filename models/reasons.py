"""What moves a probability most, in words: contributions to its log-odds, by subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.inputs import Inputs

REASONS = ("reason_1", "reason_2", "reason_3")
# Of each subject the columns that its words need, and the words.
Words = Mapping[str, tuple[tuple[str, ...], Callable[..., str]]]


def strongest(
    inputs: Inputs,
    contributions: NDArray[np.float64],
    subjects: Mapping[str, str],
    words: Words,
    texts: tuple[str, ...],
) -> dict[str, NDArray[np.object_]]:
    """The three subjects that move each row most, the strongest first.

    `contributions` has a column a feature of `subjects`, which names the subject each belongs to; `texts` are the
    columns that are no numbers.
    """
    names = tuple(dict.fromkeys(subjects.values()))
    member = np.array([[owner == name for name in names] for owner in subjects.values()], np.float64)
    moved = contributions @ member
    order = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, : len(REASONS)]
    told = {name: np.full(inputs.size, None, object) for name in REASONS}
    for number, subject in enumerate(names):
        rows, ranks = np.nonzero(order == number)
        if not len(rows):
            continue
        said = phrases(subject, inputs, rows, words, texts)
        signs = np.where(moved[rows, number] > 0, "raises", "lowers")
        for rank, name in enumerate(REASONS):
            here = ranks == rank
            told[name][rows[here]] = [f"{sign} it: {text}" for sign, text in zip(signs[here], said[here], strict=True)]
    return told


def only(
    inputs: Inputs, subjects: tuple[str, ...], words: Words, texts: tuple[str, ...]
) -> dict[str, NDArray[np.object_]]:
    """What a rule goes by; there is nothing more to say."""
    told = {name: np.full(inputs.size, None, object) for name in REASONS}
    for name, subject in zip(REASONS, subjects, strict=False):
        told[name] = phrases(subject, inputs, np.arange(inputs.size), words, texts)
    return told


def phrases(
    subject: str, inputs: Inputs, rows: NDArray[np.int64], words: Words, texts: tuple[str, ...]
) -> NDArray[np.object_]:
    """A subject's words for some rows."""
    names, say = words[subject]
    columns = [
        inputs.text(name)[rows] if name in texts else inputs.column(name)[rows].astype(np.float64) for name in names
    ]
    told = np.empty(len(rows), object)
    told[:] = [say(*values) for values in zip(*columns, strict=True)]
    return told

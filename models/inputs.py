"""What a model is asked with: columns by name, from rows of arrays or from a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.tables import Integers, numbers, texts

Column = Callable[[str], NDArray[np.float32]]
Text = Callable[[str], NDArray[Any]]


class Inputs:
    """`size` rows; `column` gives a number, NaN where unknown, `text` a category, None where unknown."""

    def __init__(self, size: int, column: Column, text: Text) -> None:
        self.size, self.column, self.text = size, column, text

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Self:
        return cls(len(frame), lambda name: numbers(frame[name]), lambda name: texts(frame[name]))

    def chosen(self, index: Integers) -> Self:
        return type(self)(len(index), lambda name: self.column(name)[index], lambda name: self.text(name)[index])

    def categories(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The values of each category, in order."""
        return {name: tuple(sorted({str(v) for v in pd.unique(self.text(name)) if v is not None})) for name in names}

    def coded(self, name: str, categories: Mapping[str, tuple[str, ...]]) -> NDArray[np.float64]:
        """A category by the place of its value, NaN for any other."""
        codes = pd.Categorical(self.text(name), categories=list(categories[name])).codes
        return np.where(codes < 0, np.nan, codes)

"""What a mapping may state about when a delivery is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.uris import DS, S3, checked_uri, split_uri


class Completion(BaseModel):
    """A delivery is taken once all that is stated here holds; before, it is late.

    `stable_seconds`: none of its files, nor the marker, has changed for so long. `marker`: this file is there, one a
    business day, or one for bulk history. `declares`: what the marker holds, the delivery's number of `rows`, or
    lines of `sha256sum` that name its files (`sha256`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stable_seconds: Annotated[float | None, Field(gt=0, strict=True, allow_inf_nan=False)] = None
    marker: str | None = None
    declares: Literal["rows", "sha256"] | None = None

    @field_validator("marker")
    @classmethod
    def _one_file(cls, marker: str | None) -> str | None:
        if marker is not None and re.search(r"[*?\[]", checked_uri(marker)):
            raise ValueError("a delivery has one marker; name it without *, ? and [")
        return marker

    @model_validator(mode="after")
    def _says_something(self) -> Completion:
        if self.declares and not self.marker:
            raise ValueError("declares says what a marker holds; name the marker")
        if not self.marker and not self.stable_seconds:
            raise ValueError("state stable_seconds, a marker or both")
        return self

    def problems(self, uri: str) -> Iterator[str]:
        """What does not go together with where the files lie."""
        if self.marker is None:
            return
        if (DS in self.marker) != (DS in uri):
            yield f"marker: {DS} stands in both uri and marker or in neither"
        if self.marker.startswith(S3) != uri.startswith(S3):
            yield "marker: it lies where the files lie, below the landing folder or in their S3 bucket"
        elif uri.startswith(S3) and split_uri(uri)[0] != split_uri(self.marker)[0]:
            yield "marker: it lies in the bucket of the files"
        if self.marker == uri:
            yield "marker: a delivery cannot be its own marker"

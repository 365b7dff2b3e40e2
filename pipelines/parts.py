"""Parts of a night that stand by themselves, feeds, models, exports: one that fails keeps no other from being done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from pipelines.errors import HomeBusyError, NightshiftError, PartlyFailedError, UsageError

Log = Callable[[str], None]
T = TypeVar("T")


@dataclass
class Parts:
    """`failed` has the reason by part, which is named as the ledger names its step."""

    log: Log
    failed: dict[str, str] = field(default_factory=dict)

    def each(self, step: str, names: Iterable[str], do: Callable[[str], T | None]) -> dict[str, T]:
        """Do the same for each name; by name what came of it, of those that failed or were off nothing.

        What was set wrongly, or a home that another night holds, stops at once.
        """
        done = {}
        for name in names:
            try:
                result = do(name)
            except (UsageError, HomeBusyError):
                raise
            except NightshiftError as error:
                self.note(f"{step} {name}", str(error))
            else:
                if result is not None:
                    done[name] = result
        return done

    def note(self, part: str, reason: str) -> None:
        """Take down that a part has failed."""
        self.failed[part] = reason
        self.log(f"{part}: FAILED, the others go on: {reason}")

    @property
    def lines(self) -> list[str]:
        """What failed, with its reason."""
        return [f"{part}: {reason}" for part, reason in self.failed.items()]

    def refuse_failed(self) -> None:
        """Raise `PartlyFailedError` when a part has failed."""
        if self.failed:
            raise PartlyFailedError("; ".join(self.lines), self.failed)

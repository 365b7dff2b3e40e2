"""Errors whose text is meant for the person at the terminal: one line, what is wrong and what to do."""

from __future__ import annotations

import errno
from collections.abc import Mapping

_LONGEST = 1_000


class NightshiftError(Exception):
    """The data, a check or the state of the home is at fault (exit status 1)."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message[:_LONGEST]) + ("..." if len(message) > _LONGEST else ""))


class UnavailableError(NightshiftError):
    """A lock, a server or the way to it is not to be had; the same call can succeed later."""


class HomeBusyError(UnavailableError):
    """Another night holds the home."""


class PartlyFailedError(NightshiftError):
    """Some parts of a step failed, the others are done; `reasons` says why, by part."""

    def __init__(self, message: str, reasons: Mapping[str, str]) -> None:
        super().__init__(message)
        self.reasons = dict(reasons)


class CheckFailedError(NightshiftError):
    """A batch does not look like one; the message names the expectation, what was observed and where to look."""


class UsageError(NightshiftError):
    """The command or a setting was given wrongly (exit status 2)."""


def visible(text: str) -> str:
    """Text from outside on one line: what would steer a terminal, or hide, is written out as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def system_error(error: OSError) -> str:
    """What the operating system refused, on one line, and what to do where a disk is full."""
    place = visible(str(error.filename or "the data home"))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left for {place}; free some and run again"
    return f"{error.strerror or error}: {place}"

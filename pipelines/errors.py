"""Errors whose text is meant for the person at the terminal: one line, what is wrong and what to do."""

from __future__ import annotations

import errno

_LONGEST = 1_000


class NightshiftError(Exception):
    """The data, a check or the state of the home is at fault (exit status 1)."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message[:_LONGEST]) + ("..." if len(message) > _LONGEST else ""))


class HomeBusyError(NightshiftError):
    """Another night holds the home; the same call can succeed later."""


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

"""Errors whose text is meant for the person at the terminal: one line, what is wrong and what to do."""


class NightshiftError(Exception):
    """The data, a check or the state of the home is at fault (exit status 1)."""


class HomeBusyError(NightshiftError):
    """Another night holds the home; the same call can succeed later."""


class UsageError(NightshiftError):
    """The command or a setting was given wrongly (exit status 2)."""

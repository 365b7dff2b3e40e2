"""Errors whose text is meant for the person at the terminal: one line, what is wrong and what to do."""

_LONGEST = 1_000


class NightshiftError(Exception):
    """The data, a check or the state of the home is at fault (exit status 1)."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class HomeBusyError(NightshiftError):
    """Another night holds the home; the same call can succeed later."""


class UsageError(NightshiftError):
    """The command or a setting was given wrongly (exit status 2)."""


def one_line(text: str) -> str:
    """What can be shown on a terminal: deliveries may hold line ends and control sequences, and be very long."""
    shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text[:_LONGEST])
    return shown + ("..." if len(text) > _LONGEST else "")

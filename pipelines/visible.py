"""Text of others on our terminal: it may neither move the cursor nor end a line."""

from __future__ import annotations


def visible(text: str) -> str:
    """The text with every control and format character written as its escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )

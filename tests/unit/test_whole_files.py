"""The shape of a text file is that of the whole text, wherever the chunks it is read in end."""

from __future__ import annotations

import random
from pathlib import Path

from pipelines.sources import Source
from pipelines.whole_files import text_shape

SEED = 20_261_124


def test_line_ends_are_counted_across_the_chunks_of_a_file() -> None:
    source = Source(uri="lines/{ds}.jsonl", format="jsonl")
    draw = random.Random(SEED)
    empty_lines = 0
    for _ in range(2_000):
        text = b"".join(draw.choices([b"\n", b"\r", b"a"], k=draw.randrange(12))) + b"\n"
        cuts = sorted(draw.choices(range(len(text) + 1), k=draw.randrange(5)))
        chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        found = text_shape(Path("lines.jsonl"), "lines.jsonl", source, chunks, None)
        # An empty line lies between two line ends; the first line of a file has none before it.
        lines = text.split(b"\n")[1:-1]
        empty = sum(line in (b"", b"\r") for line in lines)
        assert (found.newlines, found.empty_lines) == (text.count(b"\n"), empty), (text, chunks)
        empty_lines += empty
    assert empty_lines > 1_000

"""Text of others, made safe for a terminal, a table or the name of a file."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

#: Most characters of a file name that is made from a text. With an ending, every file system accepts as many.
LONGEST_NAME = 100


def printable(text: str) -> str:
    """The text, with each character that cannot be printed replaced by its escape code as in Python.

    Control characters move the cursor of a terminal or give it commands. Direction marks change the order of the text.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """The same as :func:`printable`, with each run of whitespace and line ends as one space."""
    return printable(" ".join(text.split()))


def file_stem(text: str) -> str:
    """A file name without ending that resembles the text. It is never empty, hidden, a path, or too long."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:LONGEST_NAME].strip("._-") or "_"


def file_stems(texts: Iterable[str]) -> list[str]:
    """:func:`file_stem` of each text. If two are equal but for upper and lower case, the later one gets a number."""
    stems: list[str] = []
    taken: set[str] = set()
    count: Counter[str] = Counter()
    for stem in map(file_stem, texts):
        name = stem
        while name.lower() in taken:
            count[stem.lower()] += 1
            name = f"{stem}-{count[stem.lower()] + 1}"
        taken.add(name.lower())
        stems.append(name)
    return stems


def duration(seconds: float) -> str:
    """A duration in words, such as "42 s", "7 min", "2 h 5 min" or "7 d 3 h"."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def cut(text: str, longest: int) -> str:
    """The text; if it has more than ``longest`` characters, its beginning and three dots."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def counted(count: int, noun: str) -> str:
    """A number of things: "1 tile", "4 tiles"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def aligned(rows: Sequence[Sequence[str]], right: bool = False) -> list[str]:
    """The lines of a table whose columns are aligned, to the left or to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    justify = str.rjust if right else str.ljust
    return ["  ".join(map(justify, row, widths)).rstrip() for row in rows]

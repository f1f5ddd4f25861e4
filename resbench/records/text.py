"""Text that others wrote, made fit for a terminal, for a table and for a name of a file."""

import re
from collections import Counter
from collections.abc import Iterable

#: Characters of a file name that comes from a text; every file system takes them, with an ending.
LONGEST_NAME = 100


def printable(text: str) -> str:
    """The text with its code, as in Python, in the place of every character that cannot be printed.

    Control characters move the cursor of a terminal or give it commands, and marks of direction reorder what is read.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """As :func:`printable`, with any run of whitespace and line ends as one space."""
    return printable(" ".join(text.split()))


def file_stem(text: str) -> str:
    """A file name, without its ending, that says what the text says: never empty, hidden, a path, or too long."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:LONGEST_NAME].strip("._-") or "_"


def file_stems(texts: Iterable[str]) -> list[str]:
    """As :func:`file_stem`, each once, also where capitals and small letters are the same: a later one has a number."""
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
    """A time: in seconds below a minute, in minutes below an hour, else in two units: "42 s", "7 min", "7 d 3 h"."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"

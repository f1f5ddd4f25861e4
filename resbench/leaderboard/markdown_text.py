"""Text that others wrote, and tables, in Markdown."""

import re
from collections.abc import Sequence

from resbench.records.text import one_line


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, whose first column is text and the others numbers."""
    return [_line(header), _line(["---", *["---:"] * (len(header) - 1)]), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


#: Characters with a meaning in Markdown, its HTML, or GitHub's mathematics; ``_`` inside a word has none.
_SPECIAL = re.compile(r"[\\*\[\]!|~$`]|(?<![^\W_])_|_(?![^\W_])")


def escape(text: str) -> str:
    """Escape text from others for Markdown: one line in which nothing is markup."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace("`", "'")
    return _SPECIAL.sub(r"\\\g<0>", line)


def code(text: str) -> str:
    """Text from others as inline code."""
    return "`" + one_line(text).replace("`", "'") + "`"

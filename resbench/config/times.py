"""Durations as people write them: ``1h,1d,1y``."""

from __future__ import annotations

import math
import re

from resbench.errors import BadValue

#: Seconds of each unit. A year has 365.25 days.
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31557600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*([a-z]*)", re.IGNORECASE)


def durations(text: str, key: str = "after") -> dict[str, float]:
    """Durations by how they were written, in seconds, the shortest first; a duration that is there twice counts once.

    Args:
        text: durations with commas between them, each a number and a unit: s, min, h, d, w or y. A number alone is
            seconds.
        key: the key that a message names.

    Raises:
        BadValue: for anything else, and for a duration of 0.
    """
    found: dict[float, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _DURATION.fullmatch(part)
        seconds = float(match[1]) * UNITS.get(match[2] or "s", math.nan) if match else math.nan
        if not (0 < seconds < math.inf):
            units = ", ".join(UNITS)
            raise BadValue(key, repr(part), f"is no duration; write a number and a unit ({units}), such as 1h,1d,1y")
        found.setdefault(seconds, part)
    if not found:
        raise BadValue(key, repr(text), "names no duration; write some, such as 1h,1d,1y")
    return {found[seconds]: seconds for seconds in sorted(found)}

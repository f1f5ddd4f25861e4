"""JSON as its standard has it. What Python reads beyond that is refused: NaN, infinity, and a key given twice."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from resbench.records.text import cut


def parse(content: bytes) -> Any:
    """The value of a JSON document in UTF-8.

    A number beyond the range of floats, such as ``1e400``, is refused too: it would be read as infinity, which cannot
    be written as JSON again.

    Raises:
        ValueError: if it is not strict JSON, or nested too deeply.
    """
    try:
        return json.loads(
            content.decode(), object_pairs_hook=_each_key_once, parse_constant=_not_json, parse_float=_finite
        )
    except RecursionError as error:
        raise ValueError(f"nested too deeply: {error}") from None


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{twice!r} is there twice in one object")
    return found


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f'{cut(text, 40)} is beyond the range of floats; write "{value}" for infinity')
    return value

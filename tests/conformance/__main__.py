"""`python -m tests.conformance FILE...`: replay test vectors of devices, periphery, algorithms or costs.

Prints one line a vector and a closing count; exits 1 if any fails. The format of a file is told by the fields of its
vectors; a vector that cannot be interpreted counts as failed.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conformance.result import Result

#: Fields by which a vector of each format is known; the module of that name replays it.
FORMATS = {
    "cost": {"metric", "printed", "cell"},
    "algorithms": {"algorithm", "initial_weights"},
    "devices": {"config", "quantity", "expected_mean"},
    "periphery": {"op", "io", "kind"},
}


def replay(document: dict[str, Any]) -> list[Result]:
    """Results of all vectors of a document; those of a format that is not there fail with that reason."""
    vectors = document["vectors"]
    fields = {field for vector in vectors for field in vector}
    found = max(FORMATS, key=lambda name: len(FORMATS[name] & fields) / len(FORMATS[name]))
    if not FORMATS[found] & fields:
        return [Result(str(vector.get("id", "?")), False, "no known format") for vector in vectors]
    try:
        module = importlib.import_module(f"tests.conformance.{found}")
    except ModuleNotFoundError as error:
        return [Result(str(vector["id"]), False, f"no replay of {found} vectors: {error}") for vector in vectors]
    results: list[Result] = module.replay(document)
    return results


def main(paths: Sequence[str]) -> int:
    """Replay files, print the outcome, return the exit status."""
    if not paths:
        print("usage: python -m tests.conformance FILE...", file=sys.stderr)
        return 2
    results: list[Result] = []
    for path in paths:
        try:
            outcome = replay(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            outcome = [Result(path, False, f"not a file of vectors: {type(error).__name__}: {error}")]
        for result in outcome:
            print(f"PASS {result.id}" if result.passed else f"FAIL {result.id}: {result.detail}")
        results += outcome
    passed = sum(result.passed for result in results)
    print(f"{passed} passed, {len(results) - passed} failed")
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tests.conformance FILE...`: replay test vectors of devices, periphery, algorithms or costs.

It prints one line for each vector and the counts, and exits with status 1 if any vector fails. The fields of the
vectors tell the format of a file. A vector that cannot be interpreted counts as failed.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conformance.result import Result

#: Typical fields of the vectors of each format. The module with the name of the format replays them.
FORMATS = {
    "cost": {"metric", "printed", "cell"},
    "algorithms": {"algorithm", "initial_weights"},
    "devices": {"config", "quantity", "expected_mean"},
    "periphery": {"op", "io", "kind"},
}


def replay(document: dict[str, Any]) -> list[Result]:
    """The results of all vectors of a document. Vectors of an unknown format fail with that reason."""
    vectors = document["vectors"]
    fields = {field for vector in vectors for field in vector}
    found = max(FORMATS, key=lambda name: len(FORMATS[name] & fields) / len(FORMATS[name]))
    if not FORMATS[found] & fields:
        return [Result(str(vector.get("id", "?")), False, "no known format") for vector in vectors]
    results: list[Result] = importlib.import_module(f"tests.conformance.{found}").replay(document)
    return results


def main(paths: Sequence[str]) -> int:
    """Replay files, print the results, and return the exit status."""
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

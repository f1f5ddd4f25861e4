"""One side of ``benchmarks.compare``: measures the resbench that PYTHONPATH names, which may be that of another commit.

So it needs no more than what all commits have: ``make_loop``, ``load_images`` and ``Loop.run``.
"""

from __future__ import annotations

import json
import sys

import torch

from benchmarks.cases import make_loop
from benchmarks.images import load_images
from benchmarks.loop import Loop

#: Images in a turn, over several iterations, so that the caches belong to the case.
IMAGES = 512


def main() -> None:
    """Answer requests of the parent."""
    torch.set_num_threads(int(sys.argv[1]))
    images, targets, _ = load_images("")
    loops: dict[tuple[str, int], Loop] = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["case"], request["batch"]
        if key not in loops:
            try:
                loops[key] = make_loop(key[0], images, targets, key[1])
            except (AssertionError, AttributeError, KeyError, TypeError) as error:
                print(json.dumps({"missing": f"{type(error).__name__}: {error}"}), flush=True)
                continue
        timing = loops[key].run(max(4, IMAGES // key[1]))
        print(json.dumps({"cpu": timing.cpu, "wall": timing.wall}), flush=True)


if __name__ == "__main__":
    main()

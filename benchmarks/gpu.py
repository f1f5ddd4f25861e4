"""Everything that a GPU has to show, in few minutes: right pulses, no races, no waits, and how fast it is.

``python -m benchmarks.gpu [--minutes 9] [--parts NAME ...] [--json FILE]``

Each part is a process of its own with a cap on its time, so that none can take the time or the GPU of the others. The
file is written anew after each part. Without a GPU, the kernels run in Triton's interpreter, with tiny sizes and all
parts in this process: that shows that the script works, and nothing about speed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.worker import REPOSITORY, tail

#: The parts in order, and the shares of the time that they may take; what one leaves is not given to others.
SHARES = {
    "versions": 1,
    "tests": 6,
    "races": 6,
    "algorithms": 6,
    "networks": 8,
    "pulses": 4,
    "blocks": 4,
    "graph": 2,
}
#: Further environment of the parts: what Lightning sets for deterministic trainings. Some versions of torch refuse
#: matrix products in this mode without it.
ENVIRONMENT = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
#: A process of a part that finds no end itself is ended so many seconds after its cap.
GRACE = 5.0


def run_part(name: str, seconds: float) -> Any:
    """What a part finds, in this process."""
    start = time.perf_counter()
    from benchmarks import gpu_parts

    part: Callable[[gpu_parts.Clock], Any] = getattr(gpu_parts, name)
    return part(gpu_parts.Clock(seconds - (time.perf_counter() - start)))  # importing torch takes seconds


def guarded(name: str, seconds: float) -> dict[str, Any]:
    """What a part finds, or why it failed, and the seconds that it took."""
    start = time.perf_counter()
    try:
        found = {"found": run_part(name, seconds)}
    except Exception:
        found = {"failed": traceback.format_exc()[-4000:]}
    return {**found, "seconds": round(time.perf_counter() - start, 1)}


def in_process(name: str, seconds: float, environment: Mapping[str, str]) -> dict[str, Any]:
    """The same by another process, which is ended if it takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "part.json")
        command = [sys.executable, "-m", "benchmarks.gpu", "--part", name, "--seconds", str(seconds)]
        try:
            done = subprocess.run(
                [*command, "--json", str(file)],
                cwd=REPOSITORY,
                env={**ENVIRONMENT, **environment},
                timeout=seconds + GRACE,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            said = tail(expired.stderr, 2000)
            return {"failed": f"took more than {seconds + GRACE:.0f} s\n{said}", "seconds": seconds + GRACE}
        if not file.exists():
            return {"failed": f"ended with {done.returncode}\n{done.stderr[-3000:]}"}
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="time for all parts together")
    parser.add_argument("--parts", nargs="+", choices=list(SHARES), default=list(SHARES), help="only these")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="where the results go")
    parser.add_argument("--part", choices=list(SHARES), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    has_gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    if not has_gpu:
        os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton, as the next line does
    from benchmarks import report

    if options.part:
        options.json.write_text(json.dumps(guarded(options.part, options.seconds)), encoding="utf-8")
        return 0
    shares = sum(SHARES[name] for name in options.parts)
    results: dict[str, Any] = {"gpu": has_gpu, "minutes": options.minutes, "parts": {}}
    for name in options.parts:
        seconds = 60 * options.minutes * SHARES[name] / shares
        found = in_process(name, seconds, os.environ) if has_gpu else guarded(name, seconds)
        results["parts"][name] = found
        report.write_json(options.json, results)
        print(f"{name}: {json.dumps(found)[:1500]}", flush=True)
    return int(any("failed" in found for found in results["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())

"""Measurements of speed, run by hand; ``benchmarks/README.md`` says how to read them.

They compute in portable arithmetic, as `resbench fit` does; ``BENCHMARK_ARITHMETIC=native`` measures the other one.
"""

import os
from typing import cast

from resbench.training.process import Arithmetic, set_arithmetic, share_cores

share_cores()
set_arithmetic(cast("Arithmetic", os.environ.get("BENCHMARK_ARITHMETIC", "portable")))

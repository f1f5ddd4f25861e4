"""Runs the fuzzer that is named: `python -m tests.fuzz records --count 800 --seed 0`."""

import importlib
import pkgutil
import sys

from tests import fuzz

NAMES = sorted(module.name for module in pkgutil.iter_modules(fuzz.__path__) if not module.name.startswith("_"))

if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m tests.fuzz {{{','.join(NAMES)}}} [--count N] [--seed S]")
    sys.exit(importlib.import_module(f"tests.fuzz.{sys.argv[1]}").main(sys.argv[2:]))

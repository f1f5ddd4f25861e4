"""`python -m tests.fuzz NAME ...`: try many wrong inputs with a fixed seed, and print the faults.

Each module of this package with `add_arguments(parser)` and `run(args) -> int` is a fuzzer, which has the name of the
module. It prints the number of its tries and returns 1 if there was a fault. No fuzzer is part of the default tests.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

import tests.fuzz


def main(argv: Sequence[str]) -> int:
    """Run the fuzzer that the first argument names and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    modules = {}
    for found in pkgutil.iter_modules(tests.fuzz.__path__):
        module = None if found.name.startswith("_") else importlib.import_module(f"tests.fuzz.{found.name}")
        if module is not None and hasattr(module, "add_arguments"):
            summary = (module.__doc__ or "").partition("\n")[0]
            module.add_arguments(names.add_parser(found.name, help=summary))
            modules[found.name] = module
    args = parser.parse_args(argv)
    return int(modules[args.name].run(args))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

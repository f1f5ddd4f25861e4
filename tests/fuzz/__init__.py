"""Fuzzers, which are not part of the default tests: `python -m tests.fuzz NAME --count N --seed S`."""

"""Fuzzers that anyone can run, outside the default suite: `python -m tests.fuzz NAME --count N --seed S`."""

"""Whether a training gives the same bits on every x86-64 processor: `python -m tests.portable`."""

"""Settings of every test: no network, no window, no chance, portable arithmetic."""

import glob
import os

from hypothesis import settings

from resbench import set_arithmetic

os.environ["WANDB_MODE"] = "offline"
os.environ["MPLBACKEND"] = "Agg"
if not glob.glob("/dev/nvidia[0-9]*"):
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton, which looks once

# Torch chooses its arithmetic when it computes for the first time, so it is set before any test does.
set_arithmetic("portable")

settings.register_profile("resbench", deadline=None, derandomize=True)
settings.load_profile("resbench")

"""Settings of every test: no network, no window, no chance."""

import glob
import os

from hypothesis import settings

os.environ["WANDB_MODE"] = "offline"
os.environ["MPLBACKEND"] = "Agg"
if not glob.glob("/dev/nvidia[0-9]*"):
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton, which looks once

settings.register_profile("resbench", deadline=None, derandomize=True)
settings.load_profile("resbench")

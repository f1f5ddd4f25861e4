"""Settings of every test: no network, no window, no chance."""

import os

from hypothesis import settings

os.environ["WANDB_MODE"] = "offline"
os.environ["MPLBACKEND"] = "Agg"

settings.register_profile("resbench", deadline=None, derandomize=True)
settings.load_profile("resbench")

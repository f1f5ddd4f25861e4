"""Does what every run needs first. A sweep imports this module once, in the process that forks its runs.

Nothing here computes with torch, which would fix the arithmetic of all runs, and nothing starts a thread, which would
not be there in a fork.
"""

import contextlib

from resbench.errors import UserError
from resbench.training.process import fast_imports

with fast_imports():
    import sklearn.datasets.data
    import sklearn.datasets.descr  # noqa: F401  # the digits
    import torch.utils.serialization.config  # noqa: F401  # checkpoints

    import resbench.training.fit
    import resbench.training.portable_kernels
    from resbench.training.cli import RunCLI

    # A run fails by itself, with the reason in its log, where kernels cannot be compiled.
    with contextlib.suppress(UserError):
        from numba.core.registry import cpu_target

        import resbench.crossbar.kernels.cpu  # noqa: F401

        # Numba's own functions are registered when the first kernel is compiled or loaded.
        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()

    # The parser examines each class that it meets for the first time.
    RunCLI(
        [
            *("--model=resbench.tasks.Classification", "--data=resbench.data.DigitsData"),
            *("--model.network=resbench.networks.MLP", "--model.network.in_features=64"),
            *("--model.algorithm=resbench.algorithms.AnalogSGD", "--model.device=resbench.crossbar.devices.SoftBounds"),
        ],
        "resbench fit",
        build=False,
    )

"""Imports everything that a run needs. A sweep imports this module once, in the process that forks its runs."""

from resbench.training.process import fast_imports

with fast_imports():
    import sklearn.datasets  # noqa: F401  # the digits

    import resbench.training.fit  # noqa: F401
    from resbench.registry import import_shelves

    import_shelves()

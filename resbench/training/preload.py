"""Imports what a run needs. A sweep imports this module once, in the process that its runs are forked from."""

from resbench.training.process import fast_imports

with fast_imports():
    import sklearn.datasets  # noqa: F401  # of the digits

    import resbench.training.fit  # noqa: F401
    from resbench.registry import import_shelves

    import_shelves()

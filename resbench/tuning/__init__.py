"""Tuning with an equal budget: search spaces, the points that are tried, and the choice between trials. No torch.

:mod:`~resbench.tuning.space` reads a search space and gives its points, :mod:`~resbench.tuning.entry` is what the
config of a run says of its place in a tuning, and :mod:`~resbench.tuning.choice` judges trials. ``docs/tuning.md``
describes the procedure, ``docs/rules.md`` has the rules.
"""

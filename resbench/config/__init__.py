"""Configs as files and data: no torch, no Lightning.

:mod:`~resbench.config.files` finds and composes them, :mod:`~resbench.config.yaml` reads their YAML within limits,
:mod:`~resbench.config.keys` and :mod:`~resbench.config.values` say what a run can have, and
:mod:`~resbench.config.messages` how a mistake is told. :mod:`~resbench.config.trust` and
:mod:`~resbench.config.imports` are for configs that somebody else wrote.
"""

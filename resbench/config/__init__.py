"""Configs as files and data. This room imports neither torch nor Lightning.

:mod:`~resbench.config.files` finds and composes configs, and :mod:`~resbench.config.yaml` reads their YAML within
limits. :mod:`~resbench.config.keys` and :mod:`~resbench.config.values` check keys and values, and
:mod:`~resbench.config.messages` writes the messages about mistakes. :mod:`~resbench.config.trust` and
:mod:`~resbench.config.imports` check configs of other people.
"""

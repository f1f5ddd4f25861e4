"""The results of runs: their schema, identity, names and files. This room imports neither torch nor Lightning.

:mod:`~resbench.records.schema` defines the record of a run, and :mod:`~resbench.records.identity` the hash of its
config. :mod:`~resbench.records.names` names the files of a run folder. :mod:`~resbench.records.files` writes a file
completely or not at all. :mod:`~resbench.records.text` makes text of others safe for a terminal.
"""

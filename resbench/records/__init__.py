"""The ground floor: what a run leaves behind, and how it is identified, named and written. No torch, no Lightning.

:mod:`~resbench.records.schema` is the record of one run, :mod:`~resbench.records.identity` the hash of its config,
:mod:`~resbench.records.names` the files of a run folder, :mod:`~resbench.records.files` writes any of them whole or
not at all, and :mod:`~resbench.records.text` makes text that others wrote fit for a terminal.
"""

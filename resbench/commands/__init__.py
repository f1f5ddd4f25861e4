"""One module per command of `resbench`; heavy modules are imported inside functions."""

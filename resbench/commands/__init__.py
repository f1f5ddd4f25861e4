"""One module per command of `resbench`; what is heavy is imported inside functions."""

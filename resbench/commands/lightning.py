"""`resbench fit`, `validate`, `test` and `predict`: LightningCLI, one run at a time."""

from resbench.training.process import fast_imports


def run(argv: list[str]) -> int:
    """Run the command that ``argv`` begins with and return its exit status."""
    command, *arguments = argv
    with fast_imports():
        from resbench.config.imports import as_allowed
        from resbench.training.evaluate import evaluate
        from resbench.training.fit import fit

    try:
        with as_allowed():
            return fit(arguments) if command == "fit" else evaluate(command, arguments)
    except SystemExit as stop:  # --help and --print_config end the parser
        return int(stop.code or 0)

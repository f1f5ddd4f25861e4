"""`resbench fit`, `validate`, `test` and `predict`: LightningCLI, one run at a time."""

import warnings

#: Warnings of Lightning about what is meant so here: metrics are logged once an epoch, and a run folder holds the config
#: before the first logger writes to it.
EXPECTED = (
    ".*exists and is not empty",
    ".*The number of training batches",
    ".*The dirpath has changed",
    ".*callbacks used to create the checkpoint need to be provided",
    r".*isinstance\(treespec, LeafSpec\)",
)


def run(argv: list[str]) -> int:
    """Run the command that ``argv`` begins with and return its exit status."""
    command, *arguments = argv
    from resbench.training.evaluate import evaluate
    from resbench.training.fit import fit

    with warnings.catch_warnings():
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        try:
            return fit(arguments) if command == "fit" else evaluate(command, arguments)
        except SystemExit as stop:  # --help and --print_config end the parser
            return int(stop.code or 0)

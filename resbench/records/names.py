"""Names of what lies in the folder of a run."""

#: The result of the run.
RECORD = "record.json"
#: The resolved config; it is there from the beginning.
CONFIG = "config.yaml"
#: The newest checkpoint, and the one before it for when the newest cannot be read.
CHECKPOINT, PREVIOUS = "last.ckpt", "previous.ckpt"
#: Every logged metric, the state of every tile, and the predictions of ``resbench predict``.
METRICS, TILES, PREDICTIONS = "metrics.csv", "tiles.jsonl", "predictions.csv"
#: The traceback of a run that failed.
ERROR = "error.txt"
#: Ending of the folder while its run is not complete.
ATTEMPT = ".attempt"

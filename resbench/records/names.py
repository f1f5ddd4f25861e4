"""Names of the files in the folder of a run."""

#: The result of the run.
RECORD = "record.json"
#: The resolved config, which is written before the training.
CONFIG = "config.yaml"
#: The newest checkpoint, and the one before it, which is used if the newest cannot be read.
CHECKPOINT, PREVIOUS = "last.ckpt", "previous.ckpt"
#: All logged metrics, and the states of all tiles.
METRICS, TILES = "metrics.csv", "tiles.jsonl"
#: The predictions of ``resbench predict``; the field is a hash of the conditions that differ from the training's.
PREDICTIONS = "predictions{}.csv"
#: The record and the figure of an evaluation that differs from that of the run: command and first digits of a hash.
EVALUATION, EVALUATION_FIGURE = "{}-{}.json", "{}-{}.png"
#: The traceback of a run that failed.
ERROR = "error.txt"
#: A folder whose run is not complete has this ending.
ATTEMPT = ".attempt"
#: Type of the artifact in Weights & Biases that has the record of a run.
ARTIFACT = "record"

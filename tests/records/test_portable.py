"""Published records name no place of the machine that made them."""

import copy
from typing import Any

import pytest

from resbench.records.identity import config_hash
from resbench.records.portable import places, portable
from resbench.records.schema import Record
from tests.records.factory import MakeRecord


def changed(record: Record, **sections: Any) -> Record:
    config: Any = copy.deepcopy(record.config) | sections
    return record.model_copy(update={"config": config, "config_hash": config_hash(config)})


@pytest.mark.parametrize(
    ("written", "published"),
    [
        ("runs/mine", "runs/mine"),
        ("/home/ann/resbench/runs", "runs"),
        ("~/runs/", "runs"),
        ("../../runs", "runs"),
        (r"C:\Users\ann\runs", "runs"),
        ("/", None),
        ("http://tracking.lab.example:5000", None),
    ],
)
def test_a_name_that_leads_out_of_the_folder_becomes_its_last_part(
    make_record: MakeRecord, written: str, published: str | None
) -> None:
    record = changed(make_record(), experiment={"name": "a", "root": written, "track": None})
    published_record = portable(record)
    assert published_record.config["experiment"] == {"name": "a", "root": published, "track": None}
    assert Record.model_validate_json(published_record.model_dump_json()).config_hash == record.config_hash


def test_all_keys_that_only_say_where_something_is(make_record: MakeRecord) -> None:
    watching = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"dirpath": "/home/ann/c"}}
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "/home/ann/logs"}}
    record = make_record()
    data: Any = copy.deepcopy(record.config["data"])
    data["init_args"]["root"] = "/data/mnist"
    trainer: Any = copy.deepcopy(record.config["trainer"])
    record = changed(
        record,
        data=data,
        weights="/home/ann/start.safetensors",
        ckpt_path="/home/ann/last.ckpt",
        trainer=trainer | {"callbacks": [watching], "logger": [logger], "default_root_dir": "/home/ann"},
    )
    text = portable(record).model_dump_json()
    assert "/home" not in text
    assert "/data" not in text
    config: Any = portable(record).config
    assert (config["data"]["init_args"]["root"], config["weights"]) == ("mnist", "start.safetensors")
    assert portable(portable(record)) == portable(record)


def test_what_decides_the_result_stays_and_is_named(make_record: MakeRecord) -> None:
    record = make_record()
    stopping = {"class_path": "my.Callback", "init_args": {"file": "/home/ann/curve.csv"}}
    record = changed(record, trainer={"max_epochs": 2, "callbacks": [stopping]})
    assert portable(record) is record
    assert list(places(record)) == [("trainer.callbacks.0.init_args.file", "/home/ann/curve.csv")]
    assert not list(places(make_record()))


@pytest.mark.parametrize(
    ("written", "published"),
    [
        ("OSError: [Errno 28] No space: '/home/ann/runs/a/x.ckpt'", "OSError: [Errno 28] No space: 'x.ckpt'"),
        (r"OSError: C:\Users\ann\x.ckpt is full", "OSError: x.ckpt is full"),
        ("train/loss is nan, 3/4 of the run, see https://example.org/a/b", None),
    ],
)
def test_messages_keep_the_name_of_a_file(make_record: MakeRecord, written: str, published: str | None) -> None:
    record = make_record(status="failed", error=written, final={})
    assert portable(record).error == (published or written)

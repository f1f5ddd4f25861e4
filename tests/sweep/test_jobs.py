"""What a sweep says before its jobs."""

from pathlib import Path

import pytest

from resbench.sweep import forks
from resbench.sweep.estimate import Estimate
from resbench.sweep.jobs import carry_out, resolve
from resbench.sweep.local import LocalExecutor
from resbench.sweep.plan import read_plan

TABLE = """
runs:
  - name: table
    config: [track/digits_mlp.yaml, data/csv.yaml, algorithm/digital.yaml]
    set:
      data.root: FOLDER
      data.val_size: 0
      trainer.max_epochs: 1
      model.network: {class_path: resbench.networks.MLP, init_args: {in_features: 1, classes: 2}}
"""


def test_code_that_no_record_could_name_is_noted_before_the_runs(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("resbench.training.record.CHECKOUT", checkout)
    carry_out([], {}, Estimate(), LocalExecutor())
    assert capsys.readouterr().err == ""
    (checkout / "mine.py").touch()
    carry_out([], {}, Estimate(), LocalExecutor())
    assert capsys.readouterr().err == (
        f"note: {checkout} has uncommitted changes, so `resbench submit` will refuse what runs now; commit first if "
        "you want to submit it\n"
    )
    monkeypatch.setenv("PATH", "")
    carry_out([], {}, Estimate(), LocalExecutor())
    assert capsys.readouterr().err == (
        f"note: {checkout} could not be read by git, so `resbench submit` will refuse what runs now; see what "
        "`git status` says there\n"
    )


def test_data_that_change_while_a_sweep_waits_are_not_trained_on(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "plan.yaml").write_text(TABLE.replace("FOLDER", str(tmp_path)))
    folder, cells = read_plan(tmp_path / "plan.yaml", tmp_path / "out")
    (job,) = resolve(cells, folder)
    (tmp_path / "train.csv").write_text("x,y\n1,b\n2,a\n")
    process = forks.start(job)
    process.join()
    state = job.state()
    assert (process.exitcode, state.status) == (2, "refused")
    assert state.error == (
        "its weights, data or plug-in have changed since the sweep began; start the sweep again, with --retry if you "
        "put them back"
    )
    (again,) = resolve(cells, folder)
    process = forks.start(again)
    process.join()
    assert again.state().status == "complete"


def test_a_config_that_is_edited_while_a_sweep_waits_is_not_trained(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("trainer: {max_epochs: 1, limit_train_batches: 2}\n")
    entry = "{name: own, config: [track/digits_mlp.yaml, algorithm/digital.yaml, own.yaml]}"
    (tmp_path / "plan.yaml").write_text(f"runs: [{entry}]\n")
    folder, cells = read_plan(tmp_path / "plan.yaml", tmp_path / "out")
    (job,) = resolve(cells, folder)
    own.write_text("trainer: {max_epochs: 1, limit_train_batches: 3}\n")
    (other,) = resolve(cells, folder)
    process = forks.start(job)
    process.join()
    state = job.state()
    assert (process.exitcode, state.status) == (2, "refused")
    assert state.error == (
        f"its config has the hash {other.config_hash[:12]} now and not {job.config_hash[:12]}, so its files have "
        "changed since the sweep began; start the sweep again, with --retry if you put them back"
    )
    assert not list(folder.glob("own/*")), "nothing is in the place of either run"
    process = forks.start(other)
    process.join()
    assert other.state().status == "complete"

"""Commands that read records import nothing that the records name, and nothing is unpickled."""

import ast
import copy
import sys
from pathlib import Path
from typing import Any

import pytest

from resbench.cli import main
from resbench.records.identity import config_hash
from resbench.records.schema import write_record
from tests.records.factory import MakeRecord

REPOSITORY = Path(__file__).resolve().parent.parent.parent
#: Pickles an algorithm that it has just made, in memory.
IN_MEMORY = {"resbench/algorithms/contract.py"}


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("record validate record.json", 0),
        ("record show record.json", 0),
        ("leaderboard --records . --out board", 0),
        ("verify record.json --dry-run", 2),
        ("verify record.json --dry-run --trust evil", 0),
    ],
)
def test_a_class_path_is_not_imported(
    command: str, status: int, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("evil.py").write_text("from pathlib import Path\nPath('imported').touch()\n\nclass Evil:\n    pass\n")
    record = make_record()
    config: dict[str, Any] = copy.deepcopy(record.config)
    config["trainer"]["callbacks"] = [{"class_path": "evil.Evil"}]
    config["model"]["init_args"]["algorithm"]["class_path"] = "evil.Evil"
    algorithm = record.algorithm.model_copy(update={"class_path": "evil.Evil"})
    changes = {"config": config, "config_hash": config_hash(config), "algorithm": algorithm}
    write_record("record.json", record.model_copy(update=changes))
    assert main(command.split()) == status
    assert not Path("imported").exists()
    assert "evil" not in sys.modules


@pytest.mark.parametrize(
    "module", sorted((REPOSITORY / "resbench").glob("**/*.py")), ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_files_are_loaded_as_weights_or_plain_data_only(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and module.relative_to(REPOSITORY).as_posix() not in IN_MEMORY:
            names = [alias.name for alias in node.names] + [getattr(node, "module", None)]
            assert not {"dill", "joblib", "marshal", "shelve"} & {*names}
            assert "pickle" not in names or [alias.name for alias in node.names] == ["UnpicklingError"]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called == "torch.load":
                assert given.get("weights_only") == "True"
            assert called not in ("yaml.unsafe_load", "yaml.full_load", "numpy.load", "np.load")
            if called.endswith(("trainer.fit", "trainer.test")) and "ckpt_path" in given:
                assert given.get("weights_only") == "True"

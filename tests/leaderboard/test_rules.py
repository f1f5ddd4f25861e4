import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "rules.md"


def test_each_rule_names_tests_that_exist() -> None:
    rules = re.split(r"\n(?=\d+\. )", PAGE.read_text(encoding="utf-8"))[1:]
    assert [int(rule.split(".")[0]) for rule in rules] == list(range(1, len(rules) + 1))
    for rule in rules:
        named = re.findall(r"`((?:\w+/)?test_\w+\.py)::(\w+)`", rule)
        assert named, rule
        for file, name in named:
            tree = ast.parse((TESTS / (file if "/" in file else f"leaderboard/{file}")).read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"

from tests.training.runs import Run


def test_one_line_an_epoch_with_its_metrics(run: Run) -> None:
    outcome = run("fit", "--trainer.max_epochs=2")
    lines = [line for line in outcome.out.splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    for line, entry in zip(lines, outcome.record.epochs, strict=True):
        assert f"train/acc {entry.values['train/acc']:.4f}" in line

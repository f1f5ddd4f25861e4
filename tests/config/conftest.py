"""Configs are tested by what runs of them do, so the fixtures are those of trainings."""

from tests.training.conftest import leave_torch_as_it_was, run

__all__ = ["leave_torch_as_it_was", "run"]

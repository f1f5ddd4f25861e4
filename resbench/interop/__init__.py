"""Configs of other simulators, read as ours."""

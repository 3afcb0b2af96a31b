"""Trainings that a test waits for."""

from __future__ import annotations

import pytest


@pytest.fixture
def trains_at_once(monkeypatch):
    """Has trainings compete with other processes as equals, for a test waits for them, and pytest itself go on as it was."""
    monkeypatch.setattr("presage_training.commands.learn.give_way", lambda: None)
    monkeypatch.setattr("presage_training.learning.process._MODULE", "presage_training.learning.retraining")

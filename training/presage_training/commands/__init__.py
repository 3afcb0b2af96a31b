"""The sub-commands of the training side: train, replay, demo."""

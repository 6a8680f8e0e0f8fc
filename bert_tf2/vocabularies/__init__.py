"""Checkpoints with other words: vocabularies extended and pruned."""

"""How much memory a training step takes, what there is, and what to change."""

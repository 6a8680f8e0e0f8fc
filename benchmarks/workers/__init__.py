"""One file a peer. Each runs in its peer's own environment and imports nothing of the others."""

"""What others have printed of published checkpoints, and comparing with it."""

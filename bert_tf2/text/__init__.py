"""Strings to ids: tokenizers, and the packing of their ids into model inputs."""

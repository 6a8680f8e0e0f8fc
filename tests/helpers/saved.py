"""Checkpoints in Google's format, written for a test."""

from bert_tf2 import weights


def google(folder, config, arrays, vocabulary=()):
    """Writes a folder as Google publishes them. -> the checkpoint's prefix in it."""
    source = weights.of_vocabulary(vocabulary) if vocabulary else weights.TokenizerSource()
    weights.save(folder, weights.Contents(config, arrays, source), "google")
    (index,) = folder.glob("*.index")
    return index.with_suffix("")

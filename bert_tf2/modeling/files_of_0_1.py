"""Layers of encoders in `.keras` files that bert_tf2 0.1 wrote, where each had its own settings."""

# Its word -> ours.
_WORDS = {
    "width": "hidden_size",
    "num_heads": "num_attention_heads",
    "inner_width": "intermediate_size",
    "activation": "hidden_act",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "attention_output_dropout": "attention_output_dropout_prob",
    "epsilon": "layer_norm_eps",
    "vocab_size": "vocab_size",
    "max_positions": "max_position_embeddings",
    "num_segments": "type_vocab_size",
    "padding_id": "position_padding_id",
    "sinusoidal": "sinusoidal_positions",
}
# What one layer does not say, another does, and neither reads.
_REST = {
    "vocab_size": 1,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 1,
}


def with_config(settings):
    """A layer's settings as they are written today: with the whole `config`."""
    if "config" in settings:
        return settings
    own = {ours: settings[theirs] for theirs, ours in _WORDS.items() if theirs in settings}
    if "output_width" in settings:  # the embeddings'
        own |= {"embedding_size": settings["width"]}
        own |= {"hidden_size": settings["output_width"] or settings["width"]}
        own |= {"project_embeddings": settings["output_width"] is not None}
    kept = {name: x for name, x in settings.items() if name not in (*_WORDS, "output_width")}
    return kept | {"config": _REST | own}

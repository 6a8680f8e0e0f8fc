"""Models people use: an encoder, a head and a preprocessor; strings in, answers out."""

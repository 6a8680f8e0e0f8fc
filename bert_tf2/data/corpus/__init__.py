"""A corpus of raw text -> pretraining records, and vocabularies."""

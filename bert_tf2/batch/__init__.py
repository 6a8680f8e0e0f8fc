"""Rows -> answers wherever rows are: what `bert_tf2 predict` writes of each, as one function."""

from bert_tf2.batch.answerer import Answerer

__all__ = ["Answerer"]

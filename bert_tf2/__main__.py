"""`python -m bert_tf2 VERB`, the same as the console script `bert_tf2 VERB`."""

from bert_tf2.cli import run

run()

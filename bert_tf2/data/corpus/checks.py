"""What cannot be made into records, or not into those that were asked for."""

import logging

from bert_tf2.data.corpus.parts import Corpus

LOGGER = logging.getLogger("bert_tf2")
MANY_ALONE = 0.05  # share of parts of one document that is told of


def check_job(job, reproduce, on_beam):
    """Raises a ValueError for what cannot be reproduced.

    Args:
        job: `making.Job`. reproduce, on_beam: as of `make_pretraining_data`.
    """
    if reproduce not in (None, "google"):
        raise ValueError(f'`reproduce` must be None or "google". Received: {reproduce!r}')
    if reproduce:
        _check_google(job, on_beam)


def _check_google(job, on_beam):
    """Raises a ValueError for what google-research/bert's script cannot do."""
    usual = Corpus(())
    for name in ("text", "whole_files"):
        if getattr(job.corpus, name) != getattr(usual, name):
            raise ValueError(
                f'`{name}` must be left out with reproduce="google", whose documents are lines of '
                f"text with a blank line between. Received: {getattr(job.corpus, name)!r}"
            )
    if on_beam is not None:
        raise ValueError('`on_beam` must be left out with reproduce="google", of one process')
    if tables := [path for path in job.corpus.files() if path.lower().endswith(".jsonl")]:
        raise ValueError(
            'reproduce="google" reads text, a sentence a line and a blank line between documents. '
            f"Received: {', '.join(tables)}"
        )
    if job.settings.recipe != "bert" or job.kind.asset_names != (("vocab.txt",),):
        raise ValueError(
            'reproduce="google" is for the recipe "bert" and a WordPiece vocabulary. Received: '
            f"{job.settings.recipe!r} and a {job.kind.__name__}"
        )


def check_corpus(settings, counts, parts=1):
    """Raises a ValueError where there is nothing to learn: no text, or no text after another.

    Args:
        settings: `recipes.Settings`.
        counts: those of all parts. parts: how many there are.
    """
    if not counts["records"]:
        raise ValueError(
            f"Expected text to make records of. Received: {counts['documents']} documents with "
            f"{counts['tokens']} pieces, none of them long enough for recipe {settings.recipe!r}"
        )
    order = settings.row.order
    if order and counts["sentences"] == counts["documents"]:
        raise ValueError(
            "Expected documents of several sentences, one a line, as the recipe asks whether one "
            f"text follows another. Received: {counts['documents']} documents of one line each. "
            'The recipe "roberta" asks nothing of the kind'
        )
    if order == "next" and counts["documents"] < 2:
        raise ValueError(
            "Expected two documents at least, with a blank line between, as the recipe takes "
            "random second texts from other documents. Received: one document"
        )
    alone = counts["parts_of_one_document"]
    if order == "next" and alone > MANY_ALONE * parts:
        LOGGER.warning(
            "%d of %d parts hold one document, in whose rows a random second text is of the same "
            "document: let more text be made at once (`part_bytes`, --part_mb)",
            alone,
            parts,
        )


def check_unknown(where, share, most):
    """Raises a ValueError for text, of the file `where`, that a vocabulary does not know."""
    if share > most:
        raise ValueError(
            f"{where}: expected at most {most:.0%} unknown pieces. Received: {share:.0%}. Does the "
            "vocabulary fit the language, and `do_lower_case` the vocabulary? Else give "
            "`max_unknown`"
        )

"""A corpus -> a vocabulary: WordPiece by Hugging Face's tokenizers, or a SentencePiece model.

Words are those that our own tokenizers cut text into, so that what is learnt is what is found.
"""

import importlib
import io
from collections import Counter

import tensorflow as tf

from bert_tf2 import files
from bert_tf2.data.corpus import parts, workers
from bert_tf2.text import pieces_text
from bert_tf2.text.normalize import clean, limit_words, split_words

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_WORD_CHARS = 200
SENTENCES_AT_ONCE = 4096
MOST_WORDS = 100_000_000  # of more, counts are divided: the learner reads each word as often
_AT_ONCE = 1000  # repetitions of a word in one string
# google-research/albert, README: how its model was trained.
_ALBERT = {
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": -1,
    "eos_id": -1,
    "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
    "user_defined_symbols": ["(", ")", '"', "-", ".", "–", "£", "€"],
    "character_coverage": 0.99995,
    "model_type": "unigram",
    "shuffle_input_sentence": True,
}


class Counting:
    """Counts the words of parts, as uncased or cased BERT has them.

    Args: corpus: `parts.Corpus`. lowercase: bool.
    """

    def __init__(self, corpus, lowercase):
        self.corpus, self.lowercase = corpus, lowercase

    def __call__(self, part):
        """-> Counter of bytes."""
        found = Counter()
        for texts in _batches(part, self.corpus):
            cleaned = clean(texts, self.lowercase, self.lowercase, True, MAX_WORD_CHARS)
            words = split_words(limit_words(cleaned, MAX_WORD_CHARS)).values
            words, _, counts = tf.unique_with_counts(words)
            found.update(dict(zip(words.numpy().tolist(), counts.numpy().tolist(), strict=True)))
        del found[b""]
        return found


def _batches(part, corpus):
    sentences = [s for document in parts.read(part, corpus)[0] for s in document]
    for at in range(0, len(sentences), SENTENCES_AT_ONCE):
        yield tf.constant(sentences[at : at + SENTENCES_AT_ONCE])


def count_words(corpus, lowercase=True, processes=1):
    """Counter of str: how often each word stands in a corpus.

    Args:
        corpus: `parts.Corpus`.
        lowercase: bool, lower-case and strip accents.
        processes: int, how many count at once.
    """
    total = Counter()
    for _, found in workers.ordered(Counting, (corpus, lowercase), parts.plan(corpus), processes):
        total.update(found)
    total.pop(b"\xef\xbf\xbd", None)  # what is too long for a word
    return Counter({word.decode(): count for word, count in total.items()})


def train_wordpiece(
    corpus, file, vocab_size=30_000, lowercase=True, alphabet=1000, unused=0, processes=1
):
    """Learns a WordPiece vocabulary, for BERT, ELECTRA and DistilBERT, and writes a `vocab.txt`.

    The pieces are the special ones, `unused` empty places, the letters, and then merged pieces, the
    most frequent first; every word of known letters can be cut. Needs `tokenizers`.

    Args:
        corpus: `parts.Corpus`.
        file: the `vocab.txt` to write.
        vocab_size: int, the most pieces.
        lowercase: bool, lower-case and strip accents, for an uncased model.
        alphabet: int, the most letters; words with rarer ones are unknown.
        unused: int, how many places "[unused0]" … are kept for words of a domain.
        processes: int, how many count words at once.

    Returns:
        list of str, the pieces.

    Raises:
        ImportError: no `tokenizers`.
        ValueError: `file` is of the corpus; no words, or a size without room for letters; and as
            `parts.plan`.
    """
    files.check_not_read([file], corpus.files())
    library = _import("tokenizers")
    words = count_words(corpus, lowercase, processes)
    if not words:
        raise ValueError(f"Expected words to learn from. Received: none in {corpus.paths}")
    words, letters = _spelled(words, alphabet)
    # Letters are given as special pieces: the library would number them in another order each time.
    given = [*SPECIAL, *(f"[unused{i}]" for i in range(unused)), *letters]
    if vocab_size < len(given):
        raise ValueError(
            f"`vocab_size` must be at least {len(given)}, for special pieces and each letter at "
            "the beginning and inside of words; or give a smaller `alphabet`. "
            f"Received: {vocab_size}"
        )
    learner = library.Tokenizer(library.models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    trainer = library.trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=given, show_progress=False
    )
    learner.train_from_iterator(_repeated(words), trainer)
    found = learner.get_vocab()
    pieces = sorted(found, key=found.get)
    files.write_file(file, "".join(f"{piece}\n" for piece in pieces))
    return pieces


def _spelled(words, alphabet):
    """The words of the most frequent letters; and these, as they begin words and stand inside."""
    counts, inside = Counter(), set()
    for word, count in words.items():
        inside.update(word[1:])
        for letter in word:
            counts[letter] += count
    known = set(sorted(counts, key=lambda letter: (-counts[letter], letter))[:alphabet])
    kept = {word: count for word, count in words.items() if known.issuperset(word)}
    return kept, [*sorted(known), *(f"##{letter}" for letter in sorted(known & inside))]


def _repeated(words):
    """Each word as often as it was counted, in an order of its own."""
    share = -(-sum(words.values()) // MOST_WORDS)
    for word in sorted(words):
        count = words[word] // share
        while count > 0:
            yield " ".join([word] * min(count, _AT_ONCE))
            count -= _AT_ONCE


def train_sentencepiece(
    corpus, file, vocab_size=30_000, lowercase=True, sentences=10_000_000, threads=1
):
    """Learns a unigram model for ALBERT, with its special pieces, and writes a `spiece.model`.

    Text is cleaned as ALBERT cleans it before it reads. Needs `sentencepiece`.

    Args:
        corpus: `parts.Corpus`.
        file: the `spiece.model` to write.
        vocab_size: int, the number of pieces.
        lowercase: bool, lower-case the text.
        sentences: int, learn from so many, by chance where there are more.
        threads: int; other numbers may give other scores at the last digit.

    Returns:
        int, the number of pieces.

    Raises:
        ImportError: no `sentencepiece`.
        ValueError: `file` is of the corpus; no text, or too little of it for so many pieces; and as
            `parts.plan`.
    """
    files.check_not_read([file], corpus.files())
    library = _import("sentencepiece")
    model, failed = io.BytesIO(), []

    def cleaned():
        try:
            for part in parts.plan(corpus):
                for texts in _batches(part, corpus):
                    for text in pieces_text.clean(texts, lowercase, False, False).numpy():
                        yield text.decode()
        except Exception as error:  # the library would end the program
            failed.append(error)

    try:
        library.SentencePieceTrainer.train(
            sentence_iterator=cleaned(),
            model_writer=model,
            vocab_size=vocab_size,
            input_sentence_size=sentences,
            num_threads=threads,
            minloglevel=2,
            **_ALBERT,
        )
    except (RuntimeError, OSError) as error:
        if failed:
            raise failed[0] from error
        raise ValueError(
            f"SentencePiece cannot learn {vocab_size} pieces from this corpus: {error}"
        ) from error
    if failed:
        raise failed[0]
    files.write_file(file, model.getvalue())
    return library.SentencePieceProcessor(model_proto=model.getvalue()).get_piece_size()


def _import(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'{name} is needed to learn a vocabulary: pip install "bert_tf2[vocabulary]", or {name}'
        ) from error

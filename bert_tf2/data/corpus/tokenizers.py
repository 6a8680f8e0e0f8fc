"""The tokenizer of a vocabulary file, or of a checkpoint."""

from pathlib import Path

from bert_tf2 import weights
from bert_tf2.text.bytepair import BytePairTokenizer
from bert_tf2.text.sentencepiece import SentencePieceTokenizer
from bert_tf2.text.tokenizer import Tokenizer
from bert_tf2.text.wordpiece import WordPieceTokenizer
from bert_tf2.weights.tokenizer_source import TokenizerSource

_KINDS = {
    "vocab.txt": WordPieceTokenizer,
    "spiece.model": SentencePieceTokenizer,
    "vocab.json": BytePairTokenizer,
}


def open_tokenizer(place, lowercase=None):
    """The tokenizer that a vocabulary is of.

    Args:
        place: a `vocab.txt`, ALBERT's `spiece.model`, a `vocab.json` with `merges.txt` beside it;
            or a folder, or the name of a published checkpoint.
        lowercase: bool, lower-case the text. Default: what the checkpoint says, else what the
            vocabulary looks like; a SentencePiece model is ALBERT's.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: it is no vocabulary, or lacks special pieces.
    """
    path = Path(place)
    if not path.is_file():
        return Tokenizer.from_preset(place, lowercase=lowercase)
    source = TokenizerSource(weights.given_vocabulary(path))
    source = source.with_settings(lowercase=lowercase).in_memory().with_case()
    name = next((name for name in source.files if name in _KINDS), None)
    if name is None:
        raise ValueError(f"{place}: expected one of {', '.join(_KINDS)}")
    cls = _KINDS[name]
    assets = [source.read(names[0]) for names in cls.asset_names]
    known = (*cls.settings, *cls.further_settings)
    return cls(*assets, **{k: v for k, v in source.settings.items() if k in known})

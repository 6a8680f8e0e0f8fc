"""Trains the small tokenizers of this folder, and records what the reference packages answer.

    PYTHONPATH=tests/helpers python tests/reference/tokenizers/record_tokenizers.py

Not run by any test. sentencepiece 0.2.3 and tokenizers 0.23.3 wrote what lies here. The text is the
project's own: the bundled support requests, `own_fixture/text.txt`, and lines with numbers.
"""

import io
import json
from pathlib import Path

import sentencepiece
import tokenizer_rules as rules
import tokenizers

HERE = Path(__file__).parent
REQUESTS = HERE.parents[2] / "bert_tf2" / "data" / "support_requests" / "train.tsv"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
MODELS = {
    # ids as in the published models: ALBERT's <pad> 0, <unk> 1, [CLS] 2, [SEP] 3, [MASK] 4
    "spiece.model": {
        "pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1,
        "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
        "user_defined_symbols": ["12,"],  # a piece of a digit and a comma amid a word
        "vocab_size": 1000,
    },
    # XLM-R's <unk> 0, <s> 1, </s> 2
    "sentencepiece.bpe.model": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "vocab_size": 500},
}  # fmt: skip
HARD = [
    "", " ", "\t\n\r", "a", " a", "a ", "  a  b  ", "a\n\nb", "a \n b", "a\n b", "\n", "x\t\ty",
    "a\u3000b", "\u3000 \u3000a", "a\xa0 b", "\u2028a\u2029", "a\x1cb\x1d c\x85d", "\0a\0",
    "\ufeffa", "It's, they're, I've, I'm, we'll, he'd, don't, IT'S, ' s, ''s, 'sand",
    "``quoted'' and `one'",
    "In 2010, 9, and 92000, or 112, 212,5 and 12,", "3,141,592.65", "½ ² ٣, ①, Ⅷ 一二三,",
    "Zoë’s naïve café", "ÅNGSTRÖM İSTANBUL ΟΔΥΣΣΕΥΣ ΣΑΣ straße ẞ ﬁ ™ …",
    "e\u0301\u0323 a\u0323\u0301",
    "東京 and 北京", "한국어 각", "👩‍👩‍👧🇫🇷 ☕️", "क्षि ก็", "ﾊﾟ ｶﾞ Ａ１", "שָׁלוֹם السَّلام",
    "\ufffd\ufffe\uffff",
    "[CLS] [MASK] <s> </s> <pad> <unk> <mask>", "▁a ▁▁ b▁", "a" * 300, "ab" * 100, "don" * 60,
    "word " * 60, "." * 200, "  " * 50, "1" * 90, "é" * 80, "e-mail@x.org C++ a_b $^`~ ... --",
    "MixedCASE iPhone McDonald", "unaffable", "\x7f\x01\x02", "\U000e0001\U0010ffff",
]  # fmt: skip


def corpus():
    requests = [line.split("\t")[0] for line in REQUESTS.read_text("utf-8").splitlines()[1:]]
    own = (HERE.parent / "own_fixture" / "text.txt").read_text("utf-8").splitlines()
    numbers = [f"In {year}, order {year % 10}, was sent." for year in range(1990, 2030)] * 5
    return [line for line in requests + own + numbers if line]


def train_sentencepiece(lines, vocab_size, **ids):
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line.lower() for line in lines),
        model_writer=content,
        vocab_size=vocab_size,
        split_by_number=False,
        required_chars="[]<>/ACKLMS",  # else "[CLS]" in a text is one unknown piece of that name
        normalization_rule_name="identity",  # the published one alone weighs 240 kB
        minloglevel=2,
        **ids,
    )
    return content.getvalue()


def train_bytepair(lines):
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(lines, 800, special_tokens=SPECIAL, show_progress=False)
    tokenizer.save_model(str(HERE))
    vocabulary = json.loads((HERE / "vocab.json").read_text("utf-8"))
    vocabulary["<mask>"] = len(vocabulary)  # the last, as in RoBERTa's
    text = json.dumps(vocabulary, ensure_ascii=False, indent=0)
    (HERE / "vocab.json").write_text(text + "\n", "utf-8")


def answers(texts):
    albert = sentencepiece.SentencePieceProcessor(model_file=str(HERE / "spiece.model"))
    xlm = sentencepiece.SentencePieceProcessor(model_file=str(HERE / "sentencepiece.bpe.model"))
    pairs = [str(HERE / "vocab.json"), str(HERE / "merges.txt")]
    bytepair = tokenizers.ByteLevelBPETokenizer(*pairs)
    prefixed = tokenizers.ByteLevelBPETokenizer(*pairs, add_prefix_space=True)
    for text in texts:
        yield {
            "text": text,
            "albert": rules.albert_ids(albert, text),
            "albert_accents": rules.albert_ids(
                albert, text, keep_accents=True, straighten_quotes=True
            ),
            "albert_cased": rules.albert_ids(albert, text, lowercase=False),
            "xlm_roberta": rules.fairseq_ids(xlm, text),
            "bytepair": bytepair.encode(text).ids,
            "bytepair_prefixed": prefixed.encode(text).ids,
        }


if __name__ == "__main__":
    lines = corpus()
    for name, settings in MODELS.items():
        (HERE / name).write_bytes(train_sentencepiece(lines, **settings))
    train_bytepair(lines)
    cases = [json.dumps(case) for case in answers([*HARD, *lines[:40], *lines[-60::20]])]
    (HERE / "cases.json").write_text("[\n" + ",\n".join(cases) + "\n]\n", "utf-8")

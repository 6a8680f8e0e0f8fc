"""Records what transformers answers where the files beside the weights say how text is cut.

    benchmarks/.venvs/transformers/bin/python tests/reference/tokenizer_words/record.py

Not run by any test. transformers 5.23.0 and tokenizers 0.23.3 wrote what lies here. A row is a
folder's files, the class that reads them, and the ids of the texts and of one pair.
"""

import json
import tempfile
from pathlib import Path

import transformers

HERE = Path(__file__).parent
TOKENIZERS = HERE.parent / "tokenizers"
WORDS = (HERE / "words.txt").read_text("utf-8").split()
TEXTS = [
    "", " ", "a", "The tea, the Tea", "café Café CAFÉ cafe", "Zoë zoë Zoe\u0308", "がかはば",
    "が か は ば", "中国 a中国b", "가 각 한", "İ i İstanbul ı", "straße ﬁ", "ê é É e\u0301",
    "a [E1] b [E1]b c[E1]", "a [e1] tea<user>tea < user >", "new york new  york newyork NEW YORK",
    "x" * 20 + " " + "x" * 90, "x" * 100, "  a  [E1]  b ", "[E1][E1] [E1]",
    "a\u3000b\u00a0c\u2028d", "tea\x00 tea\u200btea", "<user><user>x",
]  # fmt: skip
PAIR = ["a [E1] b", "the tea"]
MPNET = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, "<mask>"]
BERT = {"tokenizer_class": "BertTokenizer"}


def added(index, content, **flags):
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {str(index): {"content": content, "special": False, **usual, **flags}}


def wordpiece(words=WORDS, added_tokens=None, **config):
    files = {"vocab.txt": "".join(f"{w}\n" for w in words)}
    files["tokenizer_config.json"] = {**BERT, **config}
    return files | ({"added_tokens.json": added_tokens} if added_tokens else {})


def written(tokenizer, **changes):
    """What transformers 5 writes of a tokenizer, with parts of its tokenizer.json changed."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = {f.name: json.loads(f.read_text("utf-8")) for f in Path(folder).glob("*.json")}
    for name, value in changes.items():
        part, _, word = name.partition("__")
        place = files["tokenizer.json"][part]
        (place[0] if isinstance(place, list) else place)[word] = value
    if changes:
        files["tokenizer_config.json"]["tokenizer_class"] = "PreTrainedTokenizerFast"
    return files


def of_files(files):
    """The tokenizer that transformers makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            Path(folder, name).write_text(text, "utf-8")
        name = files["tokenizer_config.json"]["tokenizer_class"]
        return getattr(transformers, name).from_pretrained(folder)


def bert(**config):
    return of_files(wordpiece(**config))


def bytepairs(**config):
    pairs = {name: (TOKENIZERS / name).read_text("utf-8") for name in ("vocab.json", "merges.txt")}
    said = {"tokenizer_class": "RobertaTokenizer", **config}
    return pairs | {"tokenizer_config.json": said}


def pieces(name, kind, **config):
    return written(kind.from_pretrained(TOKENIZERS / name, **config))


def rows():
    n, m = len(WORDS), len(MPNET)
    e1 = added(n, "[E1]") | added(n + 1, "<user>")
    yield "lower, accents kept", wordpiece(do_lower_case=True, strip_accents=False)
    yield "cased, accents stripped", wordpiece(do_lower_case=False, strip_accents=True)
    yield "lower, accents stripped", wordpiece(do_lower_case=True, strip_accents=True)
    yield "cased", wordpiece(do_lower_case=False)
    yield "Chinese together", wordpiece(do_lower_case=True, tokenize_chinese_chars=False)
    yield "Chinese together, cased", wordpiece(do_lower_case=False, tokenize_chinese_chars=False)
    yield "added", wordpiece(do_lower_case=True, added_tokens_decoder=e1)
    yield "added, cased", wordpiece(do_lower_case=False, added_tokens_decoder=e1)
    normal = added(n, "[E1]", normalized=True) | added(n + 1, "New York", normalized=True)
    yield "added, normalized", wordpiece(do_lower_case=True, added_tokens_decoder=normal)
    strips = added(n, "[E1]", lstrip=True, rstrip=True) | added(n + 1, "<user>", lstrip=True)
    yield "added, stripping", wordpiece(do_lower_case=True, added_tokens_decoder=strips)
    longest = added(n, "tea<") | added(n + 1, "tea<user>") | added(n + 2, "Ë")
    yield "added, the longest", wordpiece(do_lower_case=True, added_tokens_decoder=longest)
    inside = added(WORDS.index("[unused1]"), "[unused1]", special=True) | e1
    yield "added, of the vocabulary", wordpiece(do_lower_case=True, added_tokens_decoder=inside)
    yield "MPNet", wordpiece(MPNET, tokenizer_class="MPNetTokenizer", do_lower_case=True)
    yield "MPNet, added", wordpiece(
        MPNET, tokenizer_class="MPNetTokenizer", do_lower_case=True,
        added_tokens_decoder=added(m, "[E1]"),
    )  # fmt: skip
    for lowercase in (True, False):
        for strip in (None, True, False):
            whole = bert(do_lower_case=lowercase, strip_accents=strip)
            yield f"whole, lower {lowercase}, strip {strip}", written(whole)
    generic = bert(do_lower_case=True)
    yield "whole, generic", written(generic, normalizer__lowercase=False)
    yield "whole, generic, accents kept", written(generic, normalizer__strip_accents=False)
    yield "whole, generic, Chinese", written(generic, normalizer__handle_chinese_chars=False)
    yield "whole, generic, word of 10", written(generic, model__max_input_chars_per_word=10)
    extra = bert(do_lower_case=True)
    extra.add_tokens(["[E1]", "<user>", "New York"])
    yield "whole, added", written(extra)
    extra.add_tokens(["[S1]", "<user>x"], special_tokens=True)
    yield "whole, added special", written(extra)
    yield "whole, MPNet", written(of_files(wordpiece(MPNET, tokenizer_class="MPNetTokenizer")))
    yield "pairs", bytepairs()
    yield "pairs, prefix", bytepairs(add_prefix_space=True)
    whole = of_files(bytepairs())
    yield "whole pairs", written(whole)
    yield "whole pairs, prefix", written(whole, pre_tokenizer__add_prefix_space=True)
    yield "whole pairs, merges ignored", written(whole, model__ignore_merges=True)
    whole.add_tokens(["[E1]", "<user>"])
    yield "whole pairs, added", written(whole)
    yield "whole ALBERT", pieces("spiece.model", transformers.AlbertTokenizer)
    yield (
        "whole ALBERT, cased",
        pieces("spiece.model", transformers.AlbertTokenizer, do_lower_case=False),
    )
    yield (
        "whole ALBERT, accents",
        pieces("spiece.model", transformers.AlbertTokenizer, keep_accents=True),
    )
    yield "whole XLM-R", pieces("sentencepiece.bpe.model", transformers.XLMRobertaTokenizer)
    multi = of_files(pieces("sentencepiece.bpe.model", transformers.XLMRobertaTokenizer))
    multi.add_tokens(["[E1]", "<user>"])
    yield "whole XLM-R, added", written(multi)


if __name__ == "__main__":
    lines = [json.dumps({"texts": TEXTS, "pair": PAIR})]
    for name, files in rows():
        tokenizer = of_files(files)
        ids = [tokenizer(text)["input_ids"] for text in TEXTS]
        pair = tokenizer(*PAIR)["input_ids"]
        row = {"name": name, "files": files, "ids": ids, "pair": pair}
        lines.append(json.dumps(row, ensure_ascii=False))
    (HERE / "cases.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")

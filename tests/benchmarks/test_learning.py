"""The program of real runs, on tiny data and a tiny checkpoint."""

import json

import oracle
import pytest

import bert_tf2
from benchmarks import learning

ARTICLE = " = Tea = \n \n The kettle hums on the <unk> stove @.@ \n Steam curls . \n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("learning")
    (place / "wikitext-2").mkdir()
    for split in ("valid", "test"):
        (place / "wikitext-2" / f"{split}.txt").write_text(ARTICLE * 30)
    for name in ("SST-2", "STS-B"):
        (place / "glue" / name).mkdir(parents=True)
    for split in ("train", "dev"):
        rows = [f"tea number {i}\t{i % 2}" for i in range(12)]
        (place / "glue" / "SST-2" / f"{split}.tsv").write_text(
            "\n".join(["sentence\tlabel", *rows]) + "\n"
        )
        names = "index genre filename year old_index source1 source2 sentence1 sentence2 score"
        rows = ["\t".join([*"1234567", f"tea {i}", "rain", str(i / 4)]) for i in range(12)]
        (place / "glue" / "STS-B" / f"{split}.tsv").write_text(
            "\n".join(["\t".join(names.split()), *rows]) + "\n"
        )
    task = oracle.tiny_task(bert_tf2.SentenceEncoder, oracle.TINIES["bert"])
    config = bert_tf2.EncoderConfig(
        **task.encoder.config.to_dict() | {"num_hidden_layers": 3, "max_position_embeddings": 128}
    )
    made = bert_tf2.SentenceEncoder(
        bert_tf2.Encoder(config), bert_tf2.Preprocessor(task.preprocessor.tokenizer, 32)
    )
    made.save_to_preset(place / "preset", "huggingface")
    return place


@pytest.mark.soak
@pytest.mark.parametrize("work", learning.WORKS)
def test_each_work_runs(folder, tmp_path, work):
    argv = [work, f"--preset={folder / 'preset'}", f"--folder={folder}", "--epochs=1"]
    argv += [f"--place={tmp_path / 'runs'}", f"--results={tmp_path / 'learning.json'}"]
    assert learning.main(argv) == 0
    found = json.loads((tmp_path / "learning.json").read_text())[work]["found"]
    assert found["seconds"] >= 0 and len(found) > 2
    page = (tmp_path / "LEARNING.md").read_text()
    assert f"## {work}" in page and all(f"* {name}: " in page for name in found)


def test_articles_are_read(tmp_path):
    (tmp_path / "wikitext-2").mkdir()
    (tmp_path / "wikitext-2" / "test.txt").write_text(ARTICLE * 2)
    flags = learning.parse(["scratch", f"--folder={tmp_path}"])
    found = learning.wikitext(flags, "test")
    assert found == ["= Tea =\nThe kettle hums on the  stove.\nSteam curls ."] * 2


def test_its_table_is_what_its_results_say():
    if learning.RESULTS.is_file():
        results = json.loads(learning.RESULTS.read_text("utf-8"))
        assert learning.table(results) == learning.TABLE.read_text("utf-8")


def test_the_unigram_floor(reference):
    tokenizer = bert_tf2.WordPieceTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    )
    floor = learning.unigram_perplexity(tokenizer, ["a a b"], ["a b"])
    assert floor == pytest.approx((3 / 10 * 2 / 10) ** -0.5)

"""What heads look at: the weights that the model computes with, of what each task reads."""

import numpy as np
import oracle
import peers
import pytest
import small_encoders
from closeness import FORMULA, FORWARD

import bert_tf2
from bert_tf2 import Encoder, weights
from bert_tf2.analysis.attention import attention
from bert_tf2.analysis.reading import pieces, read

TEXTS = {  # task -> what it is given, and where the second text begins
    "TextClassifier": (("the tea", "rain"), 4),
    "QuestionAnswerer": (("tea", "rain on stone"), 3),
    "TokenClassifier": (("the tea",), None),
    "MaskedLM": (("the [MASK] is",), None),
    "MultipleChoice": (("the tea", "stone"), 4),
    "SentenceEncoder": (("the tea",), None),
}
OTHERS = ("bert without pooler", "roberta without pooler")  # no class of transformers has these
SETTINGS = {
    "TextClassifier": {"labels": 2},
    "TokenClassifier": {"labels": ["O", "B-A"]},
    "SentenceEncoder": {"prompts": {"q": "stone: "}, "default_prompt_name": "q"},
}


@pytest.mark.parametrize("name", TEXTS)
def test_of_each_task(name):
    """Of what the task itself reads, the weights that NumPy has."""
    texts, second = TEXTS[name]
    task = oracle.tiny_task(getattr(bert_tf2, name), **SETTINGS.get(name, {}))
    found, read_as = attention(task, *texts), read(task, *texts)
    assert found.second == second
    assert found.pieces[0] == "[CLS]" and found.pieces[-1] == "[SEP]"
    assert ("stone" in found.pieces) == (name in ("QuestionAnswerer", "MultipleChoice")) or (
        name == "SentenceEncoder"  # its prompt is read, too
    )
    arrays = {n: v.numpy() for n, v in task.encoder.named_variables().items()}
    want = oracle.forward(task.encoder.config, arrays, read_as.inputs)["attention_scores"]
    np.testing.assert_allclose(found.weights, [layer[0] for layer in want], atol=FORWARD)


def test_of_an_encoder_and_of_padding():
    task = oracle.tiny_classifier(pad=True)  # whose rows are padded to their whole length
    found = attention(task.encoder, "the tea", preprocessor=task.preprocessor)
    assert found.pieces == ["[CLS]", "the", "tea", "[SEP]"]
    assert found.weights.shape == (1, 3, 4, 4)
    np.testing.assert_array_equal(found.special, [True, False, False, True])
    np.testing.assert_array_equal(found.weights, attention(task, "the tea").weights)


def test_refuses():
    task = oracle.tiny_classifier(doc_stride=4)
    with pytest.raises(TypeError, match="preprocessor"):
        attention(task.encoder, "tea")
    with pytest.raises(TypeError, match=r"a task or an Encoder"):
        attention("tea", "tea")
    with pytest.raises(TypeError, match="one str"):
        attention(task, ["tea"])
    with pytest.raises(ValueError, match=r"in one row.*makes"):
        attention(task, "tea stone " * 20)
    with pytest.raises(ValueError, match="reads question and context"):
        attention(oracle.tiny_task(bert_tf2.QuestionAnswerer), "tea")
    with pytest.raises(ValueError, match=r"reads text\. Received: 2"):
        attention(oracle.tiny_task(bert_tf2.TokenClassifier, labels=["O", "B-A"]), "a", "b")


@pytest.mark.parametrize(
    ("family", "want"),
    [("bert", "[CLS] zoe [SEP]"), ("roberta", "<s> ▁Zoe </s>"), ("albert", "[CLS] ▁zoe [SEP]")],
)
def test_pieces_are_readable(reference, family, want):
    """However many a word has: letters in place of bytes, and signs where words begin."""
    given = small_encoders.preprocessor(family, reference)
    found = pieces(given.tokenizer, given(" Zoe")["token_ids"].numpy())
    begin, *middle, end = found
    assert [begin, "".join(middle), end] == want.split()


@pytest.mark.full
@pytest.mark.parametrize("case", ["sbert_readme", "pair", "hf_style_ids", "keras_hub_ids"])
def test_of_real_weights(assets, minilm, case):
    golden = np.load(assets / "reference" / "official_graph" / "minilm_l6_v2_hf.npz")
    names = ("input_ids", "attention_mask", "token_type_ids")
    found = Encoder.from_preset(minilm).attention_scores(
        {name: golden[f"{case}/{name}"] for name in names}
    )
    np.testing.assert_allclose(found[0], golden[f"{case}/attention_layer0"], atol=FORMULA)


@pytest.mark.full
def test_as_transformers_has_it(tmp_path):
    """All families, of rows of different length and of two segments, all positions."""
    jobs, ours = [], {}
    for name, config in oracle.TINIES.items():
        if name in OTHERS:
            continue
        encoder, _ = oracle.make_encoder(config)
        folder = tmp_path / name
        weights.save(folder / "model", encoder.contents(), "huggingface")
        inputs = oracle.random_inputs(config)
        if config.position_padding_id is not None:  # their padding is told by its id
            ids = np.maximum(inputs["token_ids"], 2)
            inputs["token_ids"] = np.where(inputs["padding_mask"], ids, config.position_padding_id)
        theirs = dict(
            zip(("input_ids", "token_type_ids", "attention_mask"), inputs.values(), strict=True)
        )
        np.savez(folder / "inputs.npz", **theirs)
        jobs.append([str(folder / part) for part in ("model", "inputs.npz", "out.npz")])
        ours[name] = encoder.attention_scores(inputs)
    peers.run("transformers", "explain_with_transformers.py", {"attention": jobs, "gradients": []})
    for name, layers in ours.items():
        want = np.load(tmp_path / name / "out.npz")
        assert len(want.files) == len(layers)
        for i, layer in enumerate(layers):
            np.testing.assert_allclose(layer, want[f"arr_{i}"], atol=FORWARD, err_msg=name)

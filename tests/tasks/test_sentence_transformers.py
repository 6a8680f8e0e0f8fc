"""Vectors of texts beside those of sentence-transformers, on folders that either has written."""

import json
import sys
from pathlib import Path

import numpy as np
import peers
import pytest
import spans
from small_encoders import HARD, NEAR, PROMPTS, encoder, save_plain

import bert_tf2

pytestmark = pytest.mark.full
POOLINGS = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
DENSE = ("Dense", {"in_features": 16, "out_features": 7})
BIASES = {
    "Tanh": True,
    "ReLU": False,
    "GELU": True,
    "Identity": False,
    "Sigmoid": True,
    "SiLU": True,
}
DENSES = [
    ("Dense", {"in_features": 16, "out_features": 16, "activation_function": name, "bias": bias})
    for name, bias in BIASES.items()
]
CALLS = [
    {},
    {"prompt_name": "query"},
    {"prompt": "the stone "},
    {"prompt": "tea " * 40},
    {"prompt": ""},
    {"truncate_dim": 5},
    {"truncate_dim": 5, "normalize_embeddings": True},
    {"precision": "int8"},
    {"precision": "uint8"},
    {"precision": "binary"},
    {"precision": "ubinary"},
]


def pooled(mode, **more):
    return ("Pooling", {"embedding_dimension": 16, "pooling_mode": mode, **more})


# Name -> family of the encoder, and what is peculiar in sentence-transformers' own folder.
ROWS = {
    **{mode: ("bert", {"modules": [pooled(mode)]}) for mode in POOLINGS},
    **{
        f"{mode} without prompt": ("bert", {"modules": [pooled(mode, include_prompt=False)]})
        for mode in POOLINGS
    },
    **{
        family: (family, {"modules": [pooled("mean"), ("Normalize", {})]})
        for family in ("albert", "distilbert", "electra", "roberta", "xlm_roberta", "mpnet")
    },
    "bert with XLM-R's vocabulary": ("bert of pieces", {"modules": [pooled("mean")]}),
    "roberta without prompt": ("roberta", {"modules": [pooled("mean", include_prompt=False)]}),
    "several": ("bert", {"modules": [pooled(["lasttoken", "max", "cls"])]}),
    "cut": ("bert", {"modules": [pooled("mean")], "length": 9}),
    "dense": ("bert", {"modules": [pooled("mean"), DENSE, ("Normalize", {})]}),
    "denses": ("bert", {"modules": [pooled("max"), *DENSES]}),
    "pickled": ("bert", {"modules": [pooled("mean"), DENSE], "pickled": True}),
    "residual": (
        "bert",
        {
            "modules": [
                pooled("mean"),
                (DENSE[0], DENSE[1] | {"use_residual": True}),
                ("Dense", {"in_features": 7, "out_features": 7, "use_residual": True}),
            ]
        },
    ),
    "norm": (
        "bert",
        {"modules": [pooled("mean"), ("LayerNorm", {"dimension": 16}), ("Dropout", {})]},
    ),
    "similarity": (
        "bert",
        {"modules": [pooled("cls")], "settings": PROMPTS | {"similarity_fn_name": "dot"}},
    ),
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory, reference):
    """Of each row the folder that sentence-transformers wrote, and its vectors."""
    peers.needs("transformers", "sentence_transformers")
    work, jobs, plain = tmp_path_factory.mktemp("theirs"), [], {}
    for number, (family, job) in enumerate(ROWS.values()):
        if family not in plain:
            plain[family] = work / family.replace(" ", "_")
            save_plain(encoder(family, reference), plain[family])
        places = {
            "folder": plain[family],
            "made": work / str(number),
            "out": work / f"{number}.npz",
        }
        places = {name: str(place) for name, place in places.items()}
        jobs.append({"settings": PROMPTS, **job, **places, "texts": HARD, "calls": CALLS})
    peers.run("transformers", "sentence_vectors.py", jobs)
    return dict(zip(ROWS, jobs, strict=True))


def arrays(job):
    return list(np.load(job["out"]).values())


def compare(task, wanted, near=NEAR):
    for how, want in zip(CALLS, wanted, strict=True):
        got = task.encode(HARD, **how)
        assert (got.dtype, got.shape) == (want.dtype, want.shape), how
        if "precision" in how:  # what lies at the edge of a step may be on its other side
            bits = "binary" in how["precision"]
            off = np.abs(got.astype("int16") - want)
            assert (np.mean(off != 0) < 0.02) if bits else (off.max() <= 1), how
            continue
        scale = np.maximum(1, np.abs(want).max())
        np.testing.assert_allclose(got / scale, want / scale, atol=near, err_msg=str(how))


@pytest.mark.parametrize("name", [name for name in ROWS if name != "pickled"])
def test_their_folders_give_their_vectors(theirs, name):
    job = theirs[name]
    task = bert_tf2.SentenceEncoder.from_preset(job["made"])
    assert task.pooling_is_said
    compare(task, arrays(job))


def test_what_we_write_they_open(theirs, tmp_path):
    jobs = []
    for number, name in enumerate(name for name in ROWS if name != "pickled"):
        task = bert_tf2.SentenceEncoder.from_preset(theirs[name]["made"])
        folder = tmp_path / str(number)
        task.save_to_preset(folder, format="sentence_transformers")
        job = {"folder": str(folder), "out": f"{folder}.npz", "texts": HARD, "calls": CALLS}
        jobs.append(job | {"name": name})
    peers.run("transformers", "sentence_vectors.py", jobs)
    for job in jobs:
        for got, want in zip(arrays(job), arrays(theirs[job["name"]]), strict=True):
            np.testing.assert_array_equal(got, want, err_msg=job["name"])


def test_pickles_are_opened_where_torch_is(theirs):
    """By `torch.load(weights_only=True)`, as all other pickles; elsewhere the file stays closed."""
    made = theirs["pickled"]["made"]
    bert_tf2.Encoder.from_preset(made)
    if "torch" not in sys.modules:
        with pytest.raises(Exception, match="torch"):
            bert_tf2.SentenceEncoder.from_preset(made)
    jobs = [{"folder": made, "texts": HARD, "calls": CALLS[:2]}]
    (found,) = peers.run_here("transformers", "encode_here.py", jobs)
    for got, want in zip(found, arrays(theirs["pickled"])[:2], strict=True):
        np.testing.assert_allclose(got, want, atol=NEAR)


def thousand():
    """Hard strings, and of those some that are as long as a page."""
    assigned = "".join(map(chr, range(0x20, 0x2000)))
    texts = [text.decode("utf-8", "ignore") for text in spans.hard_texts(980, 5, assigned)]
    draw = np.random.default_rng(5)
    words = ["tea", "the", "stone", "rain,", "Kettle", "un-remarkable", "2010", "café", "(again)"]
    return texts + [" ".join(draw.choice(words, count)) for count in range(10, 410, 20)]


def cut_alike(task, job, texts, least=0.98):
    """bool (n,): which are the same ids there, where versions of Unicode may make a difference."""
    ids = json.loads(Path(job["out"]).with_suffix(".ids.json").read_text())
    ours = task.preprocessor.tokenizer(texts).to_list()
    alike = np.array([a == b for a, b in zip(ours, ids, strict=True)])
    assert alike.mean() > least
    assert alike[-20:].all()
    return alike


THOUSAND = [
    *("albert", "distilbert", "electra", "roberta", "xlm_roberta", "mpnet"),
    *("cut", "denses", "weightedmean without prompt"),
]
# Of blanks and marks `tokenizers` does something else than SentencePiece, which ours follows.
OF_PIECES = {"albert": 0.75, "xlm_roberta": 0.9}


def test_a_thousand_hard_strings(theirs, tmp_path):
    """Of each family, and of settings of each kind; most of the long ones are cut."""
    texts, jobs = thousand(), []
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    for number, name in enumerate(THOUSAND):
        places = {"folder": theirs[name]["made"], "out": str(tmp_path / f"{number}.npz")}
        jobs.append(places | {"texts": str(tmp_path / "texts.json"), "calls": [{}]})
    peers.run("transformers", "sentence_vectors.py", jobs)
    for name, job in zip(THOUSAND, jobs, strict=True):
        task, (want,) = bert_tf2.SentenceEncoder.from_preset(job["folder"]), arrays(job)
        alike = cut_alike(task, job, texts, OF_PIECES.get(name, 0.98))
        scale = max(1, np.abs(want).max())
        got = task.encode(texts)
        np.testing.assert_allclose(got[alike] / scale, want[alike] / scale, atol=NEAR, err_msg=name)


def test_minilm_on_hard_strings(minilm, tmp_path):
    """With what its publisher's folder has besides: the mean, length 1, 256 tokens."""
    peers.needs("transformers", "sentence_transformers")
    texts = thousand()
    calls = [{}, {"normalize_embeddings": True}, {"prompt": "query: "}]
    job = {"folder": str(minilm), "out": str(tmp_path / "out.npz"), "texts": texts, "calls": calls}
    pooling = ("Pooling", {"embedding_dimension": 384, "pooling_mode": "mean"})
    job |= {"modules": [pooling, ("Normalize", {})], "length": 256, "made": str(tmp_path / "made")}
    peers.run("transformers", "sentence_vectors.py", [job])
    task = bert_tf2.SentenceEncoder.from_preset(job["made"])
    alike = cut_alike(task, job, texts)
    assert max(map(len, task.preprocessor.tokenizer(texts).to_list())) > 256
    for how, want in zip(calls, arrays(job), strict=True):
        np.testing.assert_allclose(task.encode(texts, **how)[alike], want[alike], atol=NEAR)

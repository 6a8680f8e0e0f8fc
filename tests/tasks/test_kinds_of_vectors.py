"""Sparse and late vectors beside those of sentence-transformers, on folders of either."""

import json
import shutil

import numpy as np
import peers
import pytest
from safetensors.numpy import load_file, save_file
from small_encoders import HARD, NEAR, PROMPTS, encoder, save_plain

import bert_tf2

pytestmark = pytest.mark.full
SPARSE, LATE = "SparseEncoder", "MultiVectorEncoder"
DENSE = ("Dense", {"in_features": 16, "out_features": 6, "bias": False})
AT = {"module_input_name": "token_embeddings"}
MARKS = {"prompts": {"query": "tea ", "document": "rain & "}}
EXPANDED = {"strategy": "fixed", "length": 12}
PUNCTUATION = list(",.!;:")
CALLS = {
    SPARSE: [
        ("encode", {}),
        ("encode", {"prompt_name": "query"}),
        ("encode", {"max_active_dims": 7}),
        ("encode_document", {"prompt": "tea " * 40}),
        ("encode_query", {}),
    ],
    LATE: [
        ("encode_query", {}),
        ("encode", {}),
        ("encode", {"prompt": "the stone ", "normalize_embeddings": True}),
        ("encode", {"prompt_name": "query"}),
        ("encode_document", {}),
    ],
}


def splade(**arguments):
    return {"kind": SPARSE, "modules": [("SpladePooling", arguments)], "settings": PROMPTS}


def late(*modules, settings=MARKS, **transformer):
    return {
        "kind": LATE,
        "modules": [(n, a if n == "MultiVectorMask" else a | AT) for n, a in modules],
        "transformer": transformer,
        "settings": settings,
    }


MASK, NORM = ("MultiVectorMask", {"skiplist_words": PUNCTUATION}), ("Normalize", {})
# Name -> family of the encoder, and what is peculiar in sentence-transformers' own folder.
ROWS = {
    **{
        f"sparse {family}": (family, splade())
        for family in ("bert", "albert", "distilbert", "roberta", "xlm_roberta", "mpnet")
    },
    "sparse sum": ("bert", splade(pooling_strategy="sum")),
    "sparse log1p_relu": ("bert", splade(activation_function="log1p_relu")),
    "sparse sum of two logarithms": (
        "bert",
        splade(pooling_strategy="sum", activation_function="log1p_relu"),
    ),
    "sparse cut": (
        "bert",
        splade() | {"settings": PROMPTS | {"max_active_dims": 5, "similarity_fn_name": "cosine"}},
    ),
    **{
        f"late {family}": (family, late(DENSE, MASK, NORM, query_expansion=EXPANDED))
        for family in ("bert", "albert", "distilbert", "roberta", "xlm_roberta", "mpnet")
    },
    "late attending": (
        "bert",
        late(DENSE, NORM, MASK, query_expansion=EXPANDED | {"attend": True}, document_length=9),
    ),
    "late at least": (
        "bert",
        late(
            DENSE,
            ("MultiVectorMask", {"skiplist_words": ["tea"], "skiplist_tasks": ["query"]}),
            query_expansion={"strategy": "min", "length": 9, "token": "tea"},
            query_length=14,
            settings=MARKS | {"similarity_fn_name": "meanmaxsim"},
        ),
    ),
    "late denses": (
        "bert",
        late(
            ("Dense", DENSE[1] | {"activation_function": "GELU", "use_residual": True}),
            ("Dense", {"in_features": 6, "out_features": 4, "activation_function": "Tanh"}),
            ("MultiVectorMask", {}),
        ),
    ),
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory, reference):
    """Of each row the folder that sentence-transformers wrote, its vectors and its scores."""
    peers.needs("transformers", "sentence_transformers")
    work, jobs, plain = tmp_path_factory.mktemp("kinds"), [], {}
    for number, (family, job) in enumerate(ROWS.values()):
        key = family, job["kind"]
        if key not in plain:
            plain[key] = work / f"{family}_{job['kind']}"
            save_plain(with_words(encoder(family, reference), job["kind"]), plain[key])
        made = {"folder": plain[key], "made": work / str(number), "out": work / f"{number}.npz"}
        job = job | {name: str(place) for name, place in made.items()}
        if job["kind"] == SPARSE:
            job["transformer"] = {"transformer_task": "fill-mask"}
        jobs.append(job | {"texts": HARD, "calls": CALLS[job["kind"]]})
    scores = peers.run("transformers", "sparse_and_late.py", jobs)
    return {n: (job, s) for n, job, s in zip(ROWS, jobs, scores, strict=True)}


def with_words(task, kind):
    """The task, or one on its encoder with a random masked-word head."""
    if kind == LATE:
        return task
    words = bert_tf2.SparseEncoder(task.encoder, task.preprocessor)
    rng = np.random.default_rng(7)
    for name, variable in words.named_variables().items():
        if name.startswith("mlm/"):
            variable.assign(rng.normal(name.endswith("gamma"), 0.3, variable.shape))
    return words


def compare(task, job, scores):
    arrays, found = np.load(job["out"]), []
    for i, (method, how) in enumerate(job["calls"]):
        found.append(getattr(task, method)(HARD, **how))
        rows = found[-1].toarray() if job["kind"] == SPARSE else found[-1]
        for j, got in enumerate(rows):
            want = arrays[f"{i}_{j}"]
            scale = max(1, np.abs(want).max())
            about = f"{method}, {how}, {HARD[j]!r}"
            if how.get("max_active_dims"):  # of equal ones, which are kept?
                got, want = np.sort(got), np.sort(want)
            np.testing.assert_allclose(got / scale, want / scale, atol=NEAR, err_msg=about)
    a, b = found[0], found[-1]
    for got, want in zip(
        (task.similarity(a, b), task.similarity_pairwise(a, b)), scores, strict=True
    ):
        scale = max(1, np.abs(want).max())
        np.testing.assert_allclose(got / scale, np.array(want) / scale, atol=NEAR)


@pytest.mark.parametrize("name", ROWS)
def test_their_folders_give_their_vectors(theirs, name):
    job, scores = theirs[name]
    compare(getattr(bert_tf2, job["kind"]).from_preset(job["made"]), job, scores)


def test_what_we_write_they_open(theirs, tmp_path):
    jobs = []
    for number, (job, _) in enumerate(theirs.values()):
        task = getattr(bert_tf2, job["kind"]).from_preset(job["made"])
        folder = tmp_path / str(number)
        task.save_to_preset(folder, format="sentence_transformers")
        same = {name: job[name] for name in ("kind", "texts", "calls")}
        jobs.append({"folder": str(folder), "out": f"{folder}.npz", **same})
    peers.run("transformers", "sparse_and_late.py", jobs)
    for name, job in zip(ROWS, jobs, strict=True):
        wanted = np.load(theirs[name][0]["out"])
        for key, got in np.load(job["out"]).items():
            np.testing.assert_array_equal(got, wanted[key], err_msg=f"{name}, {key}")


def stanford(folder, metadata):
    """Makes a plain folder one of Stanford's."""
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"architectures": ["HF_ColBERT"]}))
    arrays = load_file(folder / "model.safetensors")
    arrays["linear.weight"] = np.random.default_rng(1).normal(size=(6, 16)).astype("float32")
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})
    (folder / "artifact.metadata").write_text(json.dumps(metadata))


def pylate(folder, settings):
    """Makes a folder of late vectors one of PyLate's third version."""
    modules = json.loads((folder / "modules.json").read_text())[:2]
    modules[1]["type"] = "pylate.models.Dense.Dense"
    (folder / "modules.json").write_text(json.dumps(modules))
    for file, words in (
        ("sentence_bert_config.json", {"max_seq_length": 30}),
        ("config_sentence_transformers.json", {"model_type": "ColBERT", **settings}),
    ):
        (folder / file).write_text(json.dumps(words))


METADATA = [
    {"query_maxlen": 12, "doc_maxlen": 20, "dim": 6},
    {"query_token_id": "[unused1]", "doc_token_id": "[unused0]", "mask_punctuation": False},
    {"attend_to_mask_tokens": True, "query_maxlen": 9},
]
SETTINGS = [
    {"query_prefix": "[unused0] ", "document_prefix": "[unused1] ", "query_length": 9},
    {"query_prefix": "tea ", "do_query_expansion": False, "document_length": 14},
    {"prompts": {"query": "rain "}, "skiplist_words": ["tea"], "query_length": 11},
    {"attend_to_expansion_tokens": True, "query_length": 8},
]


def test_colberts_own_folders(reference, tmp_path):
    peers.needs("transformers", "sentence_transformers")
    task, jobs = encoder("bert", reference), []
    many = bert_tf2.MultiVectorEncoder(task.encoder, task.preprocessor)
    for number, words in enumerate([*METADATA, *SETTINGS]):
        folder = tmp_path / str(number)
        if number < len(METADATA):
            save_plain(task, folder)
            stanford(folder, words)
        else:
            many.save_to_preset(folder, "sentence_transformers")
            pylate(folder, words)
        job = {"kind": LATE, "folder": str(folder), "out": f"{folder}.npz"}
        jobs.append(job | {"texts": HARD, "calls": CALLS[LATE][:2] + CALLS[LATE][-1:]})
    scores = peers.run("transformers", "sparse_and_late.py", jobs)
    for job, found in zip(jobs, scores, strict=True):
        again = bert_tf2.MultiVectorEncoder.from_preset(job["folder"])
        compare(again, job, found)
        again.save_to_preset(tmp_path / "again", "sentence_transformers")
        same = bert_tf2.MultiVectorEncoder.from_preset(tmp_path / "again")
        compare(same, job, found)
        shutil.rmtree(tmp_path / "again")

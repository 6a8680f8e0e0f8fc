"""Every task over HTTP: odd texts, real clients, fuzz, and many clients at once."""

import json
import random
import re

import load
import numpy as np
import pytest
import shell
from closeness import FORWARD, assert_near
from served import TASKS, TEXTS, ask, columns_of, exported, running

from bert_tf2.serving import Client

LONG = ["x" * 100_000, "雨" * 5000, "tea 👍🏽 " * 300, "\x00\x01\u202e\ufffd", "  \n\t "]


def odd_texts(count, seed=0):
    """Texts of all kinds, of which some are no UTF-8."""
    generator = random.Random(seed)
    letters = [*"abc tea stone", "雨", "é", "👍🏽", "\x07", "\u202e", "ﬁ", "[MASK]", "##a", "\n"]
    made = ["".join(generator.choices(letters, k=generator.randint(0, 60))) for _ in range(count)]
    return [x.encode() + b"\xff\xe9" * (i % 9 == 0) for i, x in enumerate(made)]


def asked(name, texts):
    """What a task of a name takes, made of texts."""
    texts = [x.encode() if isinstance(x, str) else x for x in texts]
    if name == "mlm":
        return [b"[MASK] " + x.replace(b"[MASK]", b"") for x in texts]  # one that is in the room
    if name == "rank":
        return texts, texts[::-1]
    if name == "qa":
        return {"question": texts[::-1], "context": texts}
    if name == "choice":
        return {"text": texts, "choices": [[x, b"tea"] for x in texts[::-1]]}
    return texts


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "models"
    tasks = exported(folder, *TASKS)
    tasks["zero"].set_candidates(["tea", "rain"])
    with running(folder, grpc_port=0) as url:
        yield url, tasks, folder


@pytest.mark.full
@pytest.mark.parametrize("wire", ["http", "grpc"])
@pytest.mark.parametrize("name", TASKS)
def test_answers_are_those_of_this_process(served, name, wire):
    url, tasks, _ = served
    x = asked(name, [*TEXTS, *LONG, *odd_texts(190)])
    with Client(url if wire == "http" else url.grpc, name, batch_size=64) as client:
        shared = {"candidate_labels": ["tea", "rain"]} if name == "zero" else {}
        found = client.answer(x, **shared)
    rows = len(next(iter(found.values())))
    (want,) = tasks[name].answer(x, batch_size=rows)
    for key, value in want.items():
        assert found[key].shape == value.shape and found[key].dtype == value.dtype, key
        if value.dtype == object:
            same = np.mean(found[key] == value)
            assert same > 0.99, (key, same)  # of two that are equally likely either may be first
        elif np.issubdtype(value.dtype, np.floating):
            assert_near(found[key], value, FORWARD)


@pytest.mark.full
def test_rows_of_words(served, tmp_path):
    """By the signature `words`: over both wires, and of a file in a shell."""
    url, tasks, folder = served
    rows = [["stone", "and", "tea"], ["rain"], ["", "tea"], ["tea", "", ""]]
    want = tasks["ner"].predict_tags(rows)
    for wire in (url, url.grpc):
        with Client(wire, "ner") as client:
            assert [row.tags for row in client.predict_tags(rows)] == [row.tags for row in want]
            found, whole = client.predict_entities(rows), tasks["ner"].predict_entities(rows)
            assert [[x["word"] for x in row] for row in found] == [
                [x["word"] for x in row] for row in whole
            ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"words": x}) + "\n" for x in rows))
    given = [f"--input_file={tmp_path}/a.jsonl", f"--output_file={tmp_path}/out.jsonl"]
    for verb in (["predict", f"--model={folder}/ner"], ["request", url, "--model=ner"]):
        shell.runs(*verb, *given, "--overwrite")
        lines = (tmp_path / "out.jsonl").read_text().splitlines()
        assert [json.loads(x)["tags"] for x in lines] == [row.tags for row in want]


@pytest.mark.full
@pytest.mark.parametrize("name", TASKS)
def test_a_shell_asks_every_task(served, tmp_path, capsys, name):
    """Of rows in a file and as arguments, and writes and says what `predict` does."""
    url, _, folder = served
    columns, more = columns_of(name, [x for x in TEXTS if "\x00" not in x])
    rows = [dict(zip(columns, x, strict=True)) for x in zip(*columns.values(), strict=True)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(x) + "\n" for x in rows), "utf-8")
    labels = ["--candidate_labels=tea,rain"] * (name == "zero")
    cells = [x for column, x in rows[0].items() if column != "id"]
    cells = [" ".join(x) if name == "ner" else x for x in cells]
    texts = [y for x in cells for y in (x if isinstance(x, list) else [x])]
    written, said = [], []
    for verb in (["predict", f"--model={folder}/{name}"], ["request", url, f"--model={name}"]):
        out = tmp_path / f"{verb[0]}.jsonl"
        files = [f"--input_file={tmp_path}/a.jsonl", f"--output_file={out}"]
        shell.runs(*verb, *labels, *files, *more)
        written.append([json.loads(line) for line in out.read_text().splitlines()])
        capsys.readouterr()
        shell.runs(*verb, *labels, *texts)
        said.append(capsys.readouterr().out.splitlines()[-1])
    assert len(written[0]) == len(rows)
    for got, want in zip(*reversed(written), strict=True):
        assert_like(got, want)
    assert re.sub(r"\d\.\d+", "#", said[0]) == re.sub(r"\d\.\d+", "#", said[1])


def assert_like(got, want):
    """Equal answers in JSON, but for what float32 rounds."""
    if isinstance(want, dict):
        assert got.keys() == want.keys()
        got, want = [*got.values()], [*want.values()]
    if isinstance(want, list):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            assert_like(a, b)
    else:
        assert got == (pytest.approx(want, abs=FORWARD) if isinstance(want, float) else want)


@pytest.mark.full
@pytest.mark.parametrize("name", ["vec", "sparse", "late"])
def test_a_shell_names_a_prompt(served, tmp_path, capsys, name):
    url, tasks, _ = served
    (tmp_path / "a.txt").write_text("rain\nthe stone\n")
    out = tmp_path / "out.jsonl"
    asked = ["request", url, f"--model={name}", f"--input_file={tmp_path}/a.txt"]
    shell.runs(*asked, f"--output_file={out}", "--prompt_name=query")
    found = [json.loads(x) for x in out.read_text().splitlines()]
    want = tasks[name].encode_query(["rain", "the stone"])
    for i, row in enumerate(found):
        if name == "sparse":
            dense = want.toarray()[i]
            assert row["values"] == pytest.approx(dense[row["indices"]], abs=FORWARD)
            assert len(row["values"]) == np.count_nonzero(dense)
        else:
            assert_near(row["embedding" if name == "vec" else "token_embeddings"], want[i], FORWARD)
    shell.fails(capsys, 1, [*asked, "--prompt_name=nix"], "nix")
    shell.fails(capsys, 2, ["request", url, "--model=clf", "--prompt_name=x", "tea"], "clf on http")


# === Rough treatment ==============================================================================

PLACES = [
    *("/v1/models/clf:predict", "/v1/models/choice:predict", "/v2/models/clf/infer", "/embed"),
    *("/rerank", "/predict", "/tokenize", "/v1/embeddings", "/", "/v1/models/ner/versions/1"),
]
GOOD = [
    {"instances": ["tea"], "signature_name": "serving_default"},
    {"inputs": {"text": ["tea"], "choices": [["a", "b"]]}},
    {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["tea"]}]},
    {"inputs": "tea", "normalize": True, "truncate": True, "dimensions": 3, "model": "vec"},
    {"query": "tea", "texts": ["a", "b"], "return_text": True},
    {"inputs": [["tea"], ["rain"]], "raw_scores": False, "model": "clf"},
    {"input": ["tea"], "model": "vec", "encoding_format": "base64"},
    {"inputs": {"question": "a", "context": "b"}, "parameters": {"top_k": 2}},
]
ODD = [
    None,
    True,
    -1,
    2**70,
    1e308,
    "",
    "\ud800",
    [],
    {},
    [[]],
    {"b64": "!"},
    ["a", None],
    "x" * 999,
]


def broken(generator, value):
    """A body with something odd somewhere in it."""
    if generator.random() < 0.3:
        return generator.choice(ODD)
    if isinstance(value, dict):
        key = generator.choice([*value])
        changed = value | {key: broken(generator, value[key])}
        if generator.random() < 0.2:
            del changed[key]
        return changed
    if isinstance(value, list) and value:
        return [broken(generator, value[0]), *value[1:]]
    return generator.choice(ODD)


def fuzz(url, count, seed):
    generator, statuses = random.Random(seed), set()
    for _ in range(count):
        body = json.dumps(broken(generator, generator.choice(GOOD))).encode()
        if generator.random() < 0.2:
            place = generator.randrange(len(body) + 1)
            junk = bytes(generator.choices(range(256), k=4))
            body = body[:place] + junk + body[place + generator.randrange(8) :]
        status, answer = ask(url + generator.choice(PLACES), body)
        assert status < 500 and status != 499, (body, answer)
        assert status == 200 or answer["error"], body
        statuses.add(status)
    assert {200, 400, 422} <= statuses
    assert ask(f"{url}/health") == (200, {})


@pytest.mark.full
def test_a_few_hundred_fuzzed_requests(served):
    fuzz(served[0], 400, seed=1)


@pytest.mark.soak
def test_ten_thousand_fuzzed_requests(served):
    fuzz(served[0], 10_000, seed=2)


@pytest.mark.full
def test_thirty_two_clients_get_their_own_answers(served):
    url, tasks, _ = served
    found = load.run([url], {name: tasks[name] for name in ("clf", "vec")}, seconds=4)
    assert len(found.seconds) > 100

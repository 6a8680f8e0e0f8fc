"""Files as the verbs read them: what is not of the model is refused by file before any work."""

import json

import numpy as np
import oracle
import pytest
from shell import fails

from bert_tf2 import TokenClassifier
from bert_tf2.cli import row_set, run_flags, task_files, training_runs
from bert_tf2.cli.flags import UsageError, parse
from bert_tf2.cli.label_columns import check_separator
from bert_tf2.cli.opened import Opened
from bert_tf2.cli.rows import Rows
from bert_tf2.cli.task_table import TASKS
from bert_tf2.cli.verbs import VERBS
from bert_tf2.serving.client_columns import in_order
from bert_tf2.tasks.tagging import rows_of_words

LABELS, NUMBERS = ["hot", "wet", "old"], ["s1", "s2"]


def flags_of(verb, *argv):
    return parse(f"bert_tf2 {verb}", VERBS[verb].flags, argv)


@pytest.fixture
def read(tmp_path):
    """Reads a file of a content as a task's model of these names does, in `evaluate`."""

    def read(task, name, content, names, *argv, stream=False):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, "utf-8")
        flags = flags_of("evaluate", f"--input_file={path}", *argv)
        if stream:
            return list(TASKS[task].stream(flags, path))
        return TASKS[task].read(flags, path, True, names)

    return read


@pytest.mark.parametrize("task", TASKS)
def test_inputs_of_a_signature_are_in_the_order_of_their_task(task):
    """A SavedModel and a server name them without one."""
    names = TASKS[task].load().raw_names
    assert in_order(sorted(names)) == in_order(sorted(names, reverse=True)) == names


TABLE = "text,s2,s1,hot,old,wet\ncoffee,2,1,1,1,0\nstone,4,3,0,0,1\n"


def test_columns_are_those_of_the_model_by_their_names(read):
    numbers = read("text_regression", "a.csv", TABLE, NUMBERS, "--label_column=s2,s1")
    assert numbers.labels == [[1.0, 2.0], [3.0, 4.0]]
    one = read("text_regression", "a.csv", TABLE, ["score"], "--label_column=s2")
    assert one.labels == [2.0, 4.0]
    several = "multi_label_classification"
    found = read(several, "a.csv", TABLE, LABELS, "--label_column=old,wet,hot")
    assert found.labels == [["hot", "old"], ["wet"]]


@pytest.mark.parametrize(
    ("task", "names", "column", "words"),
    [
        ("text_regression", NUMBERS, "s1", "each of the model's numbers.*'s1', 's2'.*Received: s1"),
        ("text_regression", NUMBERS, "s1,hot", "each of the model's numbers"),
        ("text_regression", ["score"], "s1,s2", "each of the model's numbers"),
        ("multi_label_classification", LABELS, "hot", "line 2: 0 and 1 could be"),
        ("multi_label_classification", LABELS, "hot,old", "each of the model's labels"),
        ("multi_label_classification", LABELS, "hot,s1,old", "each of the model's labels"),
    ],
)
def test_other_columns_than_the_models(read, task, names, column, words):
    with pytest.raises(ValueError, match=f"a.csv.*{words}"):
        read(task, "a.csv", TABLE, names, f"--label_column={column}")


def test_what_stands_between_labels(read):
    task, content = "multi_label_classification", "text,label\ncoffee,hot;old\nstone,wet\n"
    found = read(task, "a.csv", content, LABELS, "--label_separator=;")
    assert found.labels == [["hot", "old"], ["wet"]]
    with pytest.raises(ValueError, match=r"a.csv, line 2: .*'hot;old'"):
        read(task, "a.csv", content, LABELS)
    flags = flags_of("evaluate", "--label_separator=|", "--label_column=a,b")
    for name in (task, "text_classification"):
        with pytest.raises(UsageError, match="--label_separator is for"):
            check_separator(flags, TASKS[name])


def test_whether_texts_follow_as_numbers(read):
    task, more = "next_sentence", "--text_pair_column=b"
    for names in (["next", "random"], ["in_order", "swapped"]):
        found = read(task, "a.csv", f"text,b,label\nx,y,1\nx,y,{names[0]}\n", names, more)
        assert found.labels == names[::-1]
        for strange in ("2", "true", "other"):
            with pytest.raises(ValueError, match=f"a.csv, line 2: .*one of 2.*'{strange}'"):
                read(task, "a.csv", f"text,b,label\nx,y,{strange}\n", names, more)


def test_the_sts_benchmarks_own_file_as_numbers(read):
    row = "\t".join(["main", "news", "2012", "1", "4.6", "A tea.", "A cup."])
    found = read("text_regression", "sts-dev.csv", row + "\n", ["score"])
    assert (found.x, found.labels) == ({"text": ["A tea."], "text_pair": ["A cup."]}, [4.6])
    with pytest.raises(ValueError, match=r"sts-dev\.csv"):
        read("text_regression", "sts-dev.csv", row + "\n", NUMBERS)
    argv = ["--noheader", "--delimiter=tab", "--label_column=4"]
    argv += ["--text_column=6", "--text_pair_column=5"]
    for task in ("text_regression", "sentence_similarity"):  # as any table, where flags say so
        found = read(task, "sts-dev.csv", row + "\n", ["score"], *argv)
        assert (found.columns["text"], found.labels) == (["A cup."], [4.6])
    found = read("text_regression", "sts-dev.csv", "text,label\na,1.5\n", ["score"])
    assert (found.columns, found.labels) == ({"text": ["a"]}, [1.5])


@pytest.mark.parametrize(
    ("task", "names", "words"),
    [
        (
            "text_classification",
            ["cold", "hot"],
            r"\['0', '1'\]. Received: a model of \['cold', 'hot'\]",
        ),
        ("text_regression", ["score"], "the model is of scores; --glue=CoLA has a class a text"),
        ("multi_label_classification", ["0", "1"], "the model is of several labels a text"),
    ],
)
def test_a_task_of_glue_that_the_model_is_not_of(read, task, names, words):
    with pytest.raises(ValueError, match=f"dev.tsv: .*{words}"):
        read(task, "CoLA/dev.tsv", "x\t1\t*\tcoffee\n", names, "--glue=CoLA")


def test_folds_of_rows_about_one_text():
    flags = flags_of("finetune", "--train_file=a.json", "--output_dir=a", "--folds=2")
    rows = Rows({"text": ["a", "b"]}, None, "", None, ["context", "context"])
    with pytest.raises(UsageError, match="2 rows, all about one: use --seeds"):
        run_flags.runs(flags, [1], {"train": rows})


TAGS = ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("label", "more"), [("B-PER", []), ("O", []), ("B-PER", ["I-PER", "LOC"]), ("B-PER", ["PER"])]
)
def test_an_entity_that_is_called_by_a_tag(read, label, more):
    found = [[place, place + 1, kind] for place, kind in enumerate([label, *more])]
    row = json.dumps({"text": "coffee", "entities": found})
    with pytest.raises(ValueError, match=f"a.jsonl, line 1: .* its kind.*Received: '{label}'"):
        read("token_classification", "a.jsonl", row, None)


def test_tags_are_read_as_the_model_has_them(read):
    """Parts of speech of a model of these; else it is said how they are read."""
    task, content = "token_classification", "coffee NN\nis VB\n"
    assert read(task, "a.conll", content, ["NN", "VB"]).labels == [["NN", "VB"]]
    with pytest.raises(ValueError, match=r"a.conll.*line 1.*--scheme=none"):
        read(task, "a.conll", content, TAGS)
    assert read(task, "a.conll", "coffee I-PER\n", ["O", "PER"]).labels == [["B-PER"]]
    with pytest.raises(ValueError, match=r"line 1 .*must be of \['LOC'\]. Received: 'PER'"):
        read(task, "a.conll", "coffee B-PER\n", ["O", "LOC"])


@pytest.mark.parametrize(
    ("name", "content", "argv"),
    [
        ("a.txt", "coffee NN B-NP O\nis VB O O\n", "--label_column=1"),
        ("a.txt", "1 coffee NN\n2 is VB\n", "--text_column=1 --label_column=-1"),
        ("a.conllu", "1\tcoffee\t_\tNN\n1-2\tisnt\t_\t_\n2\tis\t_\tVB\n", ""),
        ("a.jsonl", '{"tokens": ["coffee", "is"], "pos": ["NN", "VB"]}', "--label_column=pos"),
        ("a.jsonl", '{"w": ["coffee", "is"], "tags": ["NN", "VB"]}', "--text_column=w"),
    ],
)
def test_columns_of_words_and_tags_are_chosen(read, name, content, argv):
    content = content.replace("\t_\tNN", "\t_\tNN" + "\t_" * 6).replace("\tVB", "\tVB" + "\t_" * 6)
    content = content.replace("isnt\t_\t_", "isnt" + "\t_" * 8)
    argv = ["--scheme=none", *argv.split()]
    found = read("token_classification", name, content, None, *argv)
    assert (found.columns, found.labels) == ({"words": [["coffee", "is"]]}, [["NN", "VB"]])
    rows = read("token_classification", name, content, None, *argv, stream=True)
    assert [row["words"] for row in rows] == found.columns["words"]
    flags = flags_of("finetune", f"--train_file={name}", "--output_dir=a")
    assert TASKS["token_classification"].settings(flags, found) == {"labels": ["NN", "VB"]}


@pytest.mark.parametrize(
    ("task", "name", "content", "flag"),
    [
        ("token_classification", "a.conll", "a b O\n", "--text_pair_column=b"),
        ("token_classification", "a.conll", "a b O\n", "--noheader"),
        ("token_classification", "a.conll", "a b O\n", "--label_column=pos"),
        ("token_classification", "a.jsonl", '{"words": ["a"], "tags": ["O"]}', "--comment=#"),
        ("token_classification", "a.jsonl", '{"text": "a", "spans": []}', "--scheme=IOB1"),
        ("token_classification", "a.jsonl", '{"text": "a", "spans": []}', "--strict"),
        ("text_classification", "a.csv", "text,label\na,b\n", "--scheme=none"),
        ("text_classification", "a.jsonl", '{"text": "a", "label": "b"}', "--noheader"),
        ("text_classification", "a.jsonl", '{"text": "a", "label": "b"}', "--delimiter=tab"),
        ("text_classification", "CoLA/dev.tsv", "x\t1\t*\ta\n", "--glue=CoLA --label_column=b"),
        ("masked_lm", "a.csv", "text,label\na,b\n", "--label_column=label2"),
        ("multiple_choice", "a.jsonl", "{}", "--text_column=question"),
        ("question_answering", "a.json", "{}", "--label_column=answer"),
        ("question_answering", "a.json", "{}", "--glue=CoLA"),
    ],
)
def test_a_flag_that_a_reader_does_not_follow_is_refused(read, task, name, content, flag):
    with pytest.raises(UsageError, match=flag.split()[-1].partition("=")[0].replace("--no", "--")):
        read(task, name, content, None, *flag.split())


@pytest.mark.parametrize(
    ("task", "name", "content", "flag", "stream"),
    [
        (
            "token_classification",
            "a.conll",
            "a b O\n",
            "--text_column=text --label_column=label",
            0,
        ),
        ("text_classification", "a.jsonl", '{"text": "a", "label": "O"}', "--header", 0),
        ("text_classification", "a.txt", "a\n", "--text_column=text", 1),
        ("token_classification", "a.txt", "a\n", "--text_column=text", 1),
        (
            "token_classification",
            "a.jsonl",
            '{"text": ["a"], "label": ["O"]}',
            "--text_column=text --label_column=label",
            0,
        ),
    ],
)
def test_a_flag_that_says_what_is_so_anyhow(read, task, name, content, flag, stream):
    found = read(task, name, content, None, *flag.split(), stream=bool(stream))
    if stream:
        assert found == [{"text": "a"}]
    else:
        assert found.labels in ([["O"]], ["O"])


@pytest.mark.parametrize("key", ["entities", "spans", "label"])
def test_a_line_with_entities_and_words(read, key):
    """Entities of the text are what people marked; words and tags beside them what a tool made."""
    row = {"text": "a b", "tokens": ["a", "b"], "tags": ["O", "B-X"], key: [[0, 1, "X"]]}
    found = read("token_classification", "a.jsonl", json.dumps(row), None)
    assert (found.columns, found.labels) == ({"text": ["a b"]}, [[(0, 1, "X")]])
    found = read("token_classification", "a.jsonl", json.dumps(row | {key: ["c"]}), None)
    assert found.labels == [["O", "B-X"]]


def test_a_text_that_is_null(read):
    for stream in (False, True):
        with pytest.raises(ValueError, match="line 1: expected a string in 'text'"):
            read(
                "token_classification",
                "a.jsonl",
                '{"text": null, "spans": []}',
                None,
                stream=stream,
            )


TWO_KINDS = ["O", "B-E-mail", "I-E-mail", "B-S-Bahn", "I-S-Bahn"]


@pytest.mark.parametrize(
    ("tags", "argv", "want"),
    [
        ("B-E-mail I-E-mail", "", ["O", "B-E-mail", "I-E-mail"]),
        ("B I", "", ["O", "B", "I"]),
        ("S-E-mail S-S-Bahn", "", TWO_KINDS),
        ("B-X O", "--labels=X", ["O", "B-X", "I-X"]),
        ("B-X O", "--labels=I-X,B-X,O", ["I-X", "B-X", "O"]),
        ("B-E-mail O", "--labels=E-mail,S-Bahn", TWO_KINDS),
        ("N V", "--labels=V,N", ["V", "N"]),
    ],
)
def test_kinds_of_entities_as_they_are_called(tmp_path, tags, argv, want):
    (tmp_path / "a.conll").write_text("".join(f"a {tag}\n" for tag in tags.split()))
    flags = flags_of(
        "finetune", f"--train_file={tmp_path}/a.conll", "--output_dir=a", *argv.split()
    )
    found = TASKS["token_classification"].read(flags, flags.train_file, True, flags.labels)
    made = TASKS["token_classification"].settings(flags, found)["labels"]
    assert made == want and {tag for row in found.labels for tag in row} <= {*want}
    assert TASKS["token_classification"].read(flags, flags.train_file, True, made).labels


def test_numbers_of_tags_are_named_by_the_labels_that_are_given(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a", "b"], "ner_tags": [2, 0]}')
    argv = [f"--train_file={tmp_path}/a.jsonl", "--output_dir=a"]
    for more in ([], ["--labels=B-X,O,I-X"]):
        flags, row = flags_of("finetune", *argv, *more), TASKS["token_classification"]
        if not more:
            with pytest.raises(ValueError, match=r"the number 2, which has no name.*--labels"):
                row.read(flags, flags.train_file, True, flags.labels)
            continue
        found = row.read(flags, flags.train_file, True, flags.labels)
        assert found.labels == [["B-X", "B-X"]] and row.settings(flags, found)["labels"] == [
            *("B-X", "O", "I-X")
        ]
    flags = flags_of("evaluate", f"--input_file={tmp_path}/a.jsonl")
    for names, want in ((["O", "B-X", "I-X"], ["B-X", "O"]), (["B-X", "I-X", "O"], ["O", "B-X"])):
        assert row.read(flags, flags.input_file, True, names).labels == [want]


@pytest.mark.parametrize("label", ["E-mail", "S-Bahn", "B-cell"])
def test_a_kind_of_entities_that_begins_as_a_tag(read, label, caplog):
    row = json.dumps({"text": "coffee is", "entities": [[0, 6, label], [7, 9, "PER"]]})
    found = read("token_classification", "a.jsonl", row, None)
    flags = flags_of("finetune", "--train_file=a.jsonl", "--output_dir=a")
    names = TASKS["token_classification"].settings(flags, found)["labels"]
    assert {*names} == {"O", "B-PER", "I-PER", f"B-{label}", f"I-{label}"}
    assert read("token_classification", "a.jsonl", row, names).labels == found.labels
    assert ("['B-cell'] are kinds of entities" in caplog.text) == (label == "B-cell")
    row = json.dumps({"text": "coffee is", "entities": [[0, 6, label]]})  # and no other kind
    assert read("token_classification", "b.jsonl", row, names).labels == [[(0, 6, label)]]


@pytest.mark.parametrize(
    ("names", "file", "given", "figures"),
    [
        ("O B-X I-X E-X S-X", "S-X O B-X E-X", "S-X O B-X E-X", (1.0, 1.0)),
        ("O I-X B-X", "I-X O I-X I-X", "I-X O I-X I-X", (1.0, 1.0)),  # of IOB1
        ("O X", "B-X O B-X I-X", "X O X X", (1.0, 1.0)),
        ("O X", "B-X O B-X I-X", "X O X O", (0.5, 0.75)),
        ("B I", "B I B I", "B I B B", (0.4, 0.75)),
        ("N V", "N V N V", "N V N N", (None, 0.75)),
    ],
)
def test_figures_of_models_of_every_scheme(read, tmp_path, names, file, given, figures):
    """Gold tags and the model's are scored, judged and written alike: as IOB2."""
    names, given = names.split(), given.split()
    content = "".join(f"a {tag}\n" for tag in file.split())
    rows = read("token_classification", "a.conll", content, names)
    kind = TASKS["token_classification"].kind
    model = Opened("m", TASKS["token_classification"], None, ("text",), names)
    answers = {
        "words": np.array([b"a"] * 4, object),
        "tags": np.array([tag.encode() for tag in given], object),
        "tag_scores": np.array([0.9] * 4),
    }
    f1, accuracy = figures
    found = kind.score(model, rows, [answers])
    assert found["accuracy"] == accuracy and (f1 is None or found["f1"] == pytest.approx(f1))
    assert (
        np.mean([right for _, right in kind.calibrated(model, rows.labels[0], answers)]) == accuracy
    )
    assert (kind.badness(model, rows.labels[0], answers) == 0) == (accuracy == 1)
    (path,) = kind.write(tmp_path / "out", model, rows, [answers], False)
    columns = [line.split() for line in path.read_text().splitlines()]
    assert np.mean([gold == tag for _, gold, tag in columns]) == accuracy


def test_a_strict_reading(read):
    """As seqeval's strict mode: an entity that begins with I is none."""
    names, row = ["O", "B-X", "I-X"], TASKS["token_classification"]
    rows = read("token_classification", "a.conll", "a B-X\na O\na B-X\na I-X\n", names, "--strict")
    model = Opened("m", row, None, ("text",), names)
    tags = np.array([b"I-X", b"O", b"B-X", b"I-X"], object)
    answers = [{"words": np.array([b"a"] * 4, object), "tags": tags}]
    assert row.kind.score(model, rows, answers)["f1"] == 1
    found = row.kind.score(row.kind.strictly(model), rows, answers)
    assert found["f1"] == pytest.approx(2 / 3) and found["scheme"] == "IOB2"
    assert (found["support"], found["predicted"], found["accuracy"]) == (2, 1, 1)
    with pytest.raises(ValueError, match="line 1: BIOES does not allow"):
        read("token_classification", "b.conll", "a B-X\na O\na S-X\n", names, "--strict")
    for others in (["N", "V"], ["O", "X"], ["O", "I-X"]):
        with pytest.raises(ValueError, match="needs a model of tags of IOB2, BIOES, BILOU"):
            row.kind.strictly(model._replace(classes=others))
    with pytest.raises(ValueError, match="--strict is for token_classification"):
        TASKS["text_classification"].kind.strictly(model)


@pytest.mark.parametrize(("names", "none"), [(["NOUN", "VERB"], "_"), (["O", "NOUN"], "O")])
def test_words_that_an_older_export_gave_no_tag(names, none):
    """Those after them keep their own."""
    answers = {
        "words": np.array([b"a", b"\x07", b"b", b"c", b""], object),
        "tags": np.array([b"NOUN", b"", b"NOUN", b"", b""], object),
        "tag_scores": np.array([0.9, 0.0, 0.8, 0.0, 0.0], np.float32),
    }
    row = TASKS["token_classification"]
    model = Opened("m", row, None, ("text",), names)
    assert row.kind.given(model, answers) == ["NOUN", none, "NOUN", none]
    batch = {name: values[np.newaxis] for name, values in answers.items()}
    (found,) = rows_of_words(batch, names)
    assert found.words == ["a", "\x07", "b", "c"] and len(found.scores) == 4
    assert found.tags == ["NOUN", none, "NOUN", none]


@pytest.mark.parametrize("stream", [False, True])
def test_comments_among_words(read, stream):
    task, content = "token_classification", "# id = 1\ncoffee B-PER\nis O\n\n# x\nlate O\n"
    found = read(task, "a.conll", content, TAGS, "--comment=#", stream=stream)
    words = [row["words"] for row in found] if stream else found.columns["words"]
    assert words == [["coffee", "is"], ["late"]]
    with pytest.raises(ValueError, match=r"line 2: expected 4 columns, as in line 1.*--comment"):
        read(task, "a.conll", content, TAGS, stream=stream)


@pytest.mark.parametrize("word", ["", "co\tffee"])
def test_words_that_no_column_holds_are_refused_before_they_are_tagged(read, word):
    row = json.dumps({"words": ["a", word], "tags": ["O", "O"]})
    found = read("token_classification", "a.jsonl", "\n" + row, TAGS)
    with pytest.raises(ValueError, match=r"a.jsonl, line 2, for --output_dir: expected words"):
        TASKS["token_classification"].kind.check("a.jsonl", found)


def test_a_file_without_entities(read):
    found = read("token_classification", "a.conll", "coffee O\nis O\n", None)
    flags = flags_of("finetune", "--train_file=a.conll", "--output_dir=a")
    with pytest.raises(ValueError, match=r"a.conll: expected entities.*Received: none"):
        TASKS["token_classification"].settings(flags, found)
    flags = flags_of("finetune", "--train_file=a.conll", "--output_dir=a", "--labels=PER")
    assert TASKS["token_classification"].settings(flags, found)["labels"] == TAGS


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("text_regression", "--class_weight=balanced"),
        ("question_answering", "--class_weight=balanced"),
        ("token_classification", "--class_weight=balanced --crf"),
        ("text_classification", "--crf"),
        ("text_regression", "--label_smoothing=0.1"),
        ("token_classification", "--crf --focal_gamma=2"),
    ],
)
def test_a_flag_of_another_task_is_refused_before_a_file_is_read(capsys, tmp_path, task, more):
    (tmp_path / "a.csv").write_text("text\n")
    argv = [f"--task={task}", f"--train_file={tmp_path}/a.csv", f"--output_dir={tmp_path}/x"]
    said = fails(capsys, 2, ["finetune", *argv, "--preset=none", *more.split()])
    assert more.split()[-1].partition("=")[0] in said


@pytest.mark.parametrize("stream", [False, True])
def test_rows_of_other_numbers_of_choices(read, stream):
    found = [["hot", "wet"], ["hot", "wet", "old"]]
    lines = [json.dumps({"question": "what?", "choices": x, "answer": 0}) for x in found]
    with pytest.raises(ValueError, match=r"a.jsonl, line 2: expected 2 choices.*Received: 3"):
        read("multiple_choice", "a.jsonl", "\n".join(lines), None, stream=stream)


def test_what_a_saved_model_cannot_write_is_said_before_it_is_asked(tmp_path):
    flags = flags_of("predict", "--input_file=a.json", f"--output_dir={tmp_path}")
    served = Opened("served", TASKS["question_answering"], None, ("question", "context"), None)
    with pytest.raises(ValueError, match="served is a SavedModel, which gives no n best answers"):
        task_files.check_official(flags, served)


def test_what_a_run_was_told():
    told = {"label_smoothing": 0.1, "class_weight": "balanced", "trainable_layers": 2}
    flags = flags_of("finetune", *(f"--{n}={v}" for n, v in told.items()), "--output_dir=a")
    assert training_runs.given(flags) == told
    assert training_runs.given(flags, ["class_weight"]).keys() == told.keys() - {"class_weight"}
    for layers, want in (("0", 0), ("all", "all")):
        flags = flags_of("finetune", f"--trainable_layers={layers}", "--output_dir=a")
        assert flags.trainable_layers == want
    with pytest.raises(UsageError, match='trainable_layers=some: expected an integer, or "all"'):
        flags_of("finetune", "--trainable_layers=some", "--output_dir=a")


def test_weights_of_labels_and_of_tags():
    """All that is labelled / (classes * of it): of several labels a row, and of words' tags."""
    argv = ["--class_weight=balanced", "--output_dir=a", "--train_file=a"]
    flags = flags_of("finetune", *argv, "--task=multi_label_classification")
    found = Rows({"text": ["a", "b", "c"]}, [["hot", "old"], [], ["hot"]], "")
    assert run_flags.class_weight(flags, None, found) == {"hot": 3 / 4, "old": 3 / 2}
    task = oracle.tiny_task(TokenClassifier, labels=["X", "Y"], scheme="IOB2")
    flags = flags_of("finetune", *argv, "--task=token_classification")
    want = {"O": 4 / (3 * 2), "B-X": 4 / 3, "I-X": 4 / 3}
    for columns, labels in (
        ({"words": [["tea", "rain"], ["stone", "tea"]]}, [["B-X", "I-X"], ["O", "O"]]),
        ({"text": ["tea rain", "stone tea"]}, [[(0, 8, "X")], []]),
    ):
        assert run_flags.class_weight(flags, task, Rows(columns, labels, "")) == want


def test_an_error_of_a_row_is_placed_and_no_other_reads_again(caplog):
    """Of the rows that are read, the file is found that has it; another error says what it says."""
    model = oracle.tiny_task(TokenClassifier, labels=["O", "B-X"])
    good = Rows({"text": ["tea"]}, [[(0, 3, "X")]], "1 text", places=["a, line 1"])
    bad = Rows({"text": ["tea"] * 2}, [[], [(1, 9, "X")]], "2 texts", places=["b, line 1", "b, 2"])
    fit = row_set.placed(model.read, model, [good, bad])
    with pytest.raises(ValueError, match=r"^b, 2: An entity must lie in its text"):
        fit(bad.x, bad.labels)
    split = Rows({"text": ["tea"]}, [[(1, 2, "X")]], "1 text")  # within a word, which is said
    with pytest.raises(ValueError, match="a list of entities a text"):
        row_set.placed(model.read, model, [split])(["tea"], [])
    assert not caplog.text

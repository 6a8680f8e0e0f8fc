"""Files as the verbs read them: what is not of the model is refused by file before any work."""

import json

import pytest

from bert_tf2.cli import task_files, training_runs
from bert_tf2.cli.flags import parse
from bert_tf2.cli.opened import Opened
from bert_tf2.cli.task_table import TASKS
from bert_tf2.cli.verbs import VERBS
from bert_tf2.serving.client_columns import in_order

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

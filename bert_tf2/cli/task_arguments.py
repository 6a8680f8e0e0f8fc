"""What a task is made with, to be trained: functions of flags and the `Rows` to train on."""

from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.tag_files import kind_of
from bert_tf2.data.class_names import names_of, tag_parts


def glue_task(flags):
    """The `GlueTask` that --glue names, or None."""
    from bert_tf2.data import glue

    return glue.named(flags.glue)[1] if flags.glue else None


def classes(flags, train):
    glue = glue_task(flags)
    names = list(glue.labels) if glue else flags.labels or names_of(train.labels)
    if len(names) < 2:
        raise ValueError(f"{flags.train_file}: expected two classes or more. Received: {names}")
    problem = {"problem_type": "single_label_classification"}  # whatever the checkpoint answers
    return {"labels": names, "pooling": flags.pooling} | problem


def several(flags, train):
    columns = flags.label_column.split(",")
    names = flags.labels or (columns if columns[1:] else None)
    names = names or names_of(name for row in train.labels for name in row)
    problem = {"problem_type": "multi_label_classification"}
    return {"labels": names, "pooling": flags.pooling} | problem


def numbers(flags, train):
    _refuse(flags, "labels")
    columns = [] if flags.glue else flags.label_column.split(",")
    return {"pooling": flags.pooling} | ({"labels": columns} if columns[1:] else {})


def tags(flags, train):
    """The tags of all kinds of entities in the file; or its tags, if they are no entities'."""
    from bert_tf2.data.tag_schemes import entity_tags

    _refuse(flags, "pooling")
    found, named = {tag for row in train.labels for tag in row}, flags.labels or ()
    spans = "words" not in train.columns
    if not spans and train.source.scheme is None:
        return {"labels": flags.labels or sorted(found)}
    found = {tag[2] if spans else kind_of(tag) for tag in found} - {"O"}
    if "O" in named or not found & {*named}:  # tags, and no kinds
        types = [kind for _, kind in tag_parts(named) if kind != "O"]
    else:
        types = named
    types = list(dict.fromkeys(types)) or sorted(found)
    if not types:
        raise ValueError(
            f"{flags.train_file}: expected entities, tags such as B-PER. Received: none; --labels "
            "names kinds that are to be learned all the same"
        )
    tags = entity_tags(types, "IOB2")
    return {"labels": list(named) if {*named} == {*tags} else tags, "scheme": "IOB2"}


def questions(flags, train):
    _refuse(flags, "labels", "pooling")
    return {"handle_impossible_answer": not all(label["text"] for label in train.labels)}


def choices(flags, train):
    _refuse(flags, "labels")
    return {"pooling": flags.pooling}


def none(flags, train):
    _refuse(flags, "labels", "pooling")
    return {}


def _refuse(flags, *names):
    for name in names:
        if flags[name].present:
            raise UsageError(f"--{name} is for classifiers, not for {flags.task}", flags.command)

"""Which students may learn what of which teachers."""

import keras

from bert_tf2.messages import shorten
from bert_tf2.tasks.task import Task
from bert_tf2.training import distillation_losses as of

# What is learnt of a teacher's outputs, by the kind of its head.
OUTPUTS = {
    "classes": of.soft_classes,
    "tokens": of.soft_classes,
    "masked_lm": of.soft_classes,
    "next_sentence": of.soft_classes,
    "choice": of.soft_classes,
    "spans": of.soft_classes,
    "sentence": of.squared,
}
OUTPUTS_OF_PROBLEMS = {"multi_label_classification": of.soft_labels, "regression": of.squared}
DEFAULTS = {  # weights that are left out: Sanh et al. 2019, and transformers' distillation
    "masked_lm": {"soft": 5.0, "hard": 2.0, "cosine": 1.0},
    "sentence": {"soft": 1.0},
}
INNER = ("cosine", "hidden", "attention", "relations")
MEANING = ("labels", "problem_type", "objective", "second_task")  # settings: what outputs are of
OF_TOKENS = ("tokens", "masked_lm", "spans")  # kinds of heads with an output for each token
LISTS = ("vocab.txt", "vocab.json")  # files that are lists of pieces, and nothing else
TEACHERS = "teacher_"  # before the names of its inputs, where it has another tokenizer
_ONE_TOKENIZER = "which must be cut by one tokenizer to one length"


class NoEncoder:
    """What stands for the encoder of a student that has none."""

    def __init__(self, teacher):
        self.policy, self.config = keras.dtype_policies.get("float32"), teacher.encoder.config

    def unread(self, model):
        return {}


def encoder_of(student, teacher):
    """What a `Distiller` asks of an encoder."""
    return student.encoder if isinstance(student, Task) else NoEncoder(teacher)


def same_ids(reader, teacher):
    """Whether one preparation of texts serves both."""
    return reader is teacher or not read_otherwise(reader, teacher)


def read_otherwise(one, other):
    """What of the making of ids is not the same in two tasks, a list of names."""
    ours, theirs = (_reading(task) for task in (one, other))
    return [n for n in {**ours, **theirs} if ours.get(n, ...) != theirs.get(n, ...)]


def _reading(task):
    """{name: what makes ids of texts}, to be compared."""
    preprocessor, tokenizer = task.preprocessor, task.preprocessor.tokenizer
    files = {name: x for name, x in tokenizer.files().items() if name not in LISTS}
    return {
        "tokenizer": type(tokenizer).__name__,
        "vocabulary": [*tokenizer.vocabulary],
        **files,
        **tokenizer.get_config(),
        "max_length": preprocessor.max_length,
        "doc_stride": getattr(task, "doc_stride", None),
        "max_question_len": task.asking().max_question_len if hasattr(task, "asking") else None,
        "inputs": {*task.input},
        "prompt": task.prompt_of() if hasattr(task, "prompt_of") else "",
    }


def layers_compared(student, teacher, shares):
    """{"states": [(of the student, of the teacher), …], "heads": …}: which layers meet."""
    if not isinstance(student, Task):
        return {"states": []}
    k, n = (len(t.encoder.parts["blocks"]) for t in (student, teacher))
    meet = [(i, round(i * n / k)) for i in range(k + 1)]
    found = {}
    if shares["hidden"]:
        found["states"] = meet
    elif shares["cosine"]:
        found["states"] = meet[-1:]
    if shares["attention"]:
        found["heads"] = meet[1:]
    elif shares["relations"]:
        found["heads"] = meet[-1:]
    return found


def check(student, teacher, reader, shares, temperature):
    """Raises for models of other kinds than can learn from each other, or weights of no use."""
    if teacher.head_kind not in OUTPUTS or not isinstance(teacher.output, keras.KerasTensor):
        raise ValueError(
            f"A teacher must answer with one tensor, of {', '.join(OUTPUTS)}. Received: a "
            f"{type(teacher).__name__}"
        )
    _check_meaning(student, teacher, reader)
    if student.output.shape[-1] != teacher.output.shape[-1]:
        raise ValueError(
            "Both must answer with as many numbers; a SentenceEncoder may have a dense module of "
            f"the teacher's width. Received: {student.output.shape[-1]} and "
            f"{teacher.output.shape[-1]}"
        )
    if min(shares.values()) < 0 or not any(shares.values()) or not temperature > 0:
        raise ValueError(
            "Weights must be 0 or more, one above 0, and `temperature` above 0. Received: "
            f"{shares}, {temperature}"
        )
    if shares["hard"] and teacher.head_kind == "sentence":
        raise ValueError("`hard` must be 0: a SentenceEncoder's own losses are of rows of texts.")
    if (reader.reads_windows or teacher.reads_windows) and not same_ids(reader, teacher):
        raise ValueError(
            "Long texts are compared window by window, which must be cut by one tokenizer, to one "
            f"length and `doc_stride`. Other are: {', '.join(read_otherwise(reader, teacher))}"
        )
    if shares["soft"] and teacher.head_kind in OF_TOKENS and not same_ids(reader, teacher):
        raise ValueError(
            f"Answers for each token are compared token by token, {_ONE_TOKENIZER}. Other are: "
            f"{', '.join(read_otherwise(reader, teacher))}"
        )


def _check_meaning(student, teacher, reader):
    """Raises where equal places of two outputs stand for different things."""
    if reader is teacher:  # of a plain model nobody says what it means
        return
    if type(student) is not type(teacher):
        raise ValueError(
            f"The student must be a {type(teacher).__name__}, as the teacher. Received: a "
            f"{type(student).__name__}"
        )
    if student.active_adapter is not None:
        raise ValueError(
            "The student must have no active adapter, since all of it is trained: give it "
            f"`merge_and_unload()`, or `set_adapter(None)`. Received: {student.active_adapter!r}"
        )
    for name in [name for name in MEANING if name in student.settings]:
        ours, theirs = (getattr(task, name) for task in (student, teacher))
        if ours != theirs:
            raise ValueError(
                f"`{name}` must be the teacher's, in its order, since outputs are compared place "
                f"by place. Received: {shorten(ours)} and {shorten(theirs)}"
            )


def check_inside(student, teacher, shares, relation_heads, same):
    """Raises where what two encoders compute inside cannot be compared."""
    if not isinstance(student, Task) or not same:
        found = "a student without an encoder"
        if isinstance(student, Task):
            found = f"other {', '.join(read_otherwise(student, teacher))}"
        raise ValueError(
            f"{', '.join(INNER)} compare the tokens of two encoders, {_ONE_TOKENIZER}. Received: "
            f"{found}"
        )
    counts = [t.encoder.config.num_attention_heads for t in (student, teacher)]
    widths = [t.encoder.config.hidden_size for t in (student, teacher)]
    if shares["attention"] and counts[0] != counts[1]:
        raise ValueError(f"`attention` needs as many heads in both. Received: {counts}")
    if shares["cosine"] and widths[0] != widths[1]:
        raise ValueError(f"`cosine` needs one width in both. Received: {widths}")
    if shares["relations"] and any(width % relation_heads for width in widths):
        raise ValueError(
            f"`relation_heads` must divide both widths, {widths}. Received: {relation_heads}"
        )

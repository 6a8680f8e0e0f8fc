"""A small model learns from a large one (Hinton et al. 2015; Sanh et al. 2019).

Letters: B rows, L length, C classes, D width.
"""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns, pipeline
from bert_tf2.modeling.inner import PARTS, Taught, inner_outputs
from bert_tf2.tasks import feeding
from bert_tf2.tasks.masked_lm import MaskedLM
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
TEACHERS = "teacher_"  # before the names of its inputs, where it has another tokenizer
UNLABELLED = object()


class Distiller(Task):
    """Trains a student on what a teacher answers, beside labels or without them, through `fit`.

    Both read the same texts. The student is trained in place: it is saved, evaluated and exported
    by itself, as before. The losses are added up, each a mean and times its weight:

        soft: the divergence of the student's answers from the teacher's, at a temperature and times
            its square; of numbers and vectors of sentences the squared difference;
        hard: the student's own loss, of labels, or of hidden words;
        cosine: one minus the cosine of both models' last vectors of each token;
        hidden: squared differences of the vectors of tokens, layer by layer, embeddings too, after
            a projection that is learnt where widths differ (TinyBERT);
        attention: squared differences of attention's scores, layer by layer (TinyBERT);
        relations: how queries, keys and values of the last layer relate to each other (MiniLMv2).

    A student's layer i of k learns from the teacher's layer round(i n / k) of n. Where a task
    computes its last layer for the first token alone, that token's vector is compared there.

    Args:
        student: a task of the teacher's kind, such as `student_of` makes; or a `keras.Model` from
            the teacher's ids to outputs of the same shape, such as `bilstm_of` makes.
        teacher: a trained task. It is not changed.
        soft, hard, cosine, hidden, attention, relations: weights; 0 leaves one out. Default: of a
            `MaskedLM` 5, 2 and 1 (DistilBERT's), of a `SentenceEncoder` soft 1, of others soft and
            hard 1/2 each.
        temperature: what logits are divided by in "soft".
        relation_heads: into how many parts vectors are cut for "relations"; default: the teacher's
            heads.

    Raises:
        ValueError: a student of another kind, with other outputs or, for what is compared inside,
            another tokenizer or number of heads; no weight above 0.

    Examples:

    >>> teacher = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
    >>> student = bert_tf2.student_of(teacher, layers=3)
    >>> bert_tf2.Distiller(student, teacher).fit(texts, labels)
    >>> bert_tf2.Distiller(student, teacher, hard=0).fit(texts)  # without labels
    """

    settings = ()
    own_loss = None

    def __init__(
        self,
        student,
        teacher,
        soft=None,
        hard=None,
        cosine=None,
        hidden=0.0,
        attention=0.0,
        relations=0.0,
        temperature=2.0,
        relation_heads=None,
        name=None,
    ):
        usual = DEFAULTS.get(teacher.head_kind, {"soft": 0.5, "hard": 0.5})
        given = {"soft": soft, "hard": hard, "cosine": cosine, "hidden": hidden}
        given |= {"attention": attention, "relations": relations}
        chosen = {n: usual.get(n, 0.0) if w is None else float(w) for n, w in given.items()}
        # Functions, since Keras would count and save the variables of what is an attribute.
        self.student, self.teacher = (lambda: student), (lambda: teacher)
        _check(student, teacher, self.reader, chosen, temperature)
        self.shares, self.temperature = chosen, float(temperature)
        self.relation_heads = relation_heads or teacher.encoder.config.num_attention_heads
        self.compares = OUTPUTS_OF_PROBLEMS.get(
            getattr(teacher, "problem_type", None), OUTPUTS[teacher.head_kind]
        )
        self.same_ids = _same_ids(self.reader, teacher)
        self.pairs = _layers_compared(student, teacher, chosen) if self._looks_inside() else {}
        self._check_inside(student, teacher)
        inputs, outputs = self._graph(student, teacher)
        drop_padding = getattr(student, "drop_padding", False)
        super().__init__(
            _encoder_of(student, teacher),
            self.reader.preprocessor,
            inputs,
            outputs,
            drop_padding,
            name,
        )
        self.raw_names, self.row_types = self.reader.raw_names, self.reader.row_types
        self.wanted, self.head_kind = self.reader.wanted, self.reader.head_kind
        for part in [n for n, w in chosen.items() if w]:
            setattr(self, f"loss_of_{part}", keras.metrics.Mean(f"{part}_loss"))
        if self.compares is of.soft_classes:
            self.agreement = keras.metrics.Mean("agreement")

    @property
    def reader(self):
        """The task that reads texts and labels: the student, or the teacher of a plain model."""
        return self.student() if isinstance(self.student(), Task) else self.teacher()

    def _looks_inside(self):
        return any(self.shares[name] for name in INNER)

    def _check_inside(self, student, teacher):
        if not self.pairs:
            return
        if not isinstance(student, Task) or not self.same_ids:
            raise ValueError(
                f"{', '.join(INNER)} compare the tokens of two encoders, which must be cut by one "
                "tokenizer to one length. Received: "
                + ("two of them" if isinstance(student, Task) else "a student without an encoder")
            )
        counts = [t.encoder.config.num_attention_heads for t in (student, teacher)]
        widths = [t.encoder.config.hidden_size for t in (student, teacher)]
        if self.shares["attention"] and counts[0] != counts[1]:
            raise ValueError(f"`attention` needs as many heads in both. Received: {counts}")
        if self.shares["cosine"] and widths[0] != widths[1]:
            raise ValueError(f"`cosine` needs one width in both. Received: {widths}")
        if self.shares["relations"] and any(width % self.relation_heads for width in widths):
            raise ValueError(
                f"`relation_heads` must divide both widths, {widths}. Received: "
                f"{self.relation_heads}"
            )

    def _graph(self, student, teacher):
        """Symbolic inputs and outputs: both models' answers, and what is compared inside."""
        states = [i for i, _ in self.pairs.get("states", [])]
        heads = [i for i, _ in self.pairs.get("heads", [])]
        own = inner_outputs(student, student.encoder, states, heads) if self.pairs else {}
        others = {}
        if self.pairs:
            there = [[j for _, j in self.pairs.get(kind, [])] for kind in ("states", "heads")]
            others = inner_outputs(teacher, teacher.encoder, *map(dict.fromkeys, there))
        taught = keras.Model(dict(teacher.input), {"answer": teacher.output} | others)
        inputs = dict(student.input)
        asked = inputs
        if not self.same_ids:
            asked = {
                name: keras.Input(x.shape[1:], dtype=x.dtype, name=TEACHERS + name)
                for name, x in teacher.input.items()
            }
        found = Taught(taught, name="taught")(asked)
        inputs = inputs | ({} if self.same_ids else {TEACHERS + n: x for n, x in asked.items()})
        width = teacher.encoder.config.hidden_size
        for i in states if self.shares["hidden"] else []:
            if own[f"state_{i}"].shape[-1] != width:
                fit = keras.layers.Dense(width, use_bias=False, name=f"fit_{i}")
                own[f"fitted_{i}"] = fit(own[f"state_{i}"])
        outputs = {"student": student.output, "teacher": found.pop("answer")}
        return inputs, outputs | own | {f"taught_{name}": x for name, x in found.items()}

    # --- The protocol. ----------------------------------------------------------------------------

    def rename_inputs(self, inputs):
        """As the reader's; a teacher with another tokenizer has its own beside them."""
        theirs = {n: x for n, x in inputs.items() if n.startswith(TEACHERS)}
        own = {n: x for n, x in inputs.items() if n not in theirs}
        return self.reader.rename_inputs(own) | theirs

    def prepare(self, found):
        inputs, targets, weights = self.reader.prepare(found)
        marks = (*self.reader.marks, *self.teacher().marks)
        inputs = {name: x for name, x in inputs.items() if name not in marks}
        mask = tf.cast(inputs["padding_mask"], tf.float32)
        if not self.same_ids:
            raw = {name: x for name, x in found.items() if name in self.teacher().raw_names}
            asked = self.teacher().prepare(raw)[0]
            inputs |= {TEACHERS + name: x for name, x in asked.items() if name not in marks}
        counts = {"tokens": mask, "soft": self.row_weights(found)}
        if targets is None:
            return inputs, {"tokens": mask}, counts
        if self.shares["hard"]:
            counts["hard"] = weights
        if self.reader.head_kind in ("tokens", "masked_lm"):  # of which some count nothing
            counts["soft"] = weights
        return inputs, {"tokens": mask, "hard": targets}, counts

    def blank_outputs(self, inputs):
        own = {n: x for n, x in inputs.items() if not n.startswith(TEACHERS)}
        answer = self.reader.blank_outputs(own)
        rows, length = tf.unstack(tf.shape(inputs["padding_mask"])[:2])

        def zeros(x):
            sizes = [length if size is None else size for size in x.shape[1:]]
            return tf.zeros([rows, *sizes])

        inner = {n: zeros(x) for n, x in self.output.items() if n not in ("student", "teacher")}
        return {"student": answer, "teacher": answer} | inner

    def losses(self, targets, outputs, weights):
        """{name: (sum, size)}, weights within the sums."""
        found = {}
        if self.shares["soft"]:
            found["soft"] = self._soft(outputs, weights["soft"])
        if self.shares["hard"]:
            own = self.reader.losses(targets["hard"], outputs["student"], weights["hard"])
            found |= {f"hard/{name}": part for name, part in own.items()}
        mask = weights["tokens"]
        for name in [name for name in INNER if self.shares[name]]:
            found[name] = getattr(self, f"_{name}")(outputs, mask)
        return {
            name: (self.shares[name.split("/")[0]] * total, size)
            for name, (total, size) in found.items()
        }

    def _soft(self, outputs, weights):
        ours, theirs = outputs["student"], outputs["teacher"]
        if self.reader.head_kind == "spans":  # (B, L, 2): which token, for starts and ends
            ours, theirs = (tf.transpose(x, [0, 2, 1]) for x in (ours, theirs))
        values = self.compares(ours, theirs, self.temperature)
        values = tf.reduce_mean(values, -1) if self.reader.head_kind == "spans" else values
        by_token = self.reader.head_kind in ("tokens", "masked_lm")
        size = tf.reduce_sum(weights) if by_token else tf.cast(tf.size(weights), tf.float32)
        return tf.reduce_sum(values * weights), size

    def _cosine(self, outputs, mask):
        i, j = self.pairs["states"][-1]
        ours, theirs = _same_tokens(outputs[f"state_{i}"], outputs[f"taught_state_{j}"])
        shown = _tokens_of(ours, mask)
        return tf.reduce_sum(of.cosine(ours, theirs) * shown), tf.reduce_sum(shown)

    def _hidden(self, outputs, mask):
        """The sum over layers of means over tokens, whose sizes may differ: all by the first."""
        total, size = 0.0, tf.reduce_sum(mask)
        for i, j in self.pairs["states"]:
            ours = outputs.get(f"fitted_{i}", outputs[f"state_{i}"])
            ours, theirs = _same_tokens(ours, outputs[f"taught_state_{j}"])
            shown = _tokens_of(ours, mask)
            share = tf.math.divide_no_nan(size, tf.reduce_sum(shown))
            total += tf.reduce_sum(of.squared(ours, theirs) * shown) * share
        return total, size

    def _attention(self, outputs, mask):
        total, heads = 0.0, self.teacher().encoder.config.num_attention_heads
        for i, j in self.pairs["heads"]:
            ours = [outputs[f"{part}_{i}"] for part in PARTS[:2]]
            theirs = [outputs[f"taught_{part}_{j}"] for part in PARTS[:2]]
            total += tf.reduce_sum(of.attention(ours, theirs, mask, heads))
        return total, tf.reduce_sum(tf.reduce_sum(mask, 1) ** 2)

    def _relations(self, outputs, mask):
        i, j = self.pairs["heads"][-1]
        total = 0.0
        for part in PARTS:
            pair = outputs[f"{part}_{i}"], outputs[f"taught_{part}_{j}"]
            total += tf.reduce_sum(of.relations(*pair, mask, self.relation_heads))
        return total, tf.reduce_sum(mask)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Adds a batch to the mean of each loss, and to how often both models agree."""
        for name, (total, size) in self.losses(y, y_pred, sample_weight).items():
            metric = getattr(self, f"loss_of_{name.split('/')[0]}")
            metric.update_state(tf.math.divide_no_nan(total, size), size)
        if self.compares is of.soft_classes and self.reader.head_kind != "spans":
            alike = tf.argmax(y_pred["student"], -1) == tf.argmax(y_pred["teacher"], -1)
            self.agreement.update_state(tf.cast(alike, tf.float32), sample_weight["soft"])
        return {}

    # --- Data. ------------------------------------------------------------------------------------

    def read(self, x, y=None, sample_weight=None):
        if y is UNLABELLED:
            return columns.text_columns(x, self.raw_names)
        return self.reader.read(x, y, sample_weight)

    def dataset(
        self, x, y=None, sample_weight=None, batch_size=32, sampling=pipeline.ONCE, **kwargs
    ):
        """As the student's; texts alone where no labels are learnt from."""
        if isinstance(self.reader, MaskedLM):
            if columns.holds_texts(x) and y is None and kwargs.get("labelled", True):
                x = self.reader.masked(x, batch_size or 32, sampling)
        elif y is None and not self.shares["hard"] and not isinstance(x, tf.data.Dataset):
            y = UNLABELLED
        return feeding.dataset(self, x, y, sample_weight, batch_size, sampling, **kwargs)

    def batch_columns(self, x, y=None, sample_weight=None):
        return self.reader.batch_columns(x, y, sample_weight)

    def fit(self, x=None, y=None, *args, **kwargs):
        """As `Task.fit`; y may be left out where the weight of "hard" is 0."""
        history = super().fit(x, y, *args, **kwargs)
        if isinstance(self.student(), Task):
            self.student().takes_pairs = self.takes_pairs
        return history

    def of_run(self):
        return {"distillation": self.shares | {"temperature": self.temperature}}

    def save(self, *args, **kwargs):
        """Refused: what was learnt is the student's."""
        raise TypeError("A Distiller is not saved: save the student, which it has trained.")

    save_to_preset = save


class _NoEncoder:
    """What stands for the encoder of a student that has none."""

    def __init__(self, teacher):
        self.policy, self.config = keras.dtype_policies.get("float32"), teacher.encoder.config

    def unread(self, model):
        return {}


def _encoder_of(student, teacher):
    return student.encoder if isinstance(student, Task) else _NoEncoder(teacher)


def _same_ids(reader, teacher):
    """Whether one preparation of texts serves both."""
    if reader is teacher:
        return True
    ours, theirs = (t.preprocessor for t in (reader, teacher))
    alike = np.array_equal(ours.tokenizer.vocabulary, theirs.tokenizer.vocabulary)
    return alike and ours.max_length == theirs.max_length and {*reader.input} == {*teacher.input}


def _layers_compared(student, teacher, shares):
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


def _same_tokens(ours, theirs):
    """(B, L, D) of each, or of both the first tokens where one model has these alone."""
    if 1 in (ours.shape[1], theirs.shape[1]):
        return ours[:, :1], theirs[:, :1]
    return ours, theirs


def _tokens_of(x, mask):
    return mask[:, :1] if x.shape[1] == 1 else mask


def _check(student, teacher, reader, shares, temperature):
    if teacher.head_kind not in OUTPUTS or not isinstance(teacher.output, keras.KerasTensor):
        raise ValueError(
            f"A teacher must answer with one tensor, of {', '.join(OUTPUTS)}. Received: a "
            f"{type(teacher).__name__}"
        )
    if reader is student and type(student) is not type(teacher):
        raise ValueError(
            f"The student must be a {type(teacher).__name__}, as the teacher. Received: a "
            f"{type(student).__name__}"
        )
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
    for task in (reader, teacher):
        if task.reads_windows:
            raise ValueError("Long texts in windows cannot be distilled: make both cut them.")

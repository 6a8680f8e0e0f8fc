"""A small model learns from a large one (Hinton et al. 2015; Sanh et al. 2019).

Letters: B rows, L length, C classes, D width.
"""

import keras
import tensorflow as tf

from bert_tf2.data import columns, pipeline
from bert_tf2.modeling.inner import Taught, inner_outputs
from bert_tf2.tasks import feeding
from bert_tf2.tasks.distillable import (
    DEFAULTS,
    INNER,
    OUTPUTS,
    OUTPUTS_OF_PROBLEMS,
    TEACHERS,
    check,
    check_inside,
    encoder_of,
    layers_compared,
    same_ids,
)
from bert_tf2.tasks.distilled_losses import BY_TOKEN, DistilledLosses, with_blank_tags
from bert_tf2.tasks.masked_lm import MaskedLM
from bert_tf2.tasks.task import Task
from bert_tf2.training import distillation_losses as of

UNLABELLED = object()


class Distiller(DistilledLosses, Task):
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
        teacher: a trained task, with its active adapter. It is not changed.
        soft, hard, cosine, hidden, attention, relations: weights; 0 leaves one out. Default: of a
            `MaskedLM` 5, 2 and 1 (DistilBERT's), of a `SentenceEncoder` soft 1, of others soft and
            hard 1/2 each.
        temperature: what logits are divided by in "soft".
        relation_heads: into how many parts vectors are cut for "relations"; default: the teacher's
            heads.

    Raises:
        ValueError: a student of another kind, with other labels or outputs, with an active adapter
            or, for what is compared of tokens, another tokenizer or number of heads; no weight
            above 0.

    Examples:
        >>> preset, labels_of = "all-MiniLM-L6-v2", ["bad", "good"]
        >>> teacher = bert_tf2.TextClassifier.from_preset(preset, labels=labels_of)
        >>> student = bert_tf2.student_of(teacher, layers=3)
        >>> bert_tf2.Distiller(student, teacher).fit(texts, labels)
        >>> bert_tf2.Distiller(student, teacher, hard=0).fit(texts)  # without labels
    """

    settings = ()
    own_loss = None
    takes_adapters = False  # it computes and trains its student's own numbers

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
        check(student, teacher, self.reader, chosen, temperature)
        self.shares, self.temperature = chosen, float(temperature)
        self.relation_heads = relation_heads or teacher.encoder.config.num_attention_heads
        self.compares = OUTPUTS_OF_PROBLEMS.get(
            getattr(teacher, "problem_type", None), OUTPUTS[teacher.head_kind]
        )
        self.same_ids = same_ids(self.reader, teacher)
        self.pairs = layers_compared(student, teacher, chosen) if self._looks_inside() else {}
        if self.pairs:
            check_inside(student, teacher, chosen, self.relation_heads, self.same_ids)
        inputs, outputs = self._graph(student, teacher)
        drop_padding = getattr(student, "drop_padding", False)
        encoder, preprocessor = encoder_of(student, teacher), self.reader.preprocessor
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.raw_names, self.row_types = self.reader.raw_names, self.reader.row_types
        self.wanted, self.head_kind = self.reader.wanted, self.reader.head_kind
        self._make_metrics()

    def _make_metrics(self):
        for part in [n for n, w in self.shares.items() if w]:
            setattr(self, f"loss_of_{part}", keras.metrics.Mean(f"{part}_loss"))
        if self._tells_agreement():
            self.agreement = keras.metrics.Mean("agreement")

    def _tells_agreement(self):
        return self.compares is of.soft_classes and self.reader.head_kind != "spans"

    @property
    def reader(self):
        """The task that reads texts and labels: the student, or the teacher of a plain model."""
        return self.student() if isinstance(self.student(), Task) else self.teacher()

    def _looks_inside(self):
        return any(self.shares[name] for name in INNER)

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
        found = Taught(taught, teacher.wearing, name="taught")(asked)
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
        blank = self.reader.head_kind == "tokens" and "labels" not in found
        given = with_blank_tags(found, self.reader.preprocessor.tokenizer) if blank else found
        inputs, targets, weights = self.reader.prepare(given)
        targets = None if blank else targets
        marks = (*self.reader.marks, *self.teacher().marks)
        inputs = {name: x for name, x in inputs.items() if name not in marks}
        mask = tf.cast(inputs["padding_mask"], tf.float32)
        if not self.same_ids:
            raw = {name: x for name, x in found.items() if name in self.teacher().raw_names}
            asked = self.teacher().prepare(raw)[0]
            inputs |= {TEACHERS + name: x for name, x in asked.items() if name not in marks}
        counts = {"tokens": mask, "soft": self._soft_weights(found, mask, weights)}
        if targets is None:
            return inputs, {"tokens": mask}, counts
        if self.shares["hard"]:
            counts["hard"] = weights
        return inputs, {"tokens": mask, "hard": targets}, counts

    def _soft_weights(self, found, mask, weights):
        """What each answer counts: (B,), of windows (W,), of tokens (W, L), some of them nothing.

        Args:
            mask: (W, L). weights: of labels; None without.
        """
        if self.reader.head_kind in BY_TOKEN:
            return mask if weights is None else weights
        if not self.reader.reads_windows:
            return self.row_weights(found)
        if weights is None:
            if "sample_weight" in found:
                raise ValueError("Of windows, `sample_weight` goes with labels.")
            return tf.ones(tf.shape(mask)[:1])
        return weights[:, 0] if self.reader.head_kind == "spans" else weights

    def blank_outputs(self, inputs):
        own = {n: x for n, x in inputs.items() if not n.startswith(TEACHERS)}
        answer = self.reader.blank_outputs(own)
        rows, length = tf.unstack(tf.shape(inputs["padding_mask"])[:2])

        def zeros(x):
            sizes = [length if size is None else size for size in x.shape[1:]]
            return tf.zeros([rows, *sizes])

        inner = {n: zeros(x) for n, x in self.output.items() if n not in ("student", "teacher")}
        return {"student": answer, "teacher": answer} | inner

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Adds a batch to the mean of each loss, and to how often both models agree."""
        for name, (total, size) in self.losses(y, y_pred, sample_weight).items():
            metric = getattr(self, f"loss_of_{name.split('/')[0]}")
            metric.update_state(tf.math.divide_no_nan(total, size), size)
        if self._tells_agreement():
            alike = tf.argmax(y_pred["student"], -1) == tf.argmax(y_pred["teacher"], -1)
            self.agreement.update_state(tf.cast(alike, tf.float32), sample_weight["soft"])
        return {}

    # --- Data. ------------------------------------------------------------------------------------

    def read(self, x, y=None, sample_weight=None):
        return self.reader.read(x, None if y is UNLABELLED else y, sample_weight)

    def packed_texts(self, found):
        return self.reader.packed_texts(found)

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

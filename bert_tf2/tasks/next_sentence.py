"""Does a text follow another? The head that a checkpoint was pretrained with, for pairs."""

import keras

from bert_tf2.data.class_names import ORDERS
from bert_tf2.modeling import heads
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.tasks.problems import PROBLEMS
from bert_tf2.tasks.text_classifier import TextClassifier


@keras.saving.register_keras_serializable("bert_tf2")
class NextSentenceClassifier(TextClassifier):
    """Tells whether the second text of a pair follows the first one, with the published head.

    The model maps int32 ids to float32 logits (B, 2). BERT was taught to tell the "next" sentence
    from a "random" one (Devlin et al. 2018, section 3.1, task 2), ALBERT two texts "in_order" from
    the same "swapped" (Lan et al. 2019, section 3.1); `run_pretraining.py` of both has class 0 for
    the text that follows.

    Args:
        encoder: an `Encoder` with a pooler.
        preprocessor: a `Preprocessor`.
        objective: "nsp" (BERT's) or "sop" (ALBERT's); default: the family's.
        drop_padding, name: as of a `TextClassifier`.

    Raises:
        ValueError: another objective, or an encoder without a pooler.

    Examples:
        >>> nsp = bert_tf2.NextSentenceClassifier.from_preset("uncased_L-12_H-768_A-12")
        >>> nsp.predict_labels((["It rained."], ["So we stayed in."]))[0].label
        'next'
    """

    head_kind = "next_sentence"
    settings = ("objective",)
    problem_types = ()
    problem_type = None

    def __init__(self, encoder, preprocessor, objective=None, drop_padding=True, name=None):
        objective = objective or self.default_settings(encoder.config)["objective"]
        if objective not in ORDERS:
            raise ValueError(f"`objective` must be one of {[*ORDERS]}. Received: {objective!r}")
        if not encoder.config.pooler:
            raise ValueError(
                "A next-sentence head reads the pooled output, which this encoder has not. "
                f"Received: family={encoder.config.family!r}"
            )
        inputs = input_tensors()
        states = encoder.encode(inputs, drop_padding=drop_padding, first_only=True)
        outputs = heads.next_sentence(states["pooled_output"], encoder.config, objective)
        super(TextClassifier, self).__init__(
            encoder, preprocessor, inputs, outputs, drop_padding, name
        )
        self.problem = PROBLEMS["single_label_classification"]
        self.own_loss = self.problem.loss
        self.objective, self.labels, self.thresholds = objective, [*ORDERS[objective]], None
        self.takes_pairs = True

    @classmethod
    def default_settings(cls, encoder_config):
        return {"objective": "sop" if encoder_config.family == "albert" else "nsp"}

    def prepare(self, columns):
        if "text" in columns and "text_pair" not in columns:
            raise ValueError("A next-sentence head reads pairs: give a tuple of two lists of str.")
        return super().prepare(columns)

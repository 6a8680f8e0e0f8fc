"""Records what the TensorFlow 2 Model Garden computes, on small models with random weights.

    python tests/reference/model_garden/record_model_garden.py FOLDER

needs tf-models-official (2.20.0 for the committed files) and tf_keras. Each folder below FOLDER has
a checkpoint as the Model Garden writes it, and `golden.npz` with inputs and outputs:
    bert       tf.train.Checkpoint of BertPretrainerV2's items, encoder BertEncoder
    bert_v2    tf.train.Checkpoint(model=BertPretrainerV2), encoder BertEncoderV2, with Adam's slots
    classifier tf.train.Checkpoint(model=BertClassifier), three classes
    albert     tf.train.Checkpoint(encoder=AlbertEncoder), with an `albert_config.json`
    hub        SavedModel of official.nlp.tools.export_tfhub_lib
    tuned      SavedModel of a model around that, saved by tf_keras after a step of training
"""

import json
import os
import sys
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import numpy as np
import tensorflow as tf
import tf_keras
from official.legacy.bert import configs
from official.modeling import tf_utils
from official.nlp.modeling import layers, models, networks
from official.nlp.tools import export_tfhub_lib

SIZES = {"vocab_size": 23, "hidden_size": 8, "num_attention_heads": 2, "max_sequence_length": 9}
SIZES |= {"type_vocab_size": 2, "num_layers": 2}
GELU = tf_utils.get_activation("gelu")  # the tanh form, which the word alone is not for Keras
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(18))]


def inputs():
    generator = np.random.default_rng(1)
    mask = [[1] * 7, [1] * 4 + [0] * 3, [1, 1, 0, 1, 1, 0, 1], [1] + [0] * 6]
    ids = {
        "input_word_ids": generator.integers(0, 23, (4, 7)),
        "input_mask": mask,
        "input_type_ids": generator.integers(0, 2, (4, 7)),
    }
    return {name: np.array(x, "int32") for name, x in ids.items()}


def randomise(model):
    """Norms around 1, everything else N(0, 0.3)."""
    generator = np.random.default_rng(2)
    for v in model.variables:
        v.assign(("gamma" in v.name) + 0.3 * generator.standard_normal(v.shape))


def golden(folder, outputs, **more):
    arrays = inputs() | {name: outputs[name] for name in ("pooled_output", "sequence_output")}
    arrays |= {f"layer_{i}": layer for i, layer in enumerate(outputs["encoder_outputs"])}
    np.savez_compressed(folder / "golden.npz", **arrays, **more)


def bert_encoder(**more):
    return networks.BertEncoder(intermediate_size=12, dict_outputs=True, **SIZES | more)


def pretrainer(encoder):
    """With a masked-LM head and a next-sentence head, built."""
    head = layers.ClassificationHead(8, 2, name="next_sentence", dropout_rate=0.0)
    model = models.BertPretrainerV2(encoder, classification_heads=[head], mlm_activation=GELU)
    model(inputs() | {"masked_lm_positions": POSITIONS})
    randomise(model)
    return model, model(inputs() | {"masked_lm_positions": POSITIONS})


POSITIONS = np.array([[1, 4], [2, 0], [3, 6], [0, 0]], "int32")


def bert(folder):
    model, outputs = pretrainer(bert_encoder(embedding_width=6))
    tf.train.Checkpoint(**model.checkpoint_items).write(str(folder / "model.ckpt"))
    golden(folder, outputs, positions=POSITIONS, mlm_logits=outputs["mlm_logits"])


def bert_v2(folder):
    model, outputs = pretrainer(networks.BertEncoderV2(inner_dim=12, **SIZES))
    optimizer = tf_keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.write(str(folder / "model.ckpt"))
    golden(folder, outputs, positions=POSITIONS, mlm_logits=outputs["mlm_logits"])


def classifier(folder):
    encoder = bert_encoder()
    model = models.BertClassifier(encoder, num_classes=3)
    randomise(model)
    tf.train.Checkpoint(model=model).write(str(folder / "model.ckpt"))
    golden(folder, encoder(inputs()), logits=model(inputs()))


def albert(folder):
    encoder = networks.AlbertEncoder(
        intermediate_size=12, embedding_width=6, dict_outputs=True, **SIZES
    )
    randomise(encoder)
    tf.train.Checkpoint(encoder=encoder).write(str(folder / "model.ckpt"))
    config = {
        "vocab_size": 23,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "embedding_size": 6,
        "max_position_embeddings": 9,
        "type_vocab_size": 2,
        "num_hidden_groups": 1,
        "hidden_act": "gelu",
    }
    (folder / "albert_config.json").write_text(json.dumps(config))
    golden(folder, encoder(inputs()))


def hub(folder):
    """As `export_tfhub.py` exports; the checkpoint it starts from is removed again."""
    config = configs.BertConfig(
        vocab_size=23,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=9,
        type_vocab_size=2,
        hidden_act="gelu",
    )
    encoder = export_tfhub_lib.get_bert_encoder(config)
    model = models.BertPretrainerV2(encoder, mlm_activation=GELU)
    model(inputs() | {"masked_lm_positions": POSITIONS})
    randomise(model)
    prefix = tf.train.Checkpoint(**model.checkpoint_items).save(str(folder / "items"))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in WORDS))
    export_tfhub_lib.export_model(
        str(folder),
        bert_config=config,
        model_checkpoint_path=prefix,
        with_mlm=True,
        vocab_file=str(folder / "vocab.txt"),
        do_lower_case=False,
    )
    for file in [*folder.glob("items*"), folder / "checkpoint", folder / "vocab.txt"]:
        file.unlink()
    module = tf.saved_model.load(str(folder))
    outputs = module.mlm(inputs() | {"masked_lm_positions": POSITIONS}, training=False)
    golden(folder, outputs, positions=POSITIONS, mlm_logits=outputs["mlm_logits"])


def tuned(folder):
    import tensorflow_hub

    layer = tensorflow_hub.KerasLayer(str(folder.parent / "hub"), trainable=True)
    symbolic = {n: tf_keras.Input((None,), dtype=tf.int32, name=n) for n in inputs()}
    pooled = layer(symbolic)["pooled_output"]
    model = tf_keras.Model(symbolic, tf_keras.layers.Dense(1, name="classifier")(pooled))
    model.compile(tf_keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(inputs(), np.ones((4, 1)), verbose=0)
    model.save(str(folder))
    golden(folder, layer(inputs()))


if __name__ == "__main__":
    for kind in (bert, bert_v2, classifier, albert, hub, tuned):
        place = Path(sys.argv[1]) / kind.__name__
        place.mkdir(parents=True, exist_ok=True)
        kind(place)

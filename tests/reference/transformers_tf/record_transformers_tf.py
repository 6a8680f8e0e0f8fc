"""Records tf_model.h5 files of tiny random models: `python record_transformers_tf.py`, here.

Not run by any test: it needs the TensorFlow classes of transformers 4 (4.49.0, with tf_keras 2.19.0
and TensorFlow 2.19.1, wrote what lies here). tiny.zip gets a folder a model: its config, its
weights, and inputs and outputs.
"""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tf_keras
import transformers as hf

SIZES = {
    "vocab_size": 40,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 18,
}
DISTILBERT = {
    "vocab_size": 40,
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "hidden_dim": 12,
    "max_position_embeddings": 18,
}
SMALLER, TWO = {"embedding_size": 6}, {"num_hidden_layers": 2}
ROBERTA = {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
MODELS = {
    "bert": ("Bert", "ForPreTraining", SIZES | TWO),
    "albert": ("Albert", "ForPreTraining", SIZES | SMALLER | TWO | {"num_hidden_groups": 2}),
    "distilbert": ("DistilBert", "ForSequenceClassification", DISTILBERT),
    "electra": ("Electra", "ForSequenceClassification", SIZES | SMALLER),
    "electra_generator": ("Electra", "ForMaskedLM", SIZES | SMALLER),
    "roberta": ("Roberta", "ForSequenceClassification", SIZES | ROBERTA),
    "xlm_roberta": ("XLMRoberta", "ForMaskedLM", SIZES | ROBERTA),
}


def randomise(model, draw):
    for variable in model.weights:
        variable.assign(("gamma" in variable.name) + 0.3 * draw.standard_normal(variable.shape))
    if hasattr(model, "predictions"):  # ALBERT's head has its bias twice, and uses the second
        model.predictions.bias.assign(model.predictions.decoder_bias)


def record(name, folder, draw):
    family, head, sizes = MODELS[name]
    labels = 3 if head == "ForSequenceClassification" else 2
    config = getattr(hf, f"{family}Config")(**sizes, num_labels=labels)
    tf_keras.backend.clear_session()
    model = getattr(hf, f"TF{family}{head}")(config)
    mask = np.array([[1] * 12, [1] * 7 + [0] * 5, [1] * 3 + [0] * 9], np.int32)
    ids = draw.integers(3, 40, mask.shape, np.int32)
    inputs = {"input_ids": np.where(mask, ids, config.pad_token_id), "attention_mask": mask}
    model(inputs)  # which builds it
    randomise(model, draw)
    outputs = model(inputs, output_hidden_states=True)
    model.save_pretrained(folder)
    states = {f"hidden_state_{i}": x.numpy() for i, x in enumerate(outputs.hidden_states)}
    logits = {"logits": outputs.logits.numpy()} if "logits" in outputs else {}
    np.savez(folder / "golden.npz", **inputs, **states, **logits)


def main():
    draw = np.random.default_rng(7)
    place = Path(__file__).with_name("tiny.zip")
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for name in MODELS:
            record(name, Path(folder) / name, draw)
        for file in sorted(Path(folder).rglob("*.*")):
            archive.write(file, file.relative_to(folder))


if __name__ == "__main__":
    main()

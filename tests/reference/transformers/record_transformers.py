"""Records what transformers computes on tiny random models: `python record_transformers.py`, here.

Not run by any test: it needs torch and transformers (2.13.0 and 5.23.0 wrote what lies here). Each
folder gets a config, the weights of a sequence classifier, and its inputs and outputs.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers as hf
from safetensors.torch import save_file

SIZES = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 18,
}
DISTILBERT = {
    "vocab_size": 40,
    "dim": 16,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 24,
    "max_position_embeddings": 18,
    "sinusoidal_pos_embds": True,
}
EQUAL_SIZES = {"embedding_size": 16, "num_hidden_groups": 2, "inner_group_num": 2}
MODELS = {
    "roberta": ("Roberta", SIZES | {"type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "electra": ("Electra", SIZES | {"embedding_size": 8}),
    "albert": ("Albert", SIZES | EQUAL_SIZES),
    "distilbert_sinusoidal": ("DistilBert", DISTILBERT),
    "mpnet": ("MPNet", SIZES),
}


def randomise(model, generator):
    fixed = getattr(model.config, "sinusoidal_pos_embds", False)
    for name, values in model.named_parameters():
        if not (fixed and "position_embeddings" in name):
            noise = 0.3 * torch.randn(values.shape, generator=generator)
            values.data = noise + ("norm" in name.lower() and name.endswith("weight"))


def main():
    generator = torch.Generator().manual_seed(7)
    for name, (family, sizes) in MODELS.items():
        settings = {"num_labels": 3, "attn_implementation": "eager"}
        config = getattr(hf, f"{family}Config")(**sizes, **settings)
        model = getattr(hf, f"{family}ForSequenceClassification")(config).eval()
        randomise(model, generator)
        mask = torch.tensor([[1] * 12, [1] * 7 + [0] * 5, [1] * 3 + [0] * 9])
        ids = torch.randint(2, 40, mask.shape, generator=generator)
        ids = torch.where(mask == 1, ids, config.pad_token_id)
        with torch.no_grad():
            outputs = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        folder = Path(__file__).parent / name
        folder.mkdir(exist_ok=True)
        weights = {k: v.clone().contiguous() for k, v in model.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        written = config.to_diff_dict() | {"architectures": [type(model).__name__]}
        (folder / "config.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
        states = {f"hidden_state_{i}": x.numpy() for i, x in enumerate(outputs.hidden_states)}
        inputs = {"input_ids": ids.int().numpy(), "attention_mask": mask.int().numpy()}
        np.savez_compressed(
            folder / "golden.npz", **inputs, **states, logits=outputs.logits.numpy()
        )


if __name__ == "__main__":
    main()

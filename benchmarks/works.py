"""What is measured: a table. A work is a row; settings.py tells what a variant is."""

from benchmarks.work import Work

SLOW = ("model_garden",)  # left out of `make bench-quick`
BASE = ("ours", "keras_hub", "keras_hub:best", "transformers", "transformers:best")
BFLOAT16_NOTE = (
    "Only processors with avx512_bf16 or amx_bf16 multiply bfloat16 quickly; elsewhere "
    "it is converted on the way and nobody gains."
)
ONNX = ("transformers:onnx", "onnx", "onnx")
ONNX_BEST = ("onnxruntime:best", "optimize", "onnx_best")
PRESET = ("keras_hub", "preset", "keras_hub_preset")
SAVED_MODEL = ("ours", "export", "saved_model")
TANH_NOTE = "keras-hub has no erf form of GELU, and computes MiniLM with the tanh form."
SLICE_NOTE = (
    "A slice, not an epoch: each round is one `fit` of the same texts, timed from the end of its "
    "first step (which traces the graph) to its end. `--only epoch_full` runs a whole epoch. "
    + TANH_NOTE
)
ASKED_NOTE = (
    "Heads are random. transformers' pipelines take one text at a time, as they do by default, and "
    "at best 32; of questions, which it has no pipeline for any more, what its last one did."
)
EMBED_NOTE = (
    "transformers is sentence-transformers on torch. Its way to ONNX Runtime, optimum-onnx, does "
    "not go with transformers 5: here the same is done by hand, from strings. " + TANH_NOTE
)

WORKS = (
    Work(
        "step_sst2",
        "Fine-tuning step, 16 texts of SST-2 lengths, float32",
        "step",
        (*BASE, "model_garden"),
        rounds=5,
        quick=2,
        aims={"keras_hub": 4.5, "transformers": 2.5, "share": 0.85},
    ),
    Work(
        "forward_8x128",
        "Forward, 8 × 128 tokens, float32",
        "forward",
        (*BASE[:4], "onnxruntime", "onnxruntime:best", "model_garden"),
        batch="full_8x128",
        setup=(ONNX, ONNX_BEST),
        options={"onnx_for": "forward"},
        rounds=7,
        aims={"share": 0.95},
        turns="all",
    ),
    Work(
        "serve_one",
        "One text of about 32 tokens, float32",
        "serve",
        ("ours", "ours:best", *BASE[1:], "onnxruntime", "onnxruntime:best"),
        batch="one_32",
        setup=(SAVED_MODEL, ONNX, ONNX_BEST, PRESET),
        options={"onnx_for": "serve"},
        calls=10,
        rounds=7,
        quick=2,
        aims={"onnxruntime": 1.0, "onnxruntime:best": 1.0},
        note="Ours answers a raw string; ONNX Runtime and the best settings are given ids.",
        turns="all",
    ),
    Work(
        "serve_one_int8",
        "One text of about 32 tokens, int8",
        "serve",
        ("ours:int8", "onnxruntime:int8"),
        batch="one_32",
        dtype="int8",
        setup=(
            ("ours:int8", "export", "saved_model"),
            ONNX,
            ONNX_BEST,
            ("onnxruntime:int8", "quantize", "onnx_int8"),
        ),
        options={"onnx_for": "serve"},
        calls=20,
        rounds=7,
        aims={"onnxruntime:int8": 1 / 1.15},
        note="The weights are random, so that what the two differ by says little.",
        turns="all",
    ),
    Work(
        "startup",
        "A fresh `python` to the first answer",
        "startup",
        ("ours", "keras_hub", "transformers"),
        batch="one_32",
        setup=(PRESET,),
        options={"pin_first": True},
        rounds=5,
        quick=1,
        turns="alone",
        note="Ours from Google's checkpoint, the others from their own formats. Aims: build and "
        "load under 1 s; `import bert_tf2` under 0.2 s beyond `import tensorflow`.",
    ),
    Work(
        "epoch_minilm",
        "MiniLM on SST-2 from raw strings through `fit`, batches of 32",
        "epoch",
        BASE,
        model="minilm",
        tolerance=1e-2,
        rounds=2,
        quick=1,
        options={"slice": 512, "quick_slice": 256, "learning_rate": 1e-4},
        aims={"keras_hub": 4.0, "transformers": 2.5},
        note=SLICE_NOTE,
        turns="all",
    ),
    Work(
        "fit_overhead",
        "What `fit` adds to the graph of a step: BERT-Tiny, 16 texts of about 32 tokens",
        "fit",
        ("ours:graph", "ours:ids", "ours"),
        model="bert_tiny",
        batch="one_32",
        copies=16,
        calls=300,
        options={"pin_first": True},
        turns="all",
        note="Seconds a step; the aim is `ours:ids` less than 2 ms above `ours:graph`. With one "
        "thread, tokenizing takes its time from the step; with more it runs beside it.",
    ),
    Work(
        "step_mnli",
        "Fine-tuning step, 16 pairs of MNLI lengths, float32",
        "step",
        BASE,
        batch="mnli_16",
        aims={"keras_hub": 2.1, "transformers": 2.3},
    ),
    Work(
        "step_equal",
        "Fine-tuning step, 16 × 128 tokens, no padding, float32",
        "step",
        ("ours", "keras_hub", "transformers"),
        batch="full_16x128",
        aims={"transformers": 1.15},
    ),
    Work(
        "step_albert",
        "Fine-tuning step of ALBERT-base, 16 texts of SST-2 lengths, float32",
        "step",
        BASE,
        model="albert_base",
        aims={"keras_hub": 1.0, "transformers": 1.0},
    ),
    Work(
        "step_distilbert",
        "Fine-tuning step of DistilBERT, 16 texts of SST-2 lengths, float32",
        "step",
        BASE,
        model="distilbert",
        aims={"keras_hub": 1.0, "transformers": 1.0},
    ),
    Work(
        "qa_384",
        "Span training step, 8 × 384 tokens, no padding, float32",
        "span",
        ("ours", "keras_hub", "transformers"),
        batch="full_8x384",
        aims={"keras_hub": 1.0, "transformers": 1.0},
        rounds=2,
    ),
    Work(
        "memory_32x128",
        "Peak memory of a training step, 32 × 128 tokens, float32",
        "step",
        ("ours", "ours:recompute", "keras_hub", "transformers", "transformers:checkpointed"),
        batch="full_32x128",
        rounds=1,
        turns="alone",
        aims={"peak": 3.5},
        note="The aim is for the step with recompute.",
    ),
    Work(
        "step_sst2_bf16",
        "Fine-tuning step, 16 texts of SST-2 lengths, bfloat16",
        "step",
        (*BASE, "keras_hub:float32"),
        dtype="bfloat16",
        rounds=2,
        aims={"keras_hub": 4.2, "transformers": 3.0, "keras_hub:float32": 7.5},
        note=BFLOAT16_NOTE,
    ),
    Work(
        "step_equal_bf16",
        "Fine-tuning step, 16 × 128 tokens, no padding, bfloat16",
        "step",
        ("ours", "transformers"),
        batch="full_16x128",
        dtype="bfloat16",
        rounds=2,
        aims={"transformers": 1.4},
        note=BFLOAT16_NOTE,
    ),
    Work(
        "forward_8x128_bf16",
        "Forward, 8 × 128 tokens, bfloat16",
        "forward",
        ("ours", "keras_hub", "transformers", "transformers:best"),
        batch="full_8x128",
        dtype="bfloat16",
        aims={"share": 0.90},
        note=BFLOAT16_NOTE,
        turns="all",
    ),
    Work(
        "serve_one_bf16",
        "One text of about 32 tokens, bfloat16",
        "serve",
        ("ours:bfloat16", "transformers", "transformers:best"),
        batch="one_32",
        dtype="bfloat16",
        setup=(("ours:bfloat16", "export", "saved_model"),),
        calls=5,
        note=BFLOAT16_NOTE,
        turns="all",
    ),
    *(
        Work(
            f"asked_{head}",
            title,
            "asked",
            ("ours", "transformers", "transformers:best"),
            model="minilm",
            tolerance=1e-2,
            options={"head": head},
            setup=(("transformers", "write_heads", "with_head"),),
            aims={"transformers": aim},
            turns="all",
            note=ASKED_NOTE,
        )
        for head, title, aim in (
            ("tag", "Entities of 256 texts of CoNLL lengths, MiniLM, from raw strings", 3.0),
            ("answer", "Answers to 64 questions of SQuAD, MiniLM, from raw strings", 3.0),
            ("zero_shot", "20 labels × 64 texts of AG News, never seen, MiniLM", 4.0),
        )
    ),
    Work(
        "embed_sts",
        "512 texts of STS-B to vectors, MiniLM, from raw strings",
        "embed",
        ("ours", "transformers", "onnxruntime", "keras_hub", "keras_hub:best", "zeromodels"),
        model="minilm",
        tolerance=1e-2,
        rounds=5,
        options={"head": "embed", "onnx_for": "forward"},
        setup=(ONNX,),
        aims={"transformers": 3.0, "onnxruntime": 1.5, "keras_hub": 5.0},
        turns="all",
        note=EMBED_NOTE,
    ),
    Work(
        "embed_sts_int8",
        "512 texts of STS-B to vectors, MiniLM, int8 beside float32",
        "embed",
        ("ours:int8", "transformers"),
        model="minilm",
        dtype="int8",
        rounds=5,
        options={"head": "embed"},
        setup=(("ours:int8", "export_vectors", "vectors"),),
        aims={"transformers": 3.2},
        turns="all",
        note="transformers is in float32. Notes show how well vectors rank STS-B's dev set.",
    ),
    Work(
        "asked_rerank",
        "100 passages of SQuAD put in order for a question, MiniLM, from raw strings",
        "asked",
        ("ours", "transformers"),
        model="minilm",
        tolerance=1e-2,
        rounds=5,
        options={"head": "rerank"},
        setup=(("transformers", "write_heads", "with_head"),),
        aims={"transformers": 3.0},
        turns="all",
        note="The head is random. The peer is sentence-transformers' `CrossEncoder`.",
    ),
    Work(
        "epoch_full",
        "MiniLM, a whole epoch of SST-2 from raw strings, with dev accuracy",
        "epoch",
        ("ours", "keras_hub:best", "transformers", "transformers:best"),
        model="minilm",
        tolerance=1e-2,
        rounds=1,
        turns="alone",
        options={"whole": True, "learning_rate": 1e-4},
        aims={"keras_hub:best": 4.0, "transformers:best": 2.5},
        only_by_name=True,
        note="Tracing, tokenizing and all else that `fit` does is in the time. " + TANH_NOTE,
    ),
)


def flops(config, lengths, training):
    """Multiplications and additions of the matrix products of one pass over real tokens.

    Every token goes through every layer, 2 per weight; a training step is three forwards.

    Args:
        config: an `EncoderConfig`.
        lengths: tokens of each text.
        training: whether there is a backward pass.
    """
    width, inner = config.hidden_size, config.intermediate_size
    dense = 2 * (4 * width**2 + 2 * width * inner)  # a token and layer
    layer = sum(n * dense + 4 * n**2 * width for n in lengths)
    return config.num_hidden_layers * layer * (3 if training else 1)

"""What a contestant's variant means, in words: the legend of the results."""

SETTINGS = {
    "ours": "`TextClassifier` with its default recipe; `encode` in a `tf.function`; the SavedModel "
    "of `export_saved_model`; `predict_entities`, `answer_question` and `classify`; "
    "`SentenceEncoder.encode`, `Reranker.rank`",
    "ours:best": "with `TF_ONEDNN_ASSUME_FROZEN_WEIGHTS=1` in the environment",
    "ours:graph": "`train_step` in a `tf.function`, on ids",
    "ours:ids": "`fit` on a dataset of ids",
    "ours:recompute": "`recompute=True`",
    "ours:int8": '`export_saved_model(…, precision="int8")`',
    "ours:bfloat16": '`export_saved_model(…, precision="bfloat16")`',
    "keras_hub": "`BertTextClassifier`, `BertTextEmbedder`, with a preprocessor that pads to 128; "
    "`predict_on_batch`",
    "keras_hub:best": "padded to the longest text of the batch (of all texts in `fit`, there with "
    "warm-up and decay of the rate); a `tf.function`",
    "keras_hub:float32": "as `keras_hub`, in float32",
    "transformers": "padded to the longest text of the batch; bfloat16 by autocast; `pipeline`; "
    "sentence-transformers' `encode` and `rank`",
    "transformers:best": "batches of texts of like length (the same number of real tokens); "
    "bfloat16 weights; the model called on ids; pipelines with `batch_size=32`",
    "transformers:checkpointed": "`gradient_checkpointing_enable()`",
    "onnxruntime": "transformers' model through `torch.onnx.export`, given ids",
    "onnxruntime:best": "the same after `onnxruntime.transformers.optimizer`",
    "onnxruntime:int8": "`quantize_dynamic` of that, per channel",
    "zeromodels": "`ZMSentenceTransformer.encode`",
    "model_garden": "`BertClassifier`, padded to 128",
}

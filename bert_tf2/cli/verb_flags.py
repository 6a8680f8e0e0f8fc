"""The flags of each verb. Each verb has a `FlagValues` of its own."""

from bert_tf2.cli import flags


def _checkpoint(values, default=None):
    flags.string(
        values,
        "init_checkpoint",
        default,
        "a published name (see bert_tf2 list), a folder (a SavedModel's, too), a TensorFlow "
        "checkpoint prefix or a file with weights",
    )
    flags.string(
        values, "bert_config_file", None, "the JSON config, if not the one beside the weights"
    )


def _columns(values):
    flags.string(values, "text_column", "text", "column or JSON key of the text")
    flags.string(values, "text_pair_column", None, "column of the second text, for pairs")
    flags.string(values, "label_column", "label", "column of the label")
    flags.boolean(
        values,
        "header",
        True,
        "the first line of a CSV or TSV file names the columns; without, columns are given by "
        "number from 0",
    )


def _trained_model(values):
    flags.string(values, "model", None, "a model.keras that bert_tf2 finetune wrote")
    flags.string(values, "saved_model", None, "or the folder of an exported SavedModel")


def _overwrite(values):
    flags.boolean(values, "overwrite", False, "replace what an earlier run wrote there")


# === Verbs ========================================================================================


def finetune(values):
    _checkpoint(values)
    _training_data(values)
    _encoder(values)
    _recipe(values)
    _run(values)


def _training_data(values):
    flags.string(values, "vocab_file", None, "the vocabulary, if not the one beside the weights")
    flags.boolean(
        values, "do_lower_case", None, "lower-case the text (default: as the checkpoint says)"
    )
    flags.string(values, "train_file", None, "CSV, TSV or JSONL file to train on")
    flags.string(values, "dev_file", None, "file to evaluate on after each epoch")
    flags.string(values, "test_file", None, "file to evaluate on at the end")
    _columns(values)
    flags.listing(
        values, "labels", "the classes in order, a,b,c (default: those of --train_file, sorted)"
    )
    flags.string(values, "output_dir", None, "folder for model.keras and what is told of the run")
    _overwrite(values)


def _encoder(values):
    flags.choice(
        values,
        "pooling",
        ["first", "mean"],
        "what stands for a text: BERT's pooled first token, or the mean of all tokens, for "
        "sentence encoders such as all-MiniLM-L6-v2",
    )
    flags.count(
        values,
        "max_seq_length",
        None,
        "longer texts are cut to so many tokens (default: 128, or fewer if the encoder has fewer)",
    )
    flags.choice(
        values,
        "precision",
        ["float32", "bfloat16"],
        "of the encoder's arithmetic; weights are float32 in any case",
    )
    flags.boolean(values, "recompute", False, "train in less memory and a third more time")


def _recipe(values):
    flags.count(values, "train_batch_size", 32, "texts in a training step")
    flags.count(values, "eval_batch_size", 32, "texts in an evaluation step")
    flags.number(values, "learning_rate", 5e-5, "where the warm-up aims", lower_bound=0)
    flags.number(values, "num_train_epochs", 3.0, "passes over --train_file, a whole number")
    flags.number(values, "warmup_proportion", 0.1, "share of the steps that warm up")
    flags.choice(
        values,
        "schedule",
        ["linear", "polynomial", "cosine", "constant", "one_cycle"],
        "how the rate goes on after the warm-up: linear is Google's, polynomial a line from the "
        "warm-up's end to 0",
    )
    flags.choice(
        values,
        "optimizer",
        ["adamw", "lamb"],
        "lamb takes higher rates: 3e-4 to 5e-4",
    )
    flags.number(
        values,
        "layer_decay",
        None,
        "each layer's rate is that of the next times this, 0.8 or 0.9 in ELECTRA; not for ALBERT",
    )
    flags.integer(values, "seed", 1, "of the head, the order and dropout")


def _run(values):
    flags.listing(
        values, "seeds", "several seeds, 1,2,3: train once with each, into OUTPUT_DIR/seed_N"
    )
    flags.choice(
        values,
        "strategy",
        [None, "auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"],
        "which devices train (default: one, or all workers of bert_tf2 launch)",
    )
    flags.count(values, "micro_batches", 1, "compute each batch in so many parts, in less memory")
    flags.count(
        values,
        "save_checkpoints_steps",
        None,
        "save the run after so many steps, and after epochs, in OUTPUT_DIR/checkpoints",
    )
    flags.count(values, "keep_checkpoint_max", 2, "how many of the newest checkpoints stay")
    flags.string(
        values, "monitor", None, "keep the checkpoint where this is best, too, such as val_accuracy"
    )
    flags.boolean(
        values,
        "resume",
        False,
        "go on with the run that was saved there; flags that are left out are as they were",
    )
    flags.count(
        values,
        "save_summary_steps",
        100,
        "write loss and learning rate after so many steps, and after epochs, to metrics.jsonl and "
        "tensorboard/ in OUTPUT_DIR",
    )
    flags.choice(
        values,
        "nonfinite",
        [None, "skip", "stop"],
        "leave out a step with a gradient that is NaN or infinite, or stop there and save its "
        "batch (default: take it)",
    )
    flags.number(
        values,
        "fgm",
        0.0,
        "move the token table so far against the model and train on that, too; 1.0 is usual",
        lower_bound=0,
    )
    flags.number(
        values,
        "r_drop",
        0.0,
        "train two dropouts to agree, with this weight; 1 to 5",
        lower_bound=0,
    )


def plan(values):
    _checkpoint(values)
    flags.count(values, "train_batch_size", 32, "texts in a training step")
    flags.count(
        values,
        "max_seq_length",
        None,
        "tokens in a text (default: 128, or fewer if the encoder has fewer)",
    )
    flags.alias(values, "preset", "init_checkpoint")
    flags.alias(values, "batch", "train_batch_size")
    flags.alias(values, "seq", "max_seq_length")
    flags.choice(
        values,
        "pooling",
        ["first", "mean"],
        "as in bert_tf2 finetune; mean takes a block more",
    )
    flags.choice(
        values,
        "precision",
        ["float32", "bfloat16"],
        "of the encoder's arithmetic, to begin with",
    )
    flags.boolean(values, "recompute", False, "compute each block twice, to begin with")
    flags.count(values, "micro_batches", 1, "parts of a batch, to begin with")
    flags.choice(
        values,
        "device",
        [None, "cpu", "gpu"],
        "what trains (default: gpu where nvidia-smi lists one)",
    )
    flags.number(
        values,
        "memory_gb",
        None,
        "GiB that the device has (default: what this machine has)",
        lower_bound=0,
    )


def launch(values):
    flags.count(values, "workers", 2, "how many")


def evaluate(values):
    _trained_model(values)
    flags.string(values, "input_file", None, "CSV, TSV or JSONL file with labels")
    _columns(values)
    flags.count(values, "eval_batch_size", 32, "texts in a step")
    flags.string(values, "output_file", None, "write the numbers as JSON here too")
    _overwrite(values)


def predict(values):
    _trained_model(values)
    flags.string(values, "input_file", None, "CSV, TSV or JSONL file of texts")
    _columns(values)
    flags.count(values, "predict_batch_size", 32, "texts in a step")
    flags.string(
        values,
        "output_file",
        None,
        "CSV, TSV or JSONL file to write: text, label, probability, and one column for each class "
        "(default: print label and probability)",
    )
    _overwrite(values)


def export(values):
    flags.string(values, "model", None, "a model.keras that bert_tf2 finetune wrote")
    flags.string(
        values, "export_dir", None, "where to write; if not a number, the next free version below"
    )
    flags.choice(
        values,
        "precision",
        [None, "float32", "bfloat16", "int8"],
        "default: as the model computes; bfloat16: half the size, quicker with AVX512-BF16 or AMX; "
        "int8: dense layers in a quarter of the size, for x86 alone, quicker with AVX512-VNNI, "
        "AVX-VNNI or AMX",
    )


def convert(values):
    _checkpoint(values)
    flags.string(values, "model", None, "or a model.keras that bert_tf2 finetune wrote")
    flags.choice(
        values,
        "to",
        [None, "google", "huggingface", "keras_hub", "tfhub", "bert_tf2"],
        "whose format to write",
    )
    flags.choice(values, "dtype", ["float32", "bfloat16", "float16"], "of the stored numbers")
    flags.string(values, "output_dir", None, "a new folder")


def inspect(values):
    _checkpoint(values)


def verify(values):
    flags.string(
        values,
        "as",
        None,
        "the published name of what is in the folder, if the folder is called otherwise",
    )


def download(values):
    flags.boolean(values, "force", False, "download again and replace what is there")


def quickstart(values):
    _checkpoint(values, "all-MiniLM-L6-v2")
    flags.string(
        values,
        "output_dir",
        "runs/quickstart",
        "folder of model.keras and serving/1; both are replaced",
    )


def nothing(values):
    """The verb takes no flags."""

"""All flags, as a table. Where Google's BERT scripts have a flag of the same meaning, ours has its
name.
"""

from bert_tf2.cli.corpus_flags import CORPUS_FLAGS
from bert_tf2.cli.flags import choice, count, number, switch, text, whole, whole_or, words
from bert_tf2.cli.search_flags import SEARCH_FLAGS
from bert_tf2.cli.server_flags import SERVER_FLAGS
from bert_tf2.cli.task_table import TASKS
from bert_tf2.cli.vector_losses import LOSSES

FLAGS = {
    # What is opened.
    "init_checkpoint": text(
        "a published name (see bert_tf2 list), a folder (a SavedModel's, too), a TensorFlow "
        "checkpoint prefix or a file with weights"
    ),
    "bert_config_file": text("the JSON config, if not the one beside the weights"),
    "vocab_file": text("the vocabulary, if not the one beside the weights"),
    "do_lower_case": switch("lower-case the text (default: as the checkpoint says)", None),
    "model": text("a model.keras that bert_tf2 finetune wrote"),
    "saved_model": text("or the folder of an exported SavedModel"),
    "task": choice(
        [None, *TASKS],
        "what the checkpoint is opened as (default: what it or its heads say, else "
        "text_classification; finetune: text_classification)",
    ),
    # Files of rows, and what is written.
    "train_file": text(
        "file to train on: CSV, TSV or JSONL of texts; CoNLL's columns "
        "or JSONL of tags; SQuAD's JSON; SWAG's CSV, RACE's JSON or JSONL of choices"
    ),
    "dev_file": text("file to evaluate on after each epoch"),
    "test_file": text("file to evaluate on at the end"),
    "input_file": text(
        "file of the same kinds, for evaluate with labels; sentence_similarity: or BEIR's folder"
    ),
    "glue": text(
        "the files are a task of GLUE as published: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, "
        "RTE, WNLI or AX; its figures are given, too"
    ),
    "data_dir": text("folder of that task: its train.tsv and dev files are taken"),
    "text_column": text(
        "column or JSON key of the text; sentence_similarity: a,b,c are the texts of a row", "text"
    ),
    "text_pair_column": text("column of the second text, for pairs"),
    "label_column": text(
        "column of the label; of several labels or numbers a,b,c are as many columns, else one "
        "cell has the labels with --label_separator between them",
        "label",
    ),
    "label_separator": text("what stands between the labels of a cell, or the word tab", ","),
    "delimiter": text(
        "what separates the columns of a CSV or TSV file, one character or the word tab (default: "
        "by the suffix, or as the header tells)"
    ),
    "encoding": text("of text files, such as latin-1 (default: UTF-8)"),
    "header": switch(
        "the first line of a CSV or TSV file names the columns; without, columns are given by "
        "number from 0",
        True,
    ),
    "labels": words(
        "the classes in order, a,b,c, or a file of one a line (default: those that the checkpoint "
        "names; to train: those in the file, sorted)"
    ),
    "output_dir": text("folder for model.keras and what is told of the run"),
    "output_file": text(
        "CSV, TSV or JSONL file to write: text, label, probability, and one column for each class, "
        "or words and probabilities (default: print them)"
    ),
    "overwrite": switch("replace what an earlier run wrote there"),
    "scheme": choice(
        ["any", "IOB1", "IOB2", "BIOES", "BILOU", "none"],
        "of tags in a file: any is told by them, none for tags that are no entities, such as parts "
        "of speech",
    ),
    "strict": switch(
        "token_classification: what the scheme of its tags does not allow is no entity, as in "
        "seqeval's strict mode, and refused in the file"
    ),
    "comment": text("what begins a line of columns of words that has no word, such as #"),
    # Of zero-shot.
    "candidate_labels": words("zero_shot: the labels to choose from, a,b,c"),
    "hypothesis_template": text('zero_shot: a sentence with {} (default: "This example is {}.")'),
    "multi_label": switch("zero_shot: each label is answered by itself", None),
    # The encoder.
    "crf": switch("token_classification: choose the tags of a text together", None),
    "doc_stride": count("tokens from one window of a long text to the next (default: 128)"),
    "max_query_length": count("tokens of a question (default: 64)"),
    "max_answer_length": count("tokens of an answer (default: 30)"),
    "version_2_with_negative": switch(
        "a question may have no answer (default: as the file to train on tells)", None
    ),
    "null_score_diff_threshold": number(
        "how much above the best answer, in logits, no answer must be to be preferred (default: as "
        "the model says, which finetune finds on --dev_file)"
    ),
    "aggregation_strategy": choice(
        [None, "none", "simple", "first", "average", "max"],
        "token_classification: how the pieces of a text's words make entities (default: as the "
        "model says)",
    ),
    "thresholds": words(
        "of several labels: the probability from which on one is given; a,b,c in their order, or "
        "LABEL=a,… (default: as the model says)"
    ),
    "n_best_size": count("answers to each question that are told apart, in files and scores", 20),
    "pooling": choice(
        ["first", "mean"],
        "what stands for a text: BERT's pooled first token, or the mean of all tokens, for "
        "sentence encoders such as all-MiniLM-L6-v2",
    ),
    "max_seq_length": count(
        "longer texts are cut to so many tokens (default: what the checkpoint says, or all that "
        "the encoder has positions for)"
    ),
    "precision": choice(
        ["float32", "bfloat16"],
        "of the encoder's arithmetic; weights are float32 in any case",
    ),
    "recompute": switch("train in less memory and a third more time"),
    # The recipe.
    "train_batch_size": count("texts in a training step", 32),
    "eval_batch_size": count("texts in an evaluation step", 32),
    "predict_batch_size": count("texts in a step", 32),
    "learning_rate": number("where the warm-up aims", 5e-5, lower_bound=0),
    "num_train_epochs": number("passes over --train_file, a whole number", 3.0),
    "warmup_proportion": number("share of the steps that warm up", 0.1),
    "schedule": choice(
        ["linear", "polynomial", "cosine", "constant", "one_cycle"],
        "how the rate goes on after the warm-up: linear is Google's, polynomial a line from the "
        "warm-up's end to 0",
    ),
    "optimizer": choice(["adamw", "lamb"], "lamb takes higher rates: 3e-4 to 5e-4"),
    "layer_decay": number(
        "each layer's rate is that of the next times this, 0.8 or 0.9 in ELECTRA; not for ALBERT"
    ),
    "bias_correction": switch("correct Adam's moments: worth trying where texts are few", False),
    "label_smoothing": number("share of each target that is spread over all classes", 0.0),
    "focal_gamma": number("learn less from what is answered well already; 2 is usual", 0.0),
    "loss": choice(
        [None, *LOSSES],
        "sentence_similarity: what vectors are trained by (default: cosent for pairs with a "
        "number, batch_hard_triplet for texts with a class, else multiple_negatives_ranking)",
    ),
    "matryoshka_dims": words(
        "sentence_similarity: train the first numbers of vectors as vectors, too: 384,128,64"
    ),
    "batch_sampler": choice(
        [None, "batch_sampler", "no_duplicates"],
        "sentence_similarity: no_duplicates has no text come twice in a batch",
    ),
    "class_weight": choice(
        [None, "balanced"], "each class counts as much as the others, however many rows it has"
    ),
    "trainable_layers": whole_or("all", 'train the head and so many top layers, or "all"'),
    "adapter": choice(
        [None, "lora", "houlsby", "pfeiffer", "bias"],
        "train a small adapter and the head, not the encoder; OUTPUT_DIR/adapter is it alone",
    ),
    "adapters": words(
        "adapters to have in one SavedModel, NAME=FOLDER,…, of which each row names its own"
    ),
    "adapter_name": text("of a model with several adapters: which answers (--adapter_name=: none)"),
    "adapter_rank": count("of a lora (default: 8)"),
    "adapter_alpha": number("of a lora, whose product counts alpha / rank (default: 8)"),
    "adapter_dropout": number("of what goes into a lora's product (default: 0)"),
    "adapter_targets": words(
        "the dense layers that a lora lies at, or the biases that train, by the ends of their "
        "names: query,value (default of a lora), dense, all-linear, …"
    ),
    "adapter_size": count("of bottlenecks (default: a sixteenth of the encoder's width)"),
    "reinit_layers": whole("have so many of the top layers and the pooler begin anew", 0),
    "tune_thresholds": switch(
        "of several labels, and of no answer: choose thresholds on --dev_file", True
    ),
    "seed": whole("of the head, the order and dropout", 1),
    # The run.
    "folds": count(
        "train as often, each time on all folds of --train_file but one, which is scored, into "
        "OUTPUT_DIR/fold_N"
    ),
    "early_stopping": text(
        "stop when this figure of --dev_file gets no better, and keep the best epoch: loss, or the "
        "task's own, such as accuracy, f1, matthews, macro_f1, spearman"
    ),
    "patience": count("epochs without a better one, for --early_stopping", 2),
    "seeds": words("several seeds, 1,2,3: train once with each, into OUTPUT_DIR/seed_N"),
    "strategy": choice(
        [None, "auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"],
        "which devices train (default: one, or all workers of bert_tf2 launch)",
    ),
    "micro_batches": count("compute each batch in so many parts, in less memory", 1),
    "save_checkpoints_steps": count(
        "save the run after so many steps, and after epochs, in OUTPUT_DIR/checkpoints"
    ),
    "keep_checkpoint_max": count("how many of the newest checkpoints stay", 2),
    "monitor": text("keep the checkpoint where this is best, too, such as val_accuracy"),
    "resume": switch(
        "go on with the run that was saved there; flags that are left out are as they were"
    ),
    "save_summary_steps": count(
        "write loss and learning rate after so many steps, and after epochs, to metrics.jsonl and "
        "tensorboard/ in OUTPUT_DIR",
        100,
    ),
    "nonfinite": choice(
        [None, "skip", "stop"],
        "leave out a step with a gradient that is NaN or infinite, or stop there and save its "
        "batch (default: take it)",
    ),
    "fgm": number(
        "move the token table so far against the model and train on that, too; 1.0 is usual",
        0.0,
        lower_bound=0,
    ),
    "r_drop": number("train two dropouts to agree, with this weight; 1 to 5", 0.0, lower_bound=0),
    **CORPUS_FLAGS,
    # Of pretraining.
    "objective": choice(
        ["mlm", "nsp", "sop", "rtd"],
        "masked words; these and next sentences (BERT) or sentence order (ALBERT), of documents of "
        "a sentence a line; or replaced words (ELECTRA)",
    ),
    "num_train_steps": words("steps, of each stage: 900,100 (default: --num_train_epochs)"),
    "dropout": number("of the encoder (default: as its config says)", lower_bound=0),
    "clip_norm": number("the largest norm of a step's gradients", 1.0, lower_bound=0),
    "save_optimizer": switch("of google: with Adam's slots, as run_pretraining.py has them"),
    # Of distillation.
    "student": choice(
        ["layers", "bilstm"], "some of the teacher's layers, or an LSTM in both directions"
    ),
    "bare": switch("without pooler and segments (default: for masked_lm, as DistilBERT)", None),
    "temperature": number("what logits are divided by", 2.0, lower_bound=0),
    "soft_weight": number(
        "of the teacher's answers (default: masked_lm 5, vectors 1, else 0.5)", lower_bound=0
    ),
    "hard_weight": number(
        "of labels, or hidden words (default: masked_lm 2, vectors 0, else 0.5)", lower_bound=0
    ),
    "cosine_weight": number(
        "of the cosine of last vectors (default: masked_lm 1, else 0)", lower_bound=0
    ),
    "hidden_weight": number("of the vectors of all layers (TinyBERT)", 0.0, lower_bound=0),
    "attention_weight": number("of attention's scores (TinyBERT)", 0.0, lower_bound=0),
    "relations_weight": number(
        "of how queries, keys and values relate (MiniLM)", 0.0, lower_bound=0
    ),
    "int8": switch("measure both in 8-bit integers, too", True),
    # Of single verbs.
    "device": choice([None, "cpu", "gpu"], "what trains (default: gpu where nvidia-smi lists one)"),
    "memory_gb": number("GiB that the device has (default: what this machine has)", lower_bound=0),
    "workers": count("how many", 2),
    **SEARCH_FLAGS,
    # Of pictures.
    "target": text(
        "the answer to explain: a class, a number's name, a piece at the first mask; of tags "
        "POSITION,TAG; of answers FIRST,LAST position (default: what the model answers)"
    ),
    "layers": words("the layers in the page, from 0 (default: all)"),
    "heads": words("the heads in the page, from 0 (default: all)"),
    **SERVER_FLAGS,
    # Of exports and checkpoints.
    "export_dir": text(
        "where to write: a SavedModel as the next free version below, if that is no number; others "
        "into a new folder"
    ),
    "format": choice(
        ["saved_model", "onnx", "litert"],
        "SavedModel, of raw strings; or ONNX or LiteRT, of ids, with the tokenizer beside it",
    ),
    "calibrate": text(
        "labelled file: print size, speed and the task's figure on it at each precision"
    ),
    "max_accuracy_drop": number(
        "with --calibrate: write nothing if that figure is lower by more than float32's; of "
        "questions up to 100, of others up to 1",
        lower_bound=0,
    ),
    "to": choice(
        ["google", "huggingface", "keras_hub", "tfhub", "bert_tf2"], "whose format to write"
    ),
    "ignore": words("names in the file to leave out, patterns a,b,c such as task_specific/chunk"),
    "dtype": choice(["float32", "bfloat16", "float16"], "of the stored numbers"),
    "as": text("the published name of what is in the folder, if the folder is called otherwise"),
    "force": switch("download again and replace what is there"),
}

"""The verbs, as a table: what each says of itself, and the flags it takes."""

from bert_tf2.cli.corpus_table import CORPUS_VERBS
from bert_tf2.cli.flag_table import FLAGS
from bert_tf2.cli.flags import choice, count, switch, text, words
from bert_tf2.cli.search_table import SEARCH_VERBS
from bert_tf2.cli.verb import Verb
from bert_tf2.cli.verb import flags_of as _flags

_CHECKPOINT = "init_checkpoint bert_config_file "
_ASKED = "candidate_labels hypothesis_template multi_label "
_QUESTIONS = "doc_stride max_query_length max_answer_length version_2_with_negative "
_QUESTIONS += "null_score_diff_threshold "
_TRAINED = "model " + _CHECKPOINT + "task labels max_seq_length " + _QUESTIONS + _ASKED
_TOP = {"top_k": count("answers to each question, in their order (default: 1)")}
_TAGS = "label_separator scheme comment "
_COLUMNS = "glue text_column text_pair_column label_column header delimiter encoding " + _TAGS
_OFFICIAL = text(
    "folder for official files: with --glue its TSV; words and tags in columns, as conlleval reads "
    "them; predictions.json, nbest_predictions.json and null_odds.json of questions"
)
_PLACE = {"arguments": "NAME_OR_FOLDER", "place": "init_checkpoint"}

VERBS = {
    "quickstart": Verb(
        "train, test, export and serve a small classifier in a few minutes",
        "quickstart:quickstart",
        _flags(
            _CHECKPOINT + "output_dir",
            init_checkpoint=FLAGS["init_checkpoint"]._replace(default="all-MiniLM-L6-v2"),
            output_dir=text(
                "folder of model.keras and serving/1; both are replaced", "runs/quickstart"
            ),
        ),
    ),
    "finetune": Verb(
        "train a text classifier, or another task, on files",
        "finetune:finetune",
        _flags(
            _CHECKPOINT
            + "task ignore vocab_file do_lower_case train_file dev_file test_file data_dir "
            + _COLUMNS
            + "labels output_dir overwrite crf "
            + _QUESTIONS
            + "pooling max_seq_length precision recompute "
            "train_batch_size eval_batch_size learning_rate num_train_epochs warmup_proportion "
            "schedule optimizer layer_decay bias_correction label_smoothing focal_gamma "
            "loss matryoshka_dims batch_sampler "
            "class_weight trainable_layers reinit_layers adapter adapter_rank adapter_alpha "
            "adapter_dropout adapter_targets adapter_size tune_thresholds seed seeds folds "
            "early_stopping patience strategy micro_batches save_checkpoints_steps "
            "keep_checkpoint_max monitor resume save_summary_steps nonfinite fgm r_drop"
        ),
        ("output_dir",),
        "--init_checkpoint=… --train_file=… | --resume",
    ),
    **CORPUS_VERBS,
    "pretrain": Verb(
        "pretrain an encoder, or pretrain one further, on text or records",
        "pretrain:pretrain",
        _flags(
            _CHECKPOINT
            + "vocab_file do_lower_case objective recipe input_file text_column encoding dev_file "
            "output_dir overwrite to save_optimizer max_seq_length max_predictions_per_seq "
            "masked_lm_prob do_whole_word_mask dropout precision recompute "
            "train_batch_size eval_batch_size learning_rate num_train_steps num_train_epochs "
            "warmup_proportion schedule optimizer clip_norm seed strategy micro_batches "
            "save_checkpoints_steps keep_checkpoint_max monitor resume save_summary_steps "
            "nonfinite",
            bert_config_file=text(
                "the JSON config; with --vocab_file and without --init_checkpoint, training begins "
                "anew"
            ),
            input_file=words(
                "files of documents, a blank line between, or JSONL, CSV, TSV of a document a row; "
                "or patterns of TFRecords, of each stage one"
            ),
            dev_file=text("file of the same kinds, to evaluate on"),
            recipe=choice(
                [None, "bert", "albert", "electra", "cramming"],
                "what flags that are left out mean, as published; cramming: 25 % masked, no "
                "dropout, a triangle of rates",
            ),
            max_predictions_per_seq=count(
                "words hidden in a row (default: as many as --masked_lm_prob asks for)"
            ),
            do_whole_word_mask=switch("hide whole words, not pieces of them"),
            to=words("formats to write besides model.keras: google,huggingface,…"),
            max_seq_length=words(
                "tokens of a row; 128,512: two stages, each with a warm-up of its own (default: "
                "records', or all that the encoder has positions for)"
            ),
            learning_rate=words("where the warm-up aims, in each stage: 6e-3,4e-3")._replace(
                default=["1e-4"]
            ),
        ),
        ("output_dir",),
        "--init_checkpoint=… --input_file=… | --resume",
    ),
    "distill": Verb(
        "train a smaller model on what a trained one answers, and print both side by side",
        "distill:distill",
        _flags(
            _CHECKPOINT
            + "task labels student layers bare train_file input_file dev_file "
            + _COLUMNS
            + _QUESTIONS
            + "output_dir overwrite max_seq_length temperature soft_weight hard_weight "
            "cosine_weight hidden_weight attention_weight relations_weight int8 train_batch_size "
            "eval_batch_size learning_rate num_train_epochs warmup_proportion schedule optimizer "
            "seed strategy micro_batches save_checkpoints_steps keep_checkpoint_max monitor "
            "resume save_summary_steps nonfinite",
            init_checkpoint=text("the teacher: a model.keras, or a checkpoint with a trained head"),
            layers=count("of the student, evenly spread over the teacher's (default: half)"),
            input_file=text("file of texts without labels, learnt from first"),
        ),
        ("output_dir",),
        "--init_checkpoint=… --train_file=… | --resume",
    ),
    "average": Verb(
        "write the mean of checkpoints of one model",
        "checkpoint_verbs:average",
        _flags("to dtype output_dir", output_dir=text("a new folder")),
        ("output_dir",),
        arguments="NAME_OR_FOLDER NAME_OR_FOLDER …",
    ),
    "plan": Verb(
        "predict a training step's memory, and what makes it fit",
        "plan:plan",
        _flags(
            _CHECKPOINT
            + "train_batch_size max_seq_length pooling precision recompute micro_batches "
            "device memory_gb"
        ),
        **_PLACE,
    ),
    "launch": Verb(
        "run a command as several workers on this machine",
        "launch:launch",
        _flags("workers"),
        arguments="-- VERB [flags]",
    ),
    "evaluate": Verb(
        "score a model on a file: for a classifier, each class on labelled rows",
        "answer_verbs:evaluate",
        _flags(
            _TRAINED
            + "thresholds n_best_size saved_model adapter_name input_file "
            + _COLUMNS
            + "strict eval_batch_size output_file output_dir overwrite",
            output_file=text("write the numbers as JSON here too"),
            output_dir=_OFFICIAL,
        ),
        ("input_file",),
    ),
    "predict": Verb(
        "answer the rows of a file, or texts given as arguments",
        "answer_verbs:predict",
        _flags(
            _TRAINED
            + "thresholds aggregation_strategy top_k n_best_size "
            + "saved_model adapter_name input_file "
            + _COLUMNS
            + "predict_batch_size output_file output_dir overwrite",
            output_dir=_OFFICIAL,
            **_TOP,
        ),
        arguments="[TEXT …]",
    ),
    "explain": Verb(
        "show what speaks for an answer to a text or a pair, and what each head looks at",
        "explain:explain",
        _flags(
            _TRAINED + "target layers heads output_file overwrite",
            output_file=text(
                "the page to write, .html (default: print what speaks for the answer)"
            ),
        ),
        arguments="TEXT [TEXT]",
    ),
    **SEARCH_VERBS,
    "export": Verb(
        "write a SavedModel that takes raw strings, for TF Serving; or a model of ids for ONNX "
        "Runtime or LiteRT",
        "export:export",
        _flags(
            _TRAINED
            + "thresholds aggregation_strategy top_k "
            + "export_dir format precision adapters calibrate max_accuracy_drop "
            + _COLUMNS
            + "eval_batch_size",
            precision=choice(
                [None, "float32", "bfloat16", "float16", "int8"],
                "default: as the model computes. Of a SavedModel bfloat16: half the size, quicker "
                "with AVX512-BF16 or AMX; int8: dense layers in a quarter of the size, for x86 "
                "alone, quicker with AVX512-VNNI, AVX-VNNI or AMX. Of others float16: half the "
                "size; int8: a quarter, on any processor",
            ),
            **_TOP,
        ),
        ("export_dir",),
    ),
    "serve": Verb(
        "serve exported models over HTTP, with a page to try them in; for development and small "
        "deployments: large ones belong on TensorFlow Serving or Triton",
        "serve:serve",
        _flags(
            "host port grpc_port api_key keep_versions log_requests max_body_mb max_rows "
            "max_text_bytes max_queue timeout max_batch_rows max_batch_tokens batch_window_ms"
        ),
        arguments="FOLDER_OR_MODEL",
    ),
    "request": Verb(
        "ask a model on a server: the rows of a file, or texts given as arguments",
        "serve:request",
        _flags(
            "model adapter_name prompt_name api_key timeout candidate_labels input_file "
            + _COLUMNS
            + "predict_batch_size output_file overwrite",
            model=text("the model's name there (default: the only one)"),
            predict_batch_size=count("rows of a request", 128),
        ),
        arguments="URL [TEXT …]",
    ),
    "convert": Verb(
        "write a checkpoint in another format",
        "checkpoint_verbs:convert",
        _flags(_CHECKPOINT + "model ignore to dtype output_dir", output_dir=text("a new folder")),
        ("output_dir",),
    ),
    "inspect": Verb(
        "show the family, sizes and variables of a checkpoint or a .keras file",
        "checkpoint_verbs:inspect",
        _flags(_CHECKPOINT + "model"),
        **_PLACE,
    ),
    "verify": Verb(
        "compare a checkpoint with the numbers that are published for it",
        "verify:verify",
        _flags(
            "init_checkpoint as data_dir",
            data_dir=text("folder of the data sets' files, for figures on data: STS-B's"),
        ),
        ("init_checkpoint",),
        **_PLACE,
    ),
    "list": Verb(
        "list the published checkpoints that can be named, or all about some",
        "checkpoint_verbs:list_published",
        {},
        arguments="[NAME …]",
    ),
    "download": Verb(
        "bring a published checkpoint onto this machine",
        "checkpoint_verbs:download",
        _flags("init_checkpoint force"),
        ("init_checkpoint",),
        **_PLACE,
    ),
}

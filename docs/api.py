"""The pages of public names: what people call, in full, and nothing of what the code calls itself.

A class shows the methods that have a docstring, but for those in `INNER`. What it has from a base
that is told, too, is a line of links to it. Keras's own methods are not repeated.
"""

import importlib
import inspect

import bert_tf2

TASK = ("Task", "bert_tf2.tasks.task")  # what all tasks share; no public name

# Methods with a docstring that are for our own code or for Keras to call. A name means one thing
# everywhere, so each stands once.
INNER = {
    "of every task, for those who write one": """
        answering answers apart base_arrays batch_columns blank_outputs class_weights contents
        contents_for dataset default_metrics default_settings encoded extra_assets hidden joined
        losses masked named_strings named_variables packed_texts prepare prepared_rows read
        read_labels read_texts rename_inputs row_weights signatures string_inputs taken_apart
        tokenized weigh worth_saying""",
    "of some tasks": """
        asking checked_width fill_generator fingerprint generator_variables glance packed_ids
        prompt_of prompt_of_documents prompt_of_queries reader with_starts""",
    "of steps and runs": """
        after_step apply build_metrics build_optimizer compute_metrics how_compiled next_values
        of_run pass_over penalties ready ready_to_train record_loss release rest schedule_steps
        state_variables stepped_variables""",
    "of adapters": """
        adapter_variables dressed head_variables known_adapter make_adapters merged_arrays
        rows_wearing spoken_adapters wearing""",
    "of encoders": "block_names dense_layers unread",
    "of tokenizers and packing": """
        added_pieces buckets buckets_of clean cut files find_assets from_checkpoint
        has_vocabulary join kind_of lengths needed_pieces numbered packed padded place settings_of
        settle shows source""",
    "that Keras calls": """
        build call compile_from_config from_config get_compile_config get_config load_assets
        make_predict_function save_assets test_step train_step trainable_variables""",
}
_INNER = {name for names in INNER.values() for name in names.split()}

# What pages teach besides the public names: room -> module -> names to import from there.
BESIDES = {
    "data": {
        "data.examples": "read_examples write_predictions support_requests Examples",
        "data.glue": "read_glue score write_submission",
        "data.conll": "read_conll write_conll TaggedWords",
        "data.spans": "read_spans Spans",
        "data.squad": "read_squad write_answers Questions",
        "data.choices": "read_choices Choices",
        "data.sts": "read_sts",
        "data.beir": "read_beir Beir",
        "data.records": "read_records",
        "data.corpus.recipes": "Settings",
        "data.corpus.tokenizers": "open_tokenizer",
        "data.corpus.parts": "Corpus",
        "data.corpus.learning": "train_wordpiece train_sentencepiece",
    },
    "scoring": {
        "scoring.classification": "scores confusion binary_f1 matthews multi_label tune_thresholds",
        "scoring.entities": "score entities tags_of convert",
        "scoring.questions": "score_v1 score_v2 exact_match f1",
        "scoring.nbest": "nbest Answers",
        "scoring.regression": "scores pearson spearman rmse",
        "scoring.retrieval": "information_retrieval reranking",
        "scoring.pairs": "binary triplets mined",
        "scoring.vectors": "similarity similarity_pairwise quantize",
        "scoring.sparse": "similarity similarity_pairwise SparseVectors",
        "scoring.late": "similarity similarity_pairwise",
        "scoring.spread": "spread",
    },
    "weights": {"weights": "resolve save Report CheckpointError"},  # what docstrings point to
    "search": {"search": "nearest paraphrase_mining_embeddings"},
    "tasks": {
        "tasks.evaluators": "embedding_similarity binary_classification triplet "
        "information_retrieval reranking paraphrase_mining"
    },
    "serving": {"serving": "Client AsyncClient running serve"},
    "batch": {"batch": "Answerer"},
    "vocabularies": {
        "vocabularies.proposing": "propose_words",
        "vocabularies.resizing": "count_pieces",
    },
    "analysis": {
        "analysis.attention": "Attention",
        "analysis.attribution": "Attribution",
        "analysis.views": "View coloured_text",
        "analysis.measures": "entropy share_on distances on_a_plane",
    },
}


def pages():
    """{place: Markdown}: a page a room, and one that leads to them."""
    rooms = {}
    for name in bert_tf2.__all__:
        home = bert_tf2.home_of(name)
        rooms.setdefault(home.split(".")[1], []).append((name, home))
    rooms["tasks"].insert(0, TASK)
    lead = [
        "# Public names",
        "",
        "All of `bert_tf2`, by the rooms they live in; and what pages import from the rooms "
        "themselves. Tasks and encoders are `keras.Model`s, and have its methods, too.",
        "",
    ]
    made = {}
    for room in [*rooms, *(BESIDES.keys() - rooms.keys())]:
        names = rooms.get(room, [])
        parts = [f"# {room}", *(part for name, home in names for part in _told(name, home, 2))]
        links = [f"[`{name}`]({room}.md#{home}.{name})" for name, home in names]
        for module, inside in BESIDES.get(room, {}).items():
            links.append(f"[`{module}`]({room}.md#bert_tf2.{module})")
            parts.append(_block(f"bert_tf2.{module}", 2, full=True))
            homes = [(name, home_there(module, name)) for name in inside.split()]
            parts += [part for name, home in homes for part in _told(name, home, 3)]
            if module == room:
                links[-1:] = [f"[`{room}.{n}`]({room}.md#{home}.{n})" for n, home in homes]
        made[f"api/{room}.md"] = "\n\n".join(parts) + "\n"
        lead.append(f"* [{room}]({room}.md): {', '.join(links)}")
    return made | {"api/index.md": "\n".join([*lead, ""])}


def places():
    """The anchors of all that is told: a set of dotted names, such as `bert_tf2.….Task.fit`."""
    named = [(name, bert_tf2.home_of(name)) for name in bert_tf2.__all__]
    besides = [(m, n) for room in BESIDES.values() for m, n in room.items()]
    named += [(n, home_there(module, n)) for module, names in besides for n in names.split()]
    found = {f"bert_tf2.{module}" for module, _ in besides}
    for name, home in [TASK, *named]:
        found.add(f"{home}.{name}")
        if name[0].isupper():
            found |= {f"{home}.{name}.{method}" for method in methods(_class(name, home))}
    return found


def home_there(module, name):
    """The module in which a name is defined that a room hands on."""
    return getattr(importlib.import_module(f"bert_tf2.{module}"), name).__module__


def _class(name, home):
    return getattr(importlib.import_module(home), name)


def methods(cls):
    """{method: the class that tells it} of a class, in the order of the code: its own, then others.

    One that a base without a place of its own defines is told by the class itself.
    """
    told = [_class(*TASK), *(getattr(bert_tf2, name) for name in bert_tf2.__all__)]
    ours = [one for one in cls.__mro__ if one.__module__.startswith("bert_tf2")]
    found = {}
    for one in ours:
        for name, value in vars(one).items():
            if name[0] != "_" and name not in _INNER and name not in found and _said(value):
                bases = [b for b in ours if b in told and one in b.__mro__]
                found[name] = bases[-1] if bases else cls
    return found


def _said(value):
    """Whether it is a method or a property with a docstring."""
    kinds = (property, classmethod, staticmethod)
    return (isinstance(value, kinds) or inspect.isfunction(value)) and bool(value.__doc__)


def _told(name, home, level):
    """The blocks of a function; or of a class, with what it has of others, and its methods."""
    yield _block(f"{home}.{name}", level)
    if name[0].isupper():
        cls = _class(name, home)
        found = methods(cls)
        for base in dict.fromkeys(base for base in found.values() if base is not cls):
            there = f"{base.__module__}.{base.__name__}"
            links = (
                f"[`{method}`]({base.__module__.split('.')[1]}.md#{there}.{method})"
                f"{{ #{home}.{name}.{method} }}"
                for method, teller in found.items()
                if teller is base
            )
            yield f"Also, from `{base.__name__}`: {', '.join(links)}."
        own = {method: getattr(cls, method) for method, teller in found.items() if teller is cls}
        for method, value in own.items():
            made = isinstance(value, property) and "<lambda>" in value.fget.__qualname__
            path = f"{home}.{name}.{method}"
            yield _written(path, level + 1, value) if made else _block(path, level + 1)


def _written(path, level, value):
    """A property that no `def` stands for, which the builder could not read."""
    return f"{'#' * level} `{path.rpartition('.')[2]}` {{ #{path} }}\n\n{value.__doc__}"


def _block(path, level, full=False):
    options = {"members": "false", "heading_level": level}
    options |= {"show_root_full_path": "true"} if full else {}
    return "\n".join(
        [f"::: {path}", "    options:", *(f"      {k}: {v}" for k, v in options.items())]
    )

"""sentence-transformers' folders: Hugging Face's, and modules that make vectors of a text.

`modules.json` lists the modules: a Transformer, and what makes one vector of a text, weights of
words, or a vector a token. What they say becomes the settings of a `SentenceEncoder`, a
`SparseEncoder` or a `MultiVectorEncoder`; what nothing here computes is refused by name, for who
wants that. Source: sentence-transformers 2 to 6, models/ and base/model.py. What ColBERT's own
folders say instead is in colbert.py.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from bert_tf2.files import read_bytes
from bert_tf2.messages import cut
from bert_tf2.schema import parse_json
from bert_tf2.weights.publishers import colbert
from bert_tf2.weights.publishers import sentence_modules as modules
from bert_tf2.weights.publishers.sentence_modules import Refused, config_of, only
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.tokenizer_source import TokenizerSource
from bert_tf2.weights.units import MODULES

# Their word for a kind of model -> the task that its folders are of.
KINDS = {
    "SentenceTransformer": "SentenceEncoder",
    "SparseEncoder": "SparseEncoder",
    "MultiVectorEncoder": "MultiVectorEncoder",
    colbert.PYLATE: "MultiVectorEncoder",
}
DENSE, SPARSE, LATE = VECTORS = tuple(dict.fromkeys(KINDS.values()))
RERANKER, CROSS = "Reranker", "CrossEncoder"
LIST, SETTINGS = "modules.json", "config_sentence_transformers.json"
PACKAGE = "sentence_transformers"
LENGTHS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta")
)
# What else a module of another's package is called.
_ALIASES = {"pylate.models.Dense.Dense": "Dense", "MLMTransformer": "Transformer"}


@dataclasses.dataclass(frozen=True)
class Sentences:
    """What a folder says besides its encoder.

    Attributes:
        encoder: where the encoder's files lie.
        task: the task's class that the folder is of.
        settings: of that task.
        length: the longest text, in tokens; None: as the tokenizer says.
        lowercase: whether texts must be lower-cased.
        variables: "modules.0.linear.weight", with the place among what follows the encoder ->
            (shape, dtype), as in `Checkpoint`.
        places: the same name -> (container, file, the name there).
        inner: a name in the encoder's file that is a module's -> its name in `variables`.
        markers: prompts that begin with a piece of the vocabulary.
        refused: what is said and nothing here follows, as a text; "" for nothing.
    """

    encoder: Path
    task: str = DENSE
    settings: Mapping = dataclasses.field(default_factory=dict)
    length: int | None = None
    lowercase: bool = False
    variables: Mapping[str, tuple] = dataclasses.field(default_factory=dict)
    places: Mapping[str, tuple] = dataclasses.field(default_factory=dict)
    inner: Mapping[str, str] = dataclasses.field(default_factory=dict)
    markers: tuple[str, ...] = ()
    refused: str = ""

    def said(self, tokenizer: TokenizerSource) -> dict:
        """What a checkpoint says of its task."""
        why = self.refused
        if self.lowercase and not tokenizer.with_case().lowercase:
            why = "`do_lower_case` must be false, or as the tokenizer's files have it"
        if why:
            why = (
                f"The folder's modules ask for what nothing here computes: {cut(why, 300)}. Its "
                "encoder can be used without them (`Encoder.from_preset`)."
            )
        lengths = {"max_length": self.length} if self.length else {}
        said = {"class": self.task, "settings": dict(self.settings), "preprocessor": lengths}
        return said | ({"refused": why} if why else {})

    def read_from(self, container: str, file: Path, variables: Mapping) -> "Sentences":
        """The same with what is a module's of the encoder's own file, where there is any.

        Raises:
            CheckpointError: it is not in the file.
        """
        if not self.inner:
            return self
        if absent := [name for name in self.inner if name not in variables]:
            raise CheckpointError(f"{file} must hold {', '.join(absent)}. Received: none")
        about = {ours: variables[theirs] for theirs, ours in self.inner.items()}
        places = {ours: (container, file, theirs) for theirs, ours in self.inner.items()}
        made = colbert.with_widths(self.settings["modules"], about)
        return dataclasses.replace(
            self,
            settings={**self.settings, "modules": made},
            variables={**self.variables, **about},
            places={**self.places, **places},
        )


def find(folder: Path) -> Sentences | None:
    """What a folder with a `modules.json`, or one of ColBERT's, says; None for others.

    Raises:
        CheckpointError: a file that is no JSON, or holds something else than it should.
    """
    file = folder / LIST
    said = config_of(folder, SETTINGS)
    if not file.is_file() and colbert.is_one(folder):
        return Sentences(folder, LATE, inner=colbert.INNER, **colbert.of_stanford(folder))
    if not file.is_file() or said.get("model_type") == CROSS:
        return None
    # A list, and what is read here are objects.
    content = b'{"modules": ' + read_bytes(file, error=CheckpointError).strip() + b"}"
    schema = {"modules": [{"path": str, "type": str}]}
    listed = parse_json(content, file, schema, CheckpointError)["modules"]
    places = [_inside(folder, module["path"]) for module in listed]
    encoder, task = places[0] if places else folder, DENSE
    try:
        kinds = [_kind(module) for module in listed]
        kind = said.get("model_type")
        if kind not in (None, *KINDS):
            raise Refused(SETTINGS, "`model_type`", f"one of {', '.join(KINDS)}", kind)
        task = KINDS.get(kind, SPARSE if "SpladePooling" in kinds else DENSE)
        found = _READERS[task](folder, [*zip(kinds, places, strict=True)], said)
        length, lowercase = _length(encoder, task)
    except Refused as error:
        return Sentences(encoder, task, refused=str(error))
    return Sentences(encoder, task, length=length, lowercase=lowercase, **found)


def _inside(folder: Path, path: str) -> Path:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise CheckpointError(f"{folder / LIST}: `path` must be a folder below. Received: {path}")
    return folder / path


def _kind(module: Mapping) -> str:
    """The class of a module; of what is not sentence-transformers' own the whole name."""
    package, _, name = module["type"].rpartition(".")
    if alias := _ALIASES.get(module["type"]):
        return alias
    own, kinds = package.partition(".")[0] == PACKAGE, (*_FIRST, *modules.READERS)
    if not own or _ALIASES.get(name, name) not in kinds:
        raise Refused(LIST, "`type`", f"one of {', '.join(kinds)}", module["type"])
    return _ALIASES.get(name, name)


_FIRST = ("Transformer", "Pooling", "SpladePooling", "MultiVectorMask")

# --- The kinds of models. -------------------------------------------------------------------------
# A folder, its modules as (class, folder), and its settings -> fields of `Sentences`.


def _begin_with(listed, *wanted):
    """Refuses modules that do not begin so. -> the classes, as a list."""
    kinds = [kind for kind, _ in listed]
    if kinds[: len(wanted)] != [*wanted]:
        raise Refused(LIST, "the first modules", " and ".join(wanted), kinds)
    return kinds


def _dense_vectors(folder: Path, listed, said) -> dict:
    _begin_with(listed, "Transformer", "Pooling")
    made, files = _followers(listed[2:], modules.TEXT)
    own = modules.pooling(listed[1][1]) | _settings(folder, DENSE) | {"modules": made}
    return {"settings": own, **files}


def _sparse_vectors(folder: Path, listed, said) -> dict:
    kinds = _begin_with(listed, "Transformer", "SpladePooling")
    if len(kinds) > 2:
        raise Refused(LIST, "modules", "no more than Transformer and SpladePooling", kinds)
    return {"settings": modules.splade(listed[1][1]) | _settings(folder, SPARSE)}


def _token_vectors(folder: Path, listed, said) -> dict:
    kinds = _begin_with(listed, "Transformer")
    masks = [place for kind, place in listed if kind == "MultiVectorMask"]
    if len(masks) > 1:
        raise Refused(LIST, "modules", "at most one MultiVectorMask", kinds)
    rest = [row for row in listed[1:] if row[0] != "MultiVectorMask"]
    made, files = _followers(rest, modules.TOKENS)
    own = _settings(folder, LATE) | {"modules": made} | _tokens_of(listed[0][1])
    own |= modules.mask(masks[0]) if masks else {"skiplist_words": []}
    markers = ()
    if said.get("model_type") == colbert.PYLATE:
        own, markers = colbert.of_pylate(folder / SETTINGS, own)
    elif own["query_expansion"] and not masks:
        raise Refused(LIST, "modules", "with a MultiVectorMask, for query_expansion", kinds)
    return {"settings": own, "markers": markers, **files}


_READERS = {DENSE: _dense_vectors, SPARSE: _sparse_vectors, LATE: _token_vectors}


def _followers(listed, at: str) -> tuple[list, dict]:
    """What follows, as settings and as fields of `Sentences`; `at`: the vectors that it reads."""
    made, files = [], {"variables": {}, "places": {}}
    if len(listed) > MODULES:
        raise Refused(LIST, "modules", f"at most {MODULES} that follow", [k for k, _ in listed])
    for place, (kind, folder) in enumerate(listed):
        if kind not in modules.READERS:
            raise Refused(LIST, "what follows", f"one of {', '.join(modules.READERS)}", kind)
        settings, found = modules.READERS[kind](folder, at)
        made.append(settings)
        for name, (about, there) in found.items():
            files["variables"][f"modules.{place}.{name}"] = about
            files["places"][f"modules.{place}.{name}"] = there
    return made, files


# What their settings say of each kind besides prompts; similarities that it has not are left out.
_WORDS = {DENSE: "truncate_dim", SPARSE: "max_active_dims", LATE: None}
_LATE_SIMILARITIES = ("maxsim", "meanmaxsim")


def _settings(folder: Path, task: str) -> dict:
    words = {"similarity_fn_name": str} | ({_WORDS[task]: int} if _WORDS[task] else {})
    schema = {"model_type?": str} | {f"{word}?": (kind, None) for word, kind in words.items()}
    values = config_of(folder, SETTINGS, schema)
    said = {word: values[word] for word in words if values.get(word) is not None}
    if task != DENSE and (said.get("similarity_fn_name") in _LATE_SIMILARITIES) != (task == LATE):
        said.pop("similarity_fn_name", None)  # as they do
    return {"prompts": {}} | said | modules.prompts(folder, SETTINGS, of_vectors=True)


_TOKENS = ("query_length", "document_length", "query_expansion")


def _tokens_of(folder: Path) -> dict:
    """How long queries and documents are, and what queries are filled up with."""
    schema = {f"{word}?": (int, None) for word in _TOKENS[:2]}
    expansion = {"strategy": str, "length": int, "attend?": bool, "token?": (str, None)}
    values = config_of(folder, _lengths_file(folder), schema | {"query_expansion?": (dict, None)})
    if found := values.get("query_expansion"):
        where = f"{_lengths_file(folder)}: `query_expansion`"
        if {*found} - {n.removesuffix("?") for n in expansion}:
            raise Refused(where, "its words", "strategy, length, attend and token", [*found])
        if found.get("strategy") not in ("fixed", "min"):
            raise Refused(where, "`strategy`", "fixed or min", found.get("strategy"))
    return {word: values.get(word) for word in _TOKENS}


def _lengths_file(folder: Path) -> str:
    return next((name for name in LENGTHS if (folder / name).is_file()), LENGTHS[0])


def _length(folder: Path, kind: str) -> tuple[int | None, bool]:
    """The longest text, and whether it is lower-cased."""
    schema = {"max_seq_length?": (int, None), "do_lower_case?": (bool, None)}
    name = _lengths_file(folder)
    values = config_of(folder, name, schema)
    sparse = kind == SPARSE
    wanted = "fill-mask" if sparse else "feature-extraction"
    task = values.get("transformer_task")
    if task not in (None, wanted):
        raise Refused(name, "`transformer_task`", wanted, task)
    only(folder / name, values, module_output_name="token_embeddings", processing_kwargs={})
    output = "logits" if sparse else "last_hidden_state"
    forward = {"method": "forward", "method_output_name": output}
    if (values.get("modality_config") or {}).get("text", forward) != forward:
        raise Refused(name, "`modality_config`", f"text: {forward}", values["modality_config"])
    if kind != LATE:
        only(folder / name, values, **dict.fromkeys(_TOKENS))
    return values.get("max_seq_length"), bool(values.get("do_lower_case"))


def reranker(values: Mapping, folder: Path) -> dict | None:
    """What a checkpoint says of its task where it is one of their cross-encoders; else None.

    Args:
        values: of its config.json. folder: where that lies.
    """
    said = values.get("sentence_transformers")
    said = said.get("activation_fn") if isinstance(said, Mapping) else None
    said = said or values.get("sbert_ce_default_activation_function")
    beside, settings = config_of(folder, SETTINGS), {}
    if beside.get("model_type") == CROSS:
        said = beside.get("activation_fn") or said
        settings = modules.prompts(folder, SETTINGS)
    try:
        if said is not None:
            settings["activation"] = modules.activation("config.json", "`activation_fn`", said)
    except Refused as error:
        return {"class": RERANKER, "refused": cut(str(error), 400)}
    return {"class": RERANKER, "settings": settings} if settings else None

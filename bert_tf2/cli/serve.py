"""`bert_tf2 serve` and `bert_tf2 request`: exported models over HTTP, and asking them."""

import contextlib
import dataclasses
import json
import tempfile
from pathlib import Path

from bert_tf2.cli import console, exported, task_files, task_table
from bert_tf2.cli.flags import UsageError, parse
from bert_tf2.cli.opened import open_model
from bert_tf2.cli.verbs import VERBS
from bert_tf2.weights import registry
from bert_tf2.weights.discovery import locate

PROMPT = "prompt_name"  # the flag, and the input of signatures


def serve(flags):
    """Serves the exported models of a folder until it is told to stop."""
    if len(flags.arguments) != 1:
        raise UsageError("give one folder of exported models", flags.command)
    (given,) = flags.arguments
    given = _there(given)
    import bert_tf2.serving.server  # noqa: F401  says what to install, before TensorFlow is awaited

    console.import_tensorflow()
    from bert_tf2.serving.server import logs
    from bert_tf2.serving.server.batching import Limits
    from bert_tf2.serving.server.running import serve

    names = {field.name for field in dataclasses.fields(Limits)}
    limits = {n: flags[n].value for n in names if n in flags and flags[n].value is not None}
    how = (flags.host, flags.port, _key(flags), flags.keep_versions, Limits(**limits))
    with exported_for_now(given) as folder:
        if flags.log_requests:
            logs.to_stderr()
        serve(folder, *how, ready=_say, grpc_port=flags.grpc_port)


def _there(given):
    """What is given, or the folder of a published checkpoint that is named."""
    if Path(given).expanduser().exists():
        return given
    if "/" in given or not _is_published(given):
        raise FileNotFoundError(
            f"No folder {given}: expected one that bert_tf2 export wrote, a .keras file, or a "
            "checkpoint's folder or name"
        )
    return str(registry.resolve(given))


def _is_published(name):
    try:
        return bool(registry.find(name))
    except ValueError:
        return False


@contextlib.contextmanager
def exported_for_now(given):
    """The folder of exported models: that which is given, or a temporary one with the export of a
    trained model, a `.keras` file or a checkpoint."""
    from bert_tf2.serving.export import export_saved_model
    from bert_tf2.serving.server import repository

    place = Path(given).expanduser().absolute()
    if place.is_dir() and (repository.find(place) or not _is_checkpoint(place)):
        yield given  # where there is nothing to serve, the server says what it expects
        return
    task = open_model(parse("bert_tf2 serve", VERBS["export"].flags, [f"--model={given}"])).task
    named = place.parent if place.name == "model.keras" else place
    with tempfile.TemporaryDirectory(prefix="bert_tf2-") as folder:
        print(f"{given} is exported into {folder}, for as long as it is served. To keep what is")
        print(f"served: bert_tf2 export --model='{given}' --export_dir=FOLDER", flush=True)
        export_saved_model(task, Path(folder, named.name.removesuffix(".keras"), "1"))
        yield folder


def _is_checkpoint(folder):
    try:
        return bool(locate(folder))
    except (OSError, ValueError):
        return False


def _key(flags):
    """The key itself, or what is in the file that "@FILE" names."""
    key = flags.api_key
    if key and key.startswith("@"):
        key = Path(key[1:]).expanduser().read_text("utf-8").strip()
    if key is not None and not key:
        raise UsageError("--api_key must not be empty", flags.command)
    return key


def _say(url, service):
    """What is served, where, and what large production is to use instead."""
    models = service.repository.models
    names = [f"{name} ({service.repository.version(name).task})" for name in sorted(models)]
    version = service.repository.version(min(models))
    place = version.folder.parent
    print(f"serving {', '.join(names)} on {url}, where there is a page to try them in")
    if url.grpc:
        print(f"and, as TensorFlow Serving, on {url.grpc}")
    print("This server is for development and small deployments. Large ones belong on TensorFlow")
    print("Serving or Triton, which read the same folders:")
    print(console.tf_serving(place), flush=True)


def request(flags):
    """Asks a model on a server about a file's rows or the texts given as arguments."""
    from bert_tf2.cli.answer_verbs import answer_rows
    from bert_tf2.data.examples import SUFFIXES
    from bert_tf2.serving.client import Client

    if not flags.arguments:
        raise UsageError("give the server's URL, then texts or --input_file", flags.command)
    url, *texts = flags.arguments
    flags.arguments = texts
    if bool(texts) == bool(flags.input_file):
        raise UsageError("give --input_file or texts as arguments, one of them", flags.command)
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite, SUFFIXES)
    if flags.input_file:
        task_files.check_input(flags.input_file)
    size = {"batch_size": flags.predict_batch_size}
    with Client(url, flags.model, None, _key(flags), flags.timeout, **size) as client:
        answer_rows(flags, _opened(client, flags))


def _prompted(flags, about, where):
    """The name of the signature that takes, beside a text, the name of a prompt."""
    asked = about["signatures"]
    found = [n for n, x in asked.items() if PROMPT in x["inputs"]]
    if not found:
        raise UsageError(
            f"--{PROMPT} is for models of vectors, and rerankers with prompts, which {where} is "
            f"not. Received: {flags[PROMPT].value!r}",
            flags.command,
        )
    return found[0]


def _opened(client, flags):
    """A served model as the other verbs know models."""
    from bert_tf2.cli.opened import Opened

    about = client.about
    client.version = int(about["version"])  # which answers all rows, though there come newer ones
    if not about["task"]:
        raise ValueError(
            f"{client.url} does not tell the task of {client.model}: ask it with curl, or in "
            "Python, with `answer` of a `bert_tf2.serving.Client`"
        )
    signature = about["signatures"]["serving_default"]
    row = task_table.row_of(about["task"], None, signature["outputs"])
    where = f"{client.model} on {client.url}"
    names, shared, each = exported.asked_of(flags, where, signature["inputs"])
    by_default = "serving_default"
    if flags.prompt_name is not None:
        by_default = _prompted(flags, about, where)
        each = each | {PROMPT: flags.prompt_name}

    def answer(x, batch_size):
        sides = x if isinstance(x, dict) else {names[0]: x}
        if "words" in sides:
            yield client.answer(exported.inputs_of(sides, {}), "words")
        else:
            yield client.answer(exported.inputs_of(sides, each), by_default, **shared)

    def fingerprint():
        return json.dumps(about, sort_keys=True)

    words, columns = "words" in about["signatures"], names
    return Opened(client.url, row, answer, columns, about["labels"], 0.5, None, fingerprint, words)

"""The verb `explain`: what speaks for an answer, and a page of what each head looks at."""

from bert_tf2.cli import console, task_files
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.opened import open_model, which


def explain(flags):
    """Prints what each token adds to an answer; writes that and the attention as a page."""
    if not 1 <= len(flags.arguments) <= 2:
        raise UsageError("give a text, or two as a pair", flags.command)
    layers, heads = _numbers(flags, "layers"), _numbers(flags, "heads")
    if not flags.output_file and (layers, heads) != (None, None):
        raise UsageError("--layers and --heads are of the page: give --output_file", flags.command)
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite, (".html",))
    model, preprocessor = _model(flags)
    from bert_tf2.analysis import views
    from bert_tf2.analysis.attention import attention
    from bert_tf2.analysis.attribution import integrated_gradients

    attributed = None
    if preprocessor is None:
        attributed = integrated_gradients(model, *flags.arguments, target=_target(flags, model))
        _show(attributed)
    elif flags.target or not flags.output_file:
        raise ValueError(
            f"{flags.init_checkpoint} is an encoder without a task, which answers nothing: give "
            "--output_file, for a page of its attention, or --task"
        )
    if flags.output_file:
        read = flags.arguments[:1] if hasattr(model, "encode_query") else flags.arguments
        found = attention(model, *read, preprocessor=preprocessor)
        page = views.view(found, attributed, layers, heads, one_head=True)
        print(f"written: {page.save(flags.output_file)}")


def _model(flags):
    """A task and None; or of a checkpoint without one the encoder and its preprocessor."""
    if which(flags) == "init_checkpoint" and not flags.task:
        console.import_tensorflow()
        from bert_tf2 import weights

        checkpoint = weights.open_checkpoint(
            weights.resolve(flags.init_checkpoint), flags.bert_config_file
        )
        if not checkpoint.task and not weights.head_kinds(checkpoint):
            from bert_tf2.modeling.encoder import Encoder
            from bert_tf2.text.packing import Preprocessor

            given = flags.init_checkpoint
            encoder = Encoder.from_preset(given, config_file=flags.bert_config_file)
            length = flags.max_seq_length or encoder.config.max_length
            return encoder, Preprocessor.from_preset(given, length)
    return open_model(flags, servable=False).task, None


def _target(flags, model):
    """--target as `integrated_gradients` takes it: a name, or two, of a position and a tag."""
    if not flags.target or model.head_kind not in ("tokens", "spans"):
        return flags.target
    return tuple(flags.target.split(","))


def _numbers(flags, name):
    """A list of whole numbers, or None where it is left out."""
    given = flags[name].value
    if given is None:
        return None
    if not all(word.strip().isdigit() for word in given):
        raise UsageError(f"--{name} must be numbers from 0: 0,5,11", flags.command)
    return [int(word) for word in given]


def _show(found):
    """What speaks for an answer, a line a token, with bars."""
    print(f"{found.target}: {found.output:.4g}, of a blank text {found.blank:.4g}")
    most = max(map(abs, found.scores)) or 1.0
    rows = [
        [piece, f"{score:+.3g}", ("+" if score > 0 else "-") * round(20 * abs(score) / most)]
        for piece, score, special in zip(found.pieces, found.scores, found.special, strict=True)
        if not special
    ]
    print(console.table(rows, right=(1,)))

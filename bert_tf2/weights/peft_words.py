"""peft's `adapter_config.json` of a LoRA, in both directions.

Source: `LoraConfig` and `check_target_module_exists` of peft 0.21.
"""

import re
from collections.abc import Mapping

from bert_tf2.messages import shorten
from bert_tf2.weights.report import CheckpointError

# What a head is for, a key of `units.HEADS` -> peft's word.
TASK_TYPES = {
    "classes": "SEQ_CLS",
    "tokens": "TOKEN_CLS",
    "spans": "QUESTION_ANS",
    "sentence": "FEATURE_EXTRACTION",
}

SCHEMA = {
    "peft_type": str,
    "r?": int,
    "lora_alpha?": float,
    "lora_dropout?": float,
    "bias?": str,
    "use_rslora?": bool,
    "rank_pattern?": ({str: int}, None),
    "alpha_pattern?": ({str: float}, None),
    "modules_to_save?": ([str], None),
    "target_modules?": ([str], str, None),
    "exclude_modules?": ([str], str, None),
    "layers_to_transform?": ([int], int, None),
    "layers_pattern?": ([str], str, None),
    "task_type?": (str, None),
    "base_model_name_or_path?": (str, None),
}
_FOLLOWED = {name.rstrip("?") for name in SCHEMA}
# What says nothing of how the model computes, or only beside what is refused.
_WITHOUT_EFFECT = {
    "auto_mapping",
    "revision",
    "inference_mode",
    "peft_version",
    "megatron_core",
    "qalora_group_size",
    "eva_config",
    "runtime_config",
}
# How the numbers began, without a change to the model under them.
_BEGINNINGS = (True, False, None, "gaussian", "orthogonal", "eva")


def check(words: Mapping, file) -> None:
    """Raises CheckpointError for what nothing here computes, by its name.

    Fields that are not known are taken where they say no: null, false, or nothing inside.
    """
    if words["peft_type"] != "LORA":
        raise CheckpointError(
            f"{file}: `peft_type` must be LORA, the one that is read here. Received: "
            f"{shorten(words['peft_type'])}"
        )
    if words.get("init_lora_weights", True) not in _BEGINNINGS:
        raise CheckpointError(
            f"{file}: `init_lora_weights` must be one of {_BEGINNINGS}: others change the weights "
            "of the model that the adapter is for. Have peft convert it to a plain LoRA "
            "(`path_initial_model_for_weight_conversion`). Received: "
            f"{shorten(words['init_lora_weights'])}"
        )
    known = _FOLLOWED | _WITHOUT_EFFECT | {"init_lora_weights"}
    if unknown := {name: value for name, value in words.items() if name not in known and value}:
        raise CheckpointError(
            f"{file} says what nothing here computes: {shorten(unknown)}. Merge the adapter with "
            "peft (`merge_and_unload`) and open the model that comes of it."
        )


def check_task(words: Mapping, head: str | None, file) -> None:
    """Raises CheckpointError for a head that was trained for another task than one of `head`."""
    said, own = words.get("task_type"), TASK_TYPES.get(head)
    if said in TASK_TYPES.values() and said != own:
        raise CheckpointError(
            f"{file} is of another task: the head in it is for `task_type` {said}. Received: a "
            f"model with a head of {head}, in peft's words {own}. Open the model as that task; "
            "where `task_type` is wrong, have the file say null."
        )


def targets(words: Mapping, modules: Mapping[str, str], prefix: str) -> list[str]:
    """The units that a config names, as peft does.

    Args:
        words: the config's.
        modules: unit -> transformers' module.
        prefix: what stands before all names in a task's model, and not in a bare encoder's.
    """
    found = []
    for unit, module in modules.items():
        names = {module, module.removeprefix(prefix)}
        if any(_is_target(words, name) for name in names):
            found.append(unit)
    return found


def _is_target(words, name):
    if words.get("exclude_modules") and _fits(words["exclude_modules"], name):
        return False
    wanted = words.get("target_modules")
    if wanted is None:  # peft's default for the families that have one
        wanted = ["query", "value"]
    if isinstance(wanted, str):
        return wanted == "all-linear" or _fits(wanted, name)
    if name in wanted:
        return True
    return _fits(wanted, name) and _in_layers(words, name)


def _fits(wanted, name):
    if isinstance(wanted, str):
        return re.fullmatch(wanted, name) is not None
    return any(name == word or name.endswith(f".{word}") for word in wanted)


def _in_layers(words, name):
    layers = words.get("layers_to_transform")
    if layers is None or layers == []:
        return True
    patterns = words.get("layers_pattern") or [r"[^.]*"]
    patterns = [patterns] if isinstance(patterns, str) else patterns
    numbers = (re.match(rf".*\.{pattern}\.(\d+)\.", name) for pattern in patterns)
    number = next((int(found[1]) for found in numbers if found), None)
    return number in ([layers] if isinstance(layers, int) else layers)


def of_pattern(patterns: Mapping | None, names: tuple[str, ...], default):
    """What a `rank_pattern` or `alpha_pattern` says of a module under any of its names."""
    for key, value in (patterns or {}).items():
        if any(re.match(rf"(.*\.)?({key})$", name) for name in names):
            return value
    return default


def spoken(settings: Mapping, modules: Mapping[str, str], head_modules: list[str], kind, base):
    """dict of peft's words for a LoRA.

    Args:
        settings: of `adapter_kinds.LoRA`.
        modules: unit -> transformers' module, of all dense layers.
        head_modules: transformers' names of the modules that are stored whole.
        kind: what the head is for, a key of `units.HEADS`.
        base: what the model is called.
    """
    patterns = {
        f"{name}_pattern": {
            re.escape(modules[unit]): value for unit, value in settings[f"{name}s"].items()
        }
        for name in ("rank", "alpha")
    }
    return {
        "peft_type": "LORA",
        "task_type": TASK_TYPES.get(kind),
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": settings["rank"],
        "lora_alpha": settings["alpha"],
        "lora_dropout": settings["dropout"],
        "target_modules": _shortest(settings["targets"], modules, head_modules),
        "bias": settings["bias"],
        "use_rslora": settings["use_rslora"],
        "modules_to_save": head_modules or None,
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        **patterns,
    }


def _shortest(units, modules, head_modules):
    """Ends of names that name these units and no others, a list."""
    wanted = {modules[unit] for unit in units}
    others = {*modules.values(), *head_modules} - wanted
    found = []
    for module in sorted(wanted):
        parts = module.split(".")
        ends = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        found.append(next(e for e in ends if not any(f".{o}".endswith(f".{e}") for o in others)))
    return sorted({*found})

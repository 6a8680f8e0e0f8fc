"""Our own names, as they are, in safetensors: what `save_to_preset` writes."""

from bert_tf2.dialects import FAMILIES
from bert_tf2.weights.formats.format import Format, Naming
from bert_tf2.weights.units import KINDS, UNITS

FORMAT = Format(
    about="bert_tf2 preset (safetensors)",
    separator="/",
    parts={kind: {part: part for part in parts} for kind, parts in KINDS.items()},
)
NAMES = {family: Naming({unit: unit for unit in UNITS}) for family in FAMILIES}

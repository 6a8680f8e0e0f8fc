"""An encoder of fewer layers, from one of more: what distillation begins with.

Source: Sanh et al. 2019, section 3 ("Student initialization"), and `extract_distilbert.py` of
transformers' distillation, which keeps 0, 2, 4, 7, 9, 11 of 12 layers.
"""

import dataclasses
import numbers

import numpy as np
from keras import ops

from bert_tf2.config import FAMILIES
from bert_tf2.modeling.encoder import Encoder

OWN = ("hidden_act", "max_position_embeddings", "layer_norm_eps", "initializer_range")


def kept_layers(count, keep):
    """The numbers of so many layers out of `count`, evenly, with the first and the last.

    Raises:
        ValueError: `keep` is not from 1 to `count`.
    """
    if isinstance(keep, bool) or not 1 <= keep <= count:
        raise ValueError(f"`layers` must be from 1 to {count}, the teacher's. Received: {keep!r}")
    if keep == 1:
        return [0]
    return [int(x) for x in np.round(np.linspace(0, count - 1, keep))]


def thinned(encoder, layers=None, bare=False):
    """A new encoder with some of the layers, equal in all else.

    Args:
        encoder: the teacher's. Layers that share weights (ALBERT) still do, and are applied less
            often.
        layers: how many stay, evenly spread; or a list of their numbers. Default: half of them.
        bare: leave out the pooler; and of a BERT the segments, which makes it a DistilBERT. The
            row of the first segment is added to the positions, so that one text alone is read as
            before.

    Raises:
        ValueError: numbers of layers that are not there.
    """
    config, names = encoder.config, encoder.config.block_names()
    count = config.num_hidden_layers
    layers = max(count // 2, config.num_hidden_groups or 1) if layers is None else layers
    is_count = isinstance(layers, numbers.Integral)
    chosen = kept_layers(count, layers) if is_count else [int(i) for i in layers]
    if not chosen or min(chosen) < 0 or max(chosen) >= count:
        raise ValueError(f"`layers` must be numbers from 0 to {count - 1}. Received: {layers!r}")
    smaller = dataclasses.replace(config, num_hidden_layers=len(chosen))
    if bare:
        smaller = _bare(smaller)
    made = Encoder(smaller, dtype=encoder.policy, recompute=encoder.recompute)
    own, source = made.named_variables(), encoder.named_variables()
    each = config.inner_group_num
    places = [names[i * each + k] for i in chosen for k in range(each)]
    teachers = {}
    for block, other in zip(smaller.block_names(), places, strict=True):
        # Of shared layers those with the same name: there may be fewer steps through each.
        teachers.setdefault(block, block if config.num_hidden_groups else other)
    for name, variable in own.items():
        block, _, rest = name.partition("/")
        there = f"{teachers[block]}/{rest}" if block in teachers else name
        value = ops.convert_to_tensor(source[there])
        if name == "embeddings/position" and smaller.type_vocab_size < config.type_vocab_size:
            value = value + source["embeddings/segment"][:1]
        variable.assign(value)
    return made


def _bare(config):
    """Without a pooler, and of a BERT without segments."""
    if config.family != "bert":
        act = config.classifier_act or "tanh"
        return dataclasses.replace(config, pooler=False, classifier_act=act)
    own = {name: getattr(config, name) for name in OWN}
    values = config.to_dict() | {"family": "distilbert"} | FAMILIES["distilbert"] | own
    return dataclasses.replace(config, **values)

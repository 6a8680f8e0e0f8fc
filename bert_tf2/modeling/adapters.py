"""Adapters: few variables that are trained in the place of an encoder's own.

The encoder stays as it is. An adapter holds variables of its own, and its layers wear them while a
task is called (worn.py): merged, too, which is why to unmerge is to take them off.

Letters: T tokens, D in, K out, R rank, S size between.

Sources: Hu et al. 2021, "LoRA"; Houlsby et al. 2019; Pfeiffer et al. 2021; Ben Zaken et al. 2022.
"""

import contextlib
import dataclasses

import keras
import numpy as np
from keras import ops

from bert_tf2.modeling.adapter_kinds import Bottleneck, LoRA, is_norm, settings_of
from bert_tf2.modeling.functions import activate, dropout
from bert_tf2.modeling.worn import Worn, affine

NEAR_ZERO = 1e-3  # of a bottleneck's kernels (Houlsby et al. 2019, section 3.6)


class Adapter(keras.layers.Layer):
    """One adapter of an encoder, in float32.

    It is made anew beside its encoder whenever a task is, and has no config of its own.

    Args:
        kind: "lora", "houlsby", "pfeiffer" or "bias".
        encoder: an `Encoder`; it is not changed.
        head: dict of our names to a head's variables: their values are kept beside, for a task to
            exchange (see `exchange_heads`).
        unread: units that the task does not compute with.
        name: of the adapter.
        **given: settings, see `adapter_kinds`.

    Attributes:
        named: dict of our names, such as `layer_0/attention/query/lora_a`, to what is trained.
        head: dict of our names to the values of a head that are not in use.
        merged: dict of units to whole kernels, where it is merged.
    """

    def __init__(self, kind, encoder, head=None, unread=(), name="default", **given):
        super().__init__(name=name, dtype="float32")
        self.kind, self.settings = kind, settings_of(kind, encoder.config, given, unread)
        self.at = _Plain(layers_of(encoder))
        self.width, self.unread = encoder.config.hidden_size, tuple(unread)
        self.seeds = keras.random.SeedGenerator() if self.dropout_rate else None
        self.named, self.head, self.merged = {}, {}, {}
        if self.settings.train_head:
            for of_head, variable in (head or {}).items():
                # Of its numbers: of a variable Keras would make the same one once more.
                self.head[of_head] = self._variable(
                    f"head/{of_head}", variable.shape, array_of(variable), variable.dtype, False
                )
        parts = self._low_rank if kind == "lora" else self._biases
        parts = self._bottlenecks if isinstance(self.settings, Bottleneck) else parts
        self.parts = _Plain({id(self.layers[unit]): part for unit, part in parts()})

    @property
    def layers(self):
        """dict of units to the encoder's layers."""
        return self.at.found

    @property
    def dropout_rate(self):
        """Of what goes into the products of a LoRA."""
        return getattr(self.settings, "dropout", 0.0)

    def worn(self):
        """What the encoder's layers wear of it: a `Worn`."""
        return Worn(self.parts.found, self.seeds and self.seeds.next)

    def spoken(self):
        """dict of JSON's words that make the same adapter again, but for its numbers."""
        settings = dataclasses.asdict(self.settings)
        return {"kind": self.kind, **settings}

    # --- What there is of each kind. --------------------------------------------------------------

    def _low_rank(self):
        """Yields (unit, part)."""
        settings, biases = self.settings, dict(self._biases())
        for unit in settings.targets:
            inputs, outputs = self.layers[unit].kernel.shape
            rank = settings.rank_of(unit)
            limit = inputs**-0.5  # as peft begins: the product is zero, and its slope is not
            first = keras.initializers.RandomUniform(-limit, limit)
            a = self._variable(f"{unit}/lora_a", (inputs, rank), first)
            b = self._variable(f"{unit}/lora_b", (rank, outputs), "zeros")
            own = biases.pop(unit, None)
            scale = settings.scale_of(unit)
            yield unit, LowRank(a, b, scale, settings.dropout, own and own.bias)
        yield from biases.items()

    def _biases(self):
        """Yields (unit, part) of the biases that are trained."""
        settings, every = self.settings, with_bias(self.layers)
        if isinstance(settings, LoRA):
            every = [unit for unit in every if unit not in self.unread]
            chosen = {"none": (), "lora_only": settings.targets, "all": every}[settings.bias]
        else:
            chosen = settings.targets
        for unit in chosen:
            layer, part = self.layers[unit], "beta" if is_norm(unit) else "bias"
            bias = getattr(layer, part)
            yield unit, OwnBias(self._variable(f"{unit}/{part}", bias.shape, array_of(bias)))

    def _bottlenecks(self):
        """Yields (unit, part)."""
        settings = self.settings
        size = settings.size or max(1, self.width // 16)
        shapes = {"down": (self.width, size), "up": (size, self.width)}
        near = keras.initializers.TruncatedNormal(stddev=NEAR_ZERO)
        for unit in self.layers:
            if unit.rpartition("/")[2] in settings.places and "/" in unit:
                found = []
                for name, shape in shapes.items():
                    found.append(self._variable(f"{unit}/{name}/kernel", shape, near))
                    found.append(self._variable(f"{unit}/{name}/bias", shape[1:], "zeros"))
                yield unit, Between(found, settings.activation, settings.before_norm)

    def _variable(self, name, shape, initializer, dtype="float32", trainable=True):
        *scopes, last = name.split("/")
        with contextlib.ExitStack() as stack:
            # One word, that no name of a unit is.
            for scope in (f"adapter_{self.name.replace('.', '-')}", *scopes):
                stack.enter_context(keras.name_scope(scope))
            made = keras.Variable(initializer, shape, dtype, trainable, name=last)
        if trainable:
            self.named[name] = made
        return made

    @property
    def can_merge(self):
        """Whether other kernels and biases say all of it; not of bottlenecks."""
        return not isinstance(self.settings, Bottleneck)

    # --- Merging. ---------------------------------------------------------------------------------

    def merged_kernels(self):
        """dict of units to kernels with the products added, float64 sums rounded once.

        Raises:
            ValueError: a bottleneck, which is no sum.
        """
        if not self.can_merge:
            raise ValueError(
                f"Adapter {self.name!r} cannot be merged: a {self.kind} bottleneck is no sum of "
                "kernels. SavedModels, presets and .keras files have it as it is."
            )
        found = {}
        for unit in self.settings.targets if isinstance(self.settings, LoRA) else ():
            a, b = (array_of(self.named[f"{unit}/{n}"]).astype("float64") for n in LowRank.names)
            kernel = array_of(self.layers[unit].kernel)
            found[unit] = (kernel + a @ b * self.settings.scale_of(unit)).astype(kernel.dtype)
        return found

    def own_biases(self):
        """dict of our names to the biases that it has in place of the encoder's."""
        names = {f"{unit}/{part}" for unit in with_bias(self.layers) for part in ("bias", "beta")}
        return {name: variable for name, variable in self.named.items() if name in names}

    def merge(self):
        """Has layers read whole kernels, of which `unmerge` lets go."""
        for unit, kernel in self.merged_kernels().items():
            name = f"merged/{unit}/kernel"
            made = self._variable(name, kernel.shape, kernel, kernel.dtype.name, trainable=False)
            self.merged[unit] = made
            self.parts.found[id(self.layers[unit])].kernel = made

    def unmerge(self):
        """Has layers read the encoder's own kernels again."""
        for unit in [*self.merged]:
            self.merged.pop(unit)  # which Keras notices, and `del` it does not
            self.parts.found[id(self.layers[unit])].kernel = None

    def exchange_heads(self, variables):
        """The values of a head's variables for those kept here, and these for those.

        Args:
            variables: dict by our names.
        """
        for name, kept in self.head.items():
            live = array_of(variables[name])
            variables[name].assign(kept.value)
            kept.assign(live)

    def get_config(self):
        raise NotImplementedError("An adapter is copied with its task, or saved by `save_adapter`.")


class _Plain:
    """Holds what Keras is not to track."""

    def __init__(self, found):
        self.found = found


def array_of(variable):
    """A variable's numbers, copied."""
    return np.array(ops.convert_to_numpy(variable))


def layers_of(encoder):
    """dict of units to an encoder's layers: dense layers, norms, and attention and ffn whole."""
    parts = encoder.parts
    embeddings = parts["embeddings"]
    found = {"embeddings/norm": embeddings.normalize}
    if embeddings.project is not None:
        found["embeddings/projection"] = embeddings.project
    for name, block in zip(encoder.config.block_names(), parts["blocks"], strict=True):
        for part in ("attention", "ffn"):
            layer = getattr(block, part)
            units = {f"{name}/{part}/{last}": unit for last, unit in layer.units().items()}
            found |= {f"{name}/{part}": layer} | units
    return found | ({"pooler": parts["pooler"]} if parts["pooler"] else {})


def with_bias(layers):
    """Of `layers_of`, the units that have a bias."""
    return [unit for unit in layers if not unit.endswith(("attention", "ffn"))]


# === What layers wear =============================================================================


class LowRank:
    """A dense layer with a product beside its kernel (Hu et al. 2021, equation 3)."""

    names = ("lora_a", "lora_b")

    def __init__(self, a, b, scale, rate, bias=None):
        self.a, self.b, self.scale, self.rate, self.bias = a, b, scale, rate, bias
        self.kernel = None  # with the product in it, where it is merged

    def dense(self, layer, x, seed):
        """x (T, D) -> (T, K), before the layer's activation."""
        bias = layer.bias if self.bias is None else self.bias
        if self.kernel is not None:
            return affine(x, self.kernel, bias)
        inner = ops.matmul(dropout(x, self.rate, seed), ops.cast(self.a, x.dtype))  # (T, R)
        beside = ops.matmul(inner, ops.cast(self.b, x.dtype)) * self.scale
        return affine(x, layer.kernel, bias) + beside


class OwnBias:
    """A dense layer or a norm with another bias."""

    def __init__(self, bias):
        self.bias = bias

    def dense(self, layer, x, seed):
        """As of `LowRank`."""
        return affine(x, layer.kernel, self.bias)


class Between:
    """A bottleneck before the sum with the residual of a block's half."""

    def __init__(self, variables, activation, before_norm):
        self.down, self.down_bias, self.up, self.up_bias = variables
        self.activation, self.before_norm = activation, before_norm

    def join(self, half, out, x, training):
        """What a half of a block has worked out (T, D), and its input (T, D) -> (T, D)."""
        read = out if self.before_norm else half.normalize(out + x, training=training)
        inner = activate(self.activation, affine(read, self.down, self.down_bias), training)
        return out + affine(inner, self.up, self.up_bias)

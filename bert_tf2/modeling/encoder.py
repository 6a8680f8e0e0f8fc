"""The one encoder. What differs between families is in `EncoderConfig`, and nowhere else."""

import keras
from keras import ops

from bert_tf2 import weights
from bert_tf2.config import EncoderConfig
from bert_tf2.messages import checked_bool, switched
from bert_tf2.modeling.embeddings import Embeddings
from bert_tf2.modeling.frozen import freeze, freeze_as_saved, frozen
from bert_tf2.modeling.inputs import input_tensors, rename_inputs
from bert_tf2.modeling.layers import Block, published_initializer
from bert_tf2.modeling.layout import Arrange, Sequences
from bert_tf2.modeling.positions import RelativePositions
from bert_tf2.modeling.worn import Dense
from bert_tf2.weights.filling import Unfilled, load_variables
from bert_tf2.weights.units import is_state


@keras.saving.register_keras_serializable("bert_tf2")
class Encoder(keras.Model):
    """The encoder of every family: ids in, vectors out.

    Called on a dict of int32 `token_ids`, `segment_ids`, `padding_mask`, each (B, L), the last two
    optional, under these names or Google's or Hugging Face's, it returns a dict:
    `sequence_output` (B, L, D), `pooled_output` (B, D) where the config has a pooler, and
    `layer_outputs`, a list of (B, L, D), one a layer (in ALBERT one for each inner group of a
    layer), all in the compute dtype. Every position is computed, padding included, exactly as the
    original does; task models drop padding (`encode`).

    Args:
        config: an `EncoderConfig` (or its dict).
        initializer: of kernels and tables; default truncated normal of `initializer_range`.
        dtype: a Keras dtype policy, e.g. "mixed_bfloat16".
        recompute: keep less for the gradient and compute each layer twice in training: a fraction
            of the memory, a third more time, equal results. It takes a graph: with
            `run_eagerly=True` it saves nothing.
        shares_with: another encoder, whose embeddings it reads in the place of own ones, as the
            generator of ELECTRA does. It is then a part of that one's task, and not copied alone.
        name: of the model; by default "encoder", and "encoder_1", … for further ones.

    Raises:
        TypeError: `config` is neither. ValueError: a dict of values that no encoder can have.

    Examples:
        >>> encoder = bert_tf2.Encoder.from_preset("uncased_L-4_H-512_A-8")
        >>> encoder({"token_ids": [[101, 200, 102]]})["pooled_output"].shape
        TensorShape([1, 512])
    """

    def __init__(
        self,
        config,
        initializer=None,
        dtype=None,
        recompute=False,
        shares_with=None,
        name=None,
    ):
        if isinstance(config, dict):
            config = EncoderConfig(**config)
        if not isinstance(config, EncoderConfig):
            raise TypeError(f"`config` must be an EncoderConfig. Received: {config!r}")
        if initializer is None:
            initializer = published_initializer(config)
        recompute = checked_bool("recompute", recompute)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        lender = None if shares_with is None else shares_with.parts["embeddings"]
        parts = _make_layers(config, initializer, policy, recompute, lender)
        inputs = input_tensors()
        outputs = _encode(config, parts, inputs)
        del outputs["attention_scores"]  # large; on request only
        super().__init__(inputs=inputs, outputs=outputs, name=name)  # "encoder", "encoder_1", …
        if self.name != "encoder":  # so that two fit into one model; variables keep their paths
            for layer in {*self.layers} - {*map(self.get_layer, inputs)}:
                layer.name = f"{self.name}.{layer.name}"
        self.config, self.parts, self.policy = config, parts, policy
        self.recompute = recompute
        self.load_report = None
        self._scores_model = None
        self.kept_outputs = ("sequence_output", *(["pooled_output"] if config.pooler else []))

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(rename_inputs(inputs, self.config), *args, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, outputs=None):
        """As Keras's, but of each batch only what is asked for is kept.

        Args:
            x: as for a call, in NumPy arrays or tensors; or a dataset of batches of these.
            batch_size, verbose, steps, callbacks: as in `keras.Model.predict`.
            outputs: names of outputs; default `sequence_output` and, where there is a pooler,
                `pooled_output`. All layers of 1 000 texts of 128 tokens would fill 4 GB in MiniLM.

        Returns:
            dict of NumPy arrays by name; of `layer_outputs` a list of them.

        Raises:
            ValueError: an unknown output, or ids that `check_ids` refuses.
        """
        kept = self.kept_outputs if outputs is None else tuple(outputs)
        if isinstance(outputs, str) or not kept or {*kept} - {*self.output}:
            raise ValueError(
                f"`outputs` must be a list of some of {list(self.output)}. Received: {outputs!r}"
            )
        x = rename_inputs(x, self.config) if isinstance(x, dict) else x
        usual, self.kept_outputs = self.kept_outputs, kept
        try:
            self.make_predict_function(force=kept != usual)
            return super().predict(x, batch_size, verbose, steps, callbacks)
        finally:
            self.kept_outputs = usual
            self.make_predict_function(force=kept != usual)

    def predict_step(self, data):
        outputs = super().predict_step(data)
        return {name: outputs[name] for name in self.kept_outputs}

    def encode(self, inputs, drop_padding=False, first_only=False, also=None):
        """The same layers on symbolic inputs, computing no more than is read.

        Args:
            inputs: dict of symbolic int32 (B, L), as from `input_tensors()`.
            drop_padding: compute real tokens only; outputs are zero at padding, and equal
                elsewhere. Attention scores asked from padding are then of no meaning.
            first_only: compute the last layer for the first token only. The result then has just
                that token's vector, `first_output` (B, D), and `pooled_output` if there is a
                pooler.
            also: symbolic int32 (B, L), where there are positions to be computed that are masked:
                they attend to the others, and nobody to them.

        Returns:
            dict of symbolic outputs, as the encoder's own, and `attention_scores`.
        """
        return _encode(self.config, self.parts, inputs, drop_padding, first_only, also)

    def attention_scores(self, inputs):
        """Attention weights of every layer.

        Args:
            inputs: as for a call.

        Returns:
            list of (B, N, L, L), one a layer; rows sum to 1.
        """
        if self._scores_model is None:
            symbolic = input_tensors()
            scores = self.encode(symbolic)["attention_scores"]
            self._scores_model = keras.Model(
                symbolic, {"scores": scores}
            )  # Keras unwraps one of one
        return self._scores_model(rename_inputs(inputs, self.config))["scores"]

    def named_variables(self):
        """dict of our names (`layer_0/attention/query/kernel`) to variables, as in weights/."""
        scope = self.parts["embeddings"].path.removesuffix("embeddings")  # where it was built
        return {v.path.removeprefix(scope): v for v in self.variables if not is_state(v.path)}

    def dense_layers(self):
        """dict of units (`layer_0/attention/query`) to dense layers: those of blocks, each once."""
        return {
            f"{name}/{part}/{unit}": layer
            for name, block in zip(self.config.block_names(), self.parts["blocks"], strict=True)
            for part in ("attention", "ffn")
            for unit, layer in getattr(block, part).units().items()
            if isinstance(layer, Dense)
        }

    def unread(self, model):
        """What a functional model on this encoder does not compute with, and so cannot train.

        Args:
            model: a `keras.Model` whose outputs were made of `encode`'s, or of the encoder's own.

        Returns:
            dict of our names to variables, as `named_variables`: those of the pooler, say, where
            only `sequence_output` is read.
        """
        layers = [x for x in model.operations if isinstance(x, keras.layers.Layer)]
        read = {id(variable) for layer in layers for variable in layer.variables}
        return {name: v for name, v in self.named_variables().items() if id(v) not in read}

    @classmethod
    def from_preset(cls, preset, config_file=None, load_weights=True, ignore=(), **kwargs):
        """Opens a published checkpoint. What it holds besides an encoder is left out.

        Args:
            preset: a registry name (`bert_tf2 list`), a folder, a TF1 checkpoint prefix or a
                file with weights.
            config_file: the JSON config, where it is not beside the weights.
            load_weights: False gives fresh weights in the checkpoint's architecture.
            ignore: patterns of further names in the file to leave out, such as "bert/adapter*".
            **kwargs: `dtype`, `recompute`, `name`.

        Returns:
            an Encoder. Its `load_report` says what was loaded and what was skipped, with why.

        Raises:
            FileNotFoundError: nothing is found there.
            weights.CheckpointError: files and config disagree, or a file is damaged.
        """
        checkpoint = weights.open_checkpoint(weights.resolve(preset), config_file, ignore)
        if not checked_bool("load_weights", load_weights):
            return cls(checkpoint.config, **kwargs)
        checkpoint = weights.read_ahead(checkpoint, only_encoder=True)
        encoder = cls(checkpoint.config, initializer=Unfilled(checkpoint.config), **kwargs)
        encoder.load_report = load_variables(checkpoint, encoder.named_variables(), True)
        if said := checkpoint.task:  # of an encoder that was saved by itself
            resting = said.get("frozen", ()) if said.get("class") == cls.__name__ else ()
            freeze_as_saved(encoder, resting)
            left = (said.get("adapters") or {"made": ()})["made"]
            encoder.load_report.warnings += [f"adapter {name} was left out" for name in left]
        return encoder

    def contents(self):
        """All that a checkpoint of this encoder holds: a `weights.Contents`."""
        variables = self.named_variables().items()
        arrays = {name: ops.convert_to_numpy(variable) for name, variable in variables}
        task = {"class": type(self).__name__, "frozen": frozen(self)}
        return weights.Contents(self.config, arrays, task=task)

    def save_to_preset(self, folder, format="bert_tf2", dtype="float32"):
        """Writes config and weights for `from_preset`, or for another library.

        Args, returns and errors are those of `weights.save`.
        """
        return weights.save(folder, self.contents(), format, dtype)

    def get_config(self):
        return {
            "config": self.config.to_dict(),
            "dtype": self.policy.name,
            "recompute": self.recompute,
            "frozen": frozen(self),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        paths, config = config.get("frozen", ()), switched(config, "recompute")
        encoder = cls(**{name: x for name, x in config.items() if name != "frozen"})
        freeze(encoder, paths)
        return encoder


def _make_layers(config, initializer, policy, recompute, lender=None):
    """The layers of an encoder by role."""
    common = {"config": config, "initializer": initializer, "dtype": policy}
    names = config.block_names()  # with a name again where layers share their weights
    blocks = {n: Block(recompute=recompute, name=n, **common) for n in dict.fromkeys(names)}
    pooler = Dense(
        config.hidden_size,
        activation="tanh",
        kernel_initializer=initializer,
        name="pooler",
        dtype=policy,
    )
    return {
        "embeddings": Embeddings(lender=lender, name="embeddings", **common),
        "positions": config.relative_buckets and RelativePositions(name="positions", **common),
        "blocks": [blocks[name] for name in names],
        "pooler": pooler if config.pooler else None,
    }


def _encode(config, parts, inputs, drop_padding=False, first_only=False, also=None):
    """ids -> outputs; see `Encoder.encode`."""
    pooler, policy = parts["pooler"], parts["embeddings"].dtype_policy
    arrange = Arrange(config.num_attention_heads, drop_padding, dtype=policy)
    mask, relative = inputs["padding_mask"], parts["positions"]
    layout = arrange(mask, relative(mask) if relative else None, also)
    x = parts["embeddings"](inputs["token_ids"], inputs["segment_ids"], layout)  # (T, D)
    *blocks, last = parts["blocks"]
    states, scores = [], []
    for block in blocks:
        x, weights_here = block(x, layout)  # (T, D), (B, N, L, L)
        states.append(x)
        scores.append(weights_here)
    x, weights_here = last(x, layout, first_only=first_only)  # (T, D) or (B, D)
    first = x if first_only else ops.take(x, layout["first"], axis=0)  # (B, D)
    pooled = {"pooled_output": pooler(first)} if pooler else {}
    if first_only:
        return {"first_output": first} | pooled
    to_sequences = Sequences(dtype=policy)
    outputs = [to_sequences(state, layout) for state in [*states, x]]  # (B, L, D) each
    return {
        "sequence_output": outputs[-1],
        **pooled,
        "layer_outputs": outputs,
        "attention_scores": [*scores, weights_here],
    }

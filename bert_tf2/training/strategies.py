"""`tf.distribute` strategies by name.

with bert_tf2.strategy("mirrored").scope():
    clf = bert_tf2.TextClassifier.from_preset("uncased_L-12_H-768_A-12", labels=2)
clf.fit(texts, labels)
"""

import os
import random

import keras
import tensorflow as tf

from bert_tf2.schema import parse_json
from bert_tf2.weights import units

NAMES = ("auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu")


def strategy(name="auto", tpu=""):
    """A strategy to create and train a model under.

    Args:
        name: a `tf.distribute.Strategy`, which is returned as it is, or one of
            "auto": "multi_worker" where `TF_CONFIG` names several workers, "mirrored" where
                there are several GPUs, else "gpu" or "cpu";
            "cpu", "gpu": one device;
            "mirrored": all GPUs of this machine, or all logical CPU devices where it has none;
            "multi_worker": `MultiWorkerMirroredStrategy` over the workers that `TF_CONFIG` names
                (`bert_tf2 launch` starts several on one machine);
            "tpu": `TPUStrategy`.
        tpu: address or name of the TPU; default the local one.

    Returns:
        a `tf.distribute.Strategy`.

    Raises:
        ValueError: an unknown name, a GPU or a TPU that is not there, no `TF_CONFIG`, or a
            parameter server, which Keras 3 cannot train with; `keras.distribution` is set, which
            Keras ignores on TensorFlow.

    Examples:
        >>> names = ["bad", "good"]
        >>> with bert_tf2.strategy("cpu").scope():
        ...     clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=names)
        >>> clf.fit(texts, labels)
    """
    refuse_keras_distribution()
    if isinstance(name, tf.distribute.Strategy):
        _check_supported(name)
        return name
    if name not in NAMES:
        raise ValueError(
            f"`strategy` must be one of {list(NAMES)} or a tf.distribute.Strategy. "
            f"Received: {name!r}"
            + (f". {_PARAMETER_SERVER}" if "parameter" in str(name).lower() else "")
        )
    return {
        "auto": _auto,
        "cpu": lambda: tf.distribute.OneDeviceStrategy("/cpu:0"),
        "gpu": _gpu,
        "mirrored": _mirrored,
        "multi_worker": _multi_worker,
        "tpu": lambda: _tpu(tpu),
    }[name]()


_PARAMETER_SERVER = (
    "A parameter server cannot be used: Keras 3 has no coordinator loop, and what it would train "
    'is not one step of one batch. Use "multi_worker", with `Checkpoints` to go on after a crash.'
)


def refuse_keras_distribution():
    """Raises a ValueError if `keras.distribution` is set."""
    if keras.distribution.distribution() is not None:
        raise ValueError(
            "keras.distribution must not be set: Keras ignores it on TensorFlow and would train on "
            "one device. Call keras.distribution.set_distribution(None), and create the model in "
            "the scope of a tf.distribute strategy."
        )


def _check_supported(given):
    if isinstance(given, tf.distribute.experimental.ParameterServerStrategy):
        raise ValueError(_PARAMETER_SERVER)


def workers():
    """How many workers `TF_CONFIG` names; 1 where it is not set."""
    content = (os.environ.get("TF_CONFIG") or "{}").encode()
    cluster = parse_json(content, "TF_CONFIG", {"cluster?": {str: [str]}}).get("cluster", {})
    return len(cluster.get("chief", [])) + len(cluster.get("worker", [])) or 1


def is_tpu(strategy):
    """Whether it trains on TPUs."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def is_multi_worker(strategy):
    """Whether other processes take part."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def worker(strategy):
    """The number of this process among the workers of its kind."""
    return strategy.cluster_resolver.task_id if is_multi_worker(strategy) else 0


def is_chief(strategy):
    """Whether this process is the one that writes files."""
    if not is_multi_worker(strategy):
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def common_seed(strategy):
    """An int that all workers of a strategy agree on, from Python's generator of the chief."""
    seed = random.getrandbits(31)
    if not is_multi_worker(strategy):
        return seed

    def chiefs():
        context = tf.distribute.get_replica_context()
        mine = tf.where(tf.equal(context.replica_id_in_sync_group, 0), seed, 0)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

    agreed = strategy.run(tf.function(chiefs, autograph=False))
    return int(strategy.experimental_local_results(agreed)[0])


def separate_seeds(strategy, model):
    """Gives each replica a dropout of its own, made of the first one's: Keras's are all the same.

    Args:
        strategy: a `tf.distribute.Strategy`.
        model: of which all replicas have equal seed states; afterwards they differ.
    """
    states = [v for v in model.variables if units.is_state(v.path)]
    if strategy.num_replicas_in_sync == 1 or not states:
        return

    def shift():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        for state in states:
            state.assign(state.value + tf.cast(tf.stack([replica, 0]), state.dtype) * 0x61C88647)

    strategy.run(tf.function(shift, autograph=False))


def _auto():
    if workers() > 1:
        return _multi_worker()
    gpus = len(tf.config.list_logical_devices("GPU"))
    return strategy("mirrored" if gpus > 1 else "gpu" if gpus else "cpu")


def _gpu():
    if not tf.config.list_logical_devices("GPU"):
        raise ValueError(
            '`strategy="gpu"` needs a GPU that TensorFlow sees. Received: none '
            '(tf.config.list_logical_devices("GPU") is empty). Use "cpu", or "auto".'
        )
    return tf.distribute.OneDeviceStrategy("/gpu:0")


def _mirrored():
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([d.name for d in tf.config.list_logical_devices(kind)])


def _multi_worker():
    if workers() < 2:
        raise ValueError(
            '`strategy="multi_worker"` needs TF_CONFIG, a JSON that names two workers or more and '
            f"says which one this is. Received: {os.environ.get('TF_CONFIG')!r}. On one machine, "
            "`bert_tf2 launch --workers=2 …` sets it."
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu(address):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ValueError(f'`strategy="tpu"` found no TPU at {address!r}: {error}') from error
    return tf.distribute.TPUStrategy(resolver)

"""The compiled train step as a TPU would get it: all shapes known, nothing only a host can do.

No TPU is needed for that: XLA compiles the same graph for the CPU, and the graph can be read.
"""

import functools

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
import tiny_masked_lm
from closeness import BACKWARD

import bert_tf2

TEXTS = ["The kettle hums.", "", "stone, rain & tea", "tea", "rain rain tea", "x", "stone", "a b"]
LABELS = [i % 3 for i in range(len(TEXTS))]
BATCH = 4
FAMILIES = ("bert", "albert", "distilbert", "electra", "electra_generator", "roberta")
# Their results' shapes depend on values, or they are done by the host.
HOST_ONLY = {
    "Where", "Unique", "UniqueV2", "UniqueWithCounts", "UniqueWithCountsV2", "DynamicPartition",
    "ListDiff", "SparseSegmentSum", "RaggedRange", "RaggedGather", "RaggedTensorToTensor",
    "RaggedTensorToVariant", "LookupTableFindV2", "LookupTableSizeV2", "PyFunc", "EagerPyFunc",
    "PyFuncStateless", "Print", "PrintV2", "Assert", "RandomShuffle", "NonMaxSuppressionV3",
    "IteratorGetNext", "IteratorGetNextAsOptional", "OptionalGetValue",
}  # fmt: skip
# Operations without a result, or, for a call, perhaps without.
SILENT = {"StatefulPartitionedCall", "AssignVariableOp", "AssignAddVariableOp", "NoOp"}


def classifier(family, **settings):
    """-> a TextClassifier, labelled texts, and what `fit` makes of a dataset of them.

    With the encoder's dropout, whose draws are the same when XLA makes them. Those of Keras's own
    layer, before the logits, are others then.
    """
    keras.utils.set_random_seed(7)
    settings = {"drop_padding": False, "pad": True, "dropout": 0.0} | settings
    task = oracle.tiny_classifier(config=oracle.TINIES[family], **settings)
    rows = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS))
    return task, rows


def masked_lm(family, **settings):
    """-> a MaskedLM with dropout, and records."""
    keras.utils.set_random_seed(7)
    config = oracle.TINIES[family]
    second = {"bert": "nsp", "albert": "sop"}.get(config.family) if config.pooler else None
    settings = {"second_task": second, "drop_padding": False} | settings
    task = tiny_masked_lm.make(config, dropout=True, **settings)
    rows = tf.data.Dataset.from_tensor_slices(tiny_masked_lm.records(8))
    return task, rows


def prepared(make, **settings):
    """-> a task that is ready for its first step, batches as `fit` takes them, and as a step."""
    task, rows = make()
    task.compile(bert_tf2.AdamW(1e-3), **settings)
    batches = rows.batch(BATCH, drop_remainder=True)
    task.optimizer.build(task.trainable_variables)
    ready = task.dataset(batches)
    task.build_metrics(ready.element_spec)
    return task, batches, ready


def graph_of_step(task, batches):
    """The GraphDef of the compiled train step, with the shapes of all tensors."""

    @tf.function(input_signature=[batches.element_spec], jit_compile=True)
    def step(data):
        return task.train_step(data)

    return step.get_concrete_function().graph.as_graph_def(add_shapes=True)


def nodes_of(graph):
    """(where, node) of a graph and of the functions in it: bodies of loops, branches, gradients."""
    yield from (("step", node) for node in graph.node)
    for function in graph.library.function:
        yield from ((function.signature.name, node) for node in function.node_def)


def dtypes_of(node):
    for attribute in node.attr.values():
        yield from (attribute.type, *attribute.list.type)


def unknown(node):
    """Whether a dimension or the rank of an output is not known."""
    shapes = node.attr["_output_shapes"].list.shape
    return any(s.unknown_rank or any(d.size < 0 for d in s.dim) for s in shapes)


def for_hosts_only(node):
    return (
        node.op in HOST_ONLY
        or node.op.startswith(("String", "Ragged"))
        or tf.string.as_datatype_enum in dtypes_of(node)
    )


def told(graph, wrong):
    return [f"{where}: {node.op} {node.name}" for where, node in nodes_of(graph) if wrong(node)]


def assert_ready_for_a_tpu(task, batches):
    specs = tf.nest.flatten(batches.element_spec)
    assert all(spec.shape.is_fully_defined() and spec.dtype != tf.string for spec in specs)
    graph = graph_of_step(task, batches)
    assert {node.op for _, node in nodes_of(graph) if "_output_shapes" not in node.attr} <= SILENT
    assert told(graph, unknown) == []
    assert told(graph, for_hosts_only) == []


def assert_compiled_steps_are_the_same(make, **settings):
    runs = []
    for jit_compile in (False, True):
        task, batches, _ = prepared(make, jit_compile=jit_compile, **settings)
        runs.append(task.fit(batches, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(runs[1], runs[0], rtol=BACKWARD)


def test_a_classifiers_step_is_static():
    task, _, batches = prepared(
        functools.partial(classifier, "bert", dropout=0.1), jit_compile=True
    )
    assert_ready_for_a_tpu(task, batches)


@pytest.mark.full
@pytest.mark.parametrize("family", oracle.TINIES)
@pytest.mark.parametrize("kind", [classifier, masked_lm])
def test_every_familys_step_is_static(kind, family):
    task, _, batches = prepared(functools.partial(kind, family), jit_compile=True)
    assert_ready_for_a_tpu(task, batches)


@pytest.mark.soak
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [classifier, masked_lm])
def test_every_familys_compiled_steps_are_the_same(kind, family):
    assert_compiled_steps_are_the_same(functools.partial(kind, family))


@pytest.mark.full
@pytest.mark.parametrize(
    "make, settings",
    [
        pytest.param(functools.partial(masked_lm, "bert", second_task=None), {}, id="words alone"),
        pytest.param(functools.partial(classifier, "bert", pooling="mean"), {}, id="means"),
        pytest.param(functools.partial(classifier, "bert"), {"micro_batches": 2}, id="parts"),
        pytest.param(functools.partial(masked_lm, "bert"), {"micro_batches": 2}, id="words, parts"),
        pytest.param(functools.partial(classifier, "bert"), {"nonfinite": "skip"}, id="skip"),
        pytest.param(functools.partial(classifier, "bert"), {"fgm": 0.5}, id="fgm"),
        pytest.param(functools.partial(classifier, "bert"), {"r_drop": 1.0}, id="r_drop"),
    ],
)
def test_every_setting_of_a_step(make, settings):
    task, _, batches = prepared(make, jit_compile=True, **settings)
    assert_ready_for_a_tpu(task, batches)
    assert_compiled_steps_are_the_same(make, **settings)


@pytest.mark.full
def test_what_the_check_would_find():
    """Padding dropped: as many tokens as there happen to be, found by `Where`, also in a loop."""
    make = functools.partial(classifier, "bert", drop_padding=True)
    task, _, batches = prepared(make, micro_batches=2)
    graph = graph_of_step(task, batches)
    assert any(": Where " in line for line in told(graph, for_hosts_only))
    places = {line.partition(":")[0] for line in told(graph, unknown)}
    assert any(place != "step" for place in places)
    task, _, batches = prepared(functools.partial(classifier, "bert", pad=False))
    with pytest.raises(AssertionError):
        assert_ready_for_a_tpu(task, batches)

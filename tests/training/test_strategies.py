"""Strategies by name, and what is refused."""

import json

import keras
import pytest
import tensorflow as tf
from oracle import tiny_classifier

import bert_tf2
from bert_tf2.training import strategies


def test_names():
    assert isinstance(bert_tf2.strategy("cpu"), tf.distribute.OneDeviceStrategy)
    assert isinstance(bert_tf2.strategy(), tf.distribute.OneDeviceStrategy)  # no GPU here
    mirrored = bert_tf2.strategy("mirrored")
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)
    assert bert_tf2.strategy(mirrored) is mirrored
    assert strategies.is_chief(mirrored) and not strategies.is_multi_worker(mirrored)


@pytest.mark.parametrize(
    "name, words",
    [
        ("gpu", r"GPU.*Received: none"),
        ("multi_worker", r"TF_CONFIG.*Received: None.*bert_tf2 launch"),
        ("horovod", r"must be one of.*Received: 'horovod'"),
        ("parameter_server", r"parameter server cannot be used.*multi_worker"),
        ("tpu", r"no TPU"),
    ],
)
def test_what_is_not_there(monkeypatch, name, words):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=words):
        bert_tf2.strategy(name)


def test_keras_distribution_is_refused():
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    try:
        with pytest.raises(ValueError, match="ignores it on TensorFlow"):
            bert_tf2.strategy("cpu")
        with pytest.raises(ValueError, match="ignores it on TensorFlow"):
            tiny_classifier().fit(["tea", "rain"], ["tea", "rain"], verbose=0)
    finally:
        keras.distribution.set_distribution(None)


def test_workers_are_counted(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategies.workers() == 1
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))
    assert strategies.workers() == 3


def test_bad_micro_batches():
    task = tiny_classifier()
    with pytest.raises(ValueError, match=r"micro_batches.*Received: 0"):
        task.compile(micro_batches=0)
    with pytest.raises(ValueError, match=r"mean over rows.*'sum'"):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
        task.compile(loss=loss, micro_batches=2)
    with pytest.raises(ValueError, match="reproduces Google's norm"):
        task.compile(bert_tf2.AdamW(reproduce="google"), micro_batches=2)

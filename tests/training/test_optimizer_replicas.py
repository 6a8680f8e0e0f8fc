"""AdamW on two replicas, in its own process: devices are split before TensorFlow starts."""

import subprocess
import sys

import numpy as np
from closeness import FORMULA

TWO_REPLICAS = """
import sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
from bert_tf2.training.optimizers import AdamW

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    table = keras.Variable(np.zeros((6, 3)), name="table")
    optimizer = AdamW(0.1)
    optimizer.build([table])

def step():
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    ids = tf.where(tf.equal(replica, 0), [1, 1], [1, 4])
    gradient = tf.IndexedSlices(tf.fill((2, 3), 4.0), ids, tf.constant((6, 3)))
    optimizer.apply([gradient], [table])

tf.function(lambda: strategy.run(step))()
np.savetxt(sys.stdout, optimizer.variables[-2].numpy())
"""


def test_two_replicas_are_summed_before_clipping():
    """Row 1 occurs on both replicas and three times in all, row 4 once; each gives 4."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_REPLICAS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first_moment = np.array([line.split() for line in done.stdout.splitlines()], "float64")
    summed = np.array([0, 12, 0, 0, 4, 0])[:, None] * np.ones((6, 3))
    np.testing.assert_allclose(first_moment, 0.1 * summed / np.linalg.norm(summed), rtol=FORMULA)

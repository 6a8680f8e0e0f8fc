"""The part of a test that needs two devices: a function of its module, in a process of its own.

    python replicas.py FILE FUNCTION ARGUMENT …

calls FUNCTION(strategy, ARGUMENT, …) with a `MirroredStrategy` of two CPU devices, which must be
split before TensorFlow starts.
"""

import os
import runpy
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def call(file, function, *arguments):
    """Calls a function of a file, with the strategy and these strings. Fails where it raises."""
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    done = subprocess.run(
        [sys.executable, __file__, str(file), function, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def main(file, function, *arguments):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    runpy.run_path(file)[function](strategy, *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])

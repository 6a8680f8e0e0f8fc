"""`import bert_tf2` brings every class, and nothing heavy beside TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

import bert_tf2

HEAVY = "tensorflow_text keras_hub keras_nlp tensorflow_hub safetensors transformers torch"


def test_import_brings_little_beside_tensorflow():
    code = (
        "import sys, keras, tensorflow\n"
        "before = set(sys.modules)\n"
        "import bert_tf2\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) - sys.stdlib_module_names <= {"bert_tf2", "tqdm"}


def test_import_is_light_and_complete():
    code = (
        "import sys, keras, bert_tf2\n"
        f"print([name for name in '{HEAVY}'.split() if name in sys.modules])\n"
        "for name in ('Encoder', 'TextClassifier', 'AdamW', 'Preprocessor'):\n"
        "    assert keras.saving.get_registered_object(f'bert_tf2>{name}'), name\n"
        "assert set(bert_tf2.__all__) <= set(dir(bert_tf2))\n"
        "[getattr(bert_tf2, name) for name in bert_tf2.__all__]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_other_backends_do_without_tensorflow():
    """The encoder itself runs on JAX in `python -m benchmarks.accelerator`."""
    code = (
        "import sys, bert_tf2\n"
        "assert 'Encoder' in dir(bert_tf2)\n"
        "print('tensorflow' in sys.modules)\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_a_citation_names_this_version():
    file = Path(__file__).parents[1] / "CITATION.cff"
    assert yaml.safe_load(file.read_text("utf-8"))["version"] == bert_tf2.__version__

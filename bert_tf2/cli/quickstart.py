"""`bert_tf2 quickstart`: the whole way once, from a published checkpoint to answers on raw strings.

It sorts support requests: fine-tunes on the training rows of the bundled data set, measures on the
held-out ones beside a bag of words, saves, exports, and lets a process without this library answer.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bert_tf2.cli import console
from bert_tf2.data import examples as data_files
from bert_tf2.files import new_file

SEED = 1
# From the width of BERT-Base on the published rate. Small models want a higher one, and keep more
# of what they know if each layer below the head takes half the rate of the one above.
BASE_WIDTH, BASE, BASE_EPOCHS = 768, {"learning_rate": 5e-5}, 4
SMALL, SMALL_EPOCHS = {"learning_rate": 1e-3, "layer_decay": 0.5}, 3
BATCH_SIZE, MAX_LENGTH = 16, 64
SENTENCES = [
    "why did you take money from my card twice this month",
    "i can't sign in since i got a new phone",
    "the parcel was promised for tuesday and nobody knows where it is",
]

# Runs in a process of its own, to which this library is not known.
SERVE = """
import sys
import tensorflow as tf
import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
answers = model.signatures["serving_default"](text=tf.constant(sys.argv[2:]))
rows = zip(sys.argv[2:], answers["label"].numpy(), answers["probabilities"].numpy())
for text, label, row in rows:
    print(f"  {label.decode():<18}{row.max():.3f}  {text}")
assert "bert_tf2" not in sys.modules
"""


def quickstart(flags):
    """Runs the five steps and prints what each found. -> dict of accuracies and served answers."""
    folder = Path(flags.output_dir)
    train, test = (data_files.support_requests(split) for split in ("train", "test"))
    _say("1/5", "The data: support requests, bundled with this library")
    _show(train, test)

    _say("2/5", f"The checkpoint: {flags.init_checkpoint}")
    model, epochs = _open(flags, sorted(set(train.labels)))

    _say(
        "3/5",
        f"Fine-tuning, {epochs} passes over {len(train)} texts (the first step takes longest)",
    )
    seconds = _fit(model, train, epochs)

    _say("4/5", f"Accuracy on the {len(test)} held-out texts")
    words = _bag_of_words(train, test)
    accuracy = model.evaluate(test.texts, test.labels, verbose=0, return_dict=True)["accuracy"]
    if words is not None:
        print(f"  bag of words, logistic regression   {words:.3f}")
    print(f"  this model, trained in {seconds:3.0f} s        {accuracy:.3f}")

    _say(
        "5/5", "Saving, and answering from a process that knows tensorflow and tensorflow_text only"
    )
    saved, served = _save(model, folder)
    print(f"  the model {saved}, for Python; the SavedModel {served}, for serving", flush=True)
    answers = _serve(served)
    print("\n".join(answers))
    print(_next_steps(saved, served))
    return {"bag_of_words": words, "accuracy": accuracy, "answers": answers}


def _say(step, title):
    print(f"\n[{step}] {title}", flush=True)


def _show(train, test):
    """The size of the data, its classes, and three rows of different ones."""
    classes = sorted(set(train.labels))
    print(f"  {len(train)} to train on, {len(test)} held out; {len(classes)} classes:")
    print(f"  {', '.join(classes)}")
    for name in classes[:3]:
        print(f"  e.g. {name:<18}{train.texts[train.labels.index(name)]}")


def _open(flags, classes):
    """The classifier with the checkpoint's weights, and how many passes it wants.

    The library prints what was loaded.
    """
    from bert_tf2.weights import resolve

    place = resolve(flags.init_checkpoint)  # downloads with a progress bar, if need be
    print(f"  in {place}", flush=True)
    console.import_tensorflow()
    import keras

    from bert_tf2.tasks.text_classifier import TextClassifier

    keras.utils.set_random_seed(SEED)
    model = TextClassifier.from_preset(
        place,
        labels=classes,
        max_length=MAX_LENGTH,
        config_file=flags.bert_config_file,
        pooling="mean",
    )
    small = model.encoder.config.hidden_size < BASE_WIDTH
    model.compile(SMALL if small else BASE)
    return model, SMALL_EPOCHS if small else BASE_EPOCHS


def _fit(model, train, epochs):
    """Trains. -> seconds"""
    started = time.perf_counter()
    model.fit(
        train.texts,
        train.labels,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        verbose=console.keras_verbosity(),
    )
    return time.perf_counter() - started


def _bag_of_words(train, test):
    """Accuracy of word weights and logistic regression; None without scikit-learn."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from threadpoolctl import threadpool_limits
    except ImportError:
        print("  (pip install scikit-learn to compare with a bag of words)")
        return None
    words = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(max_iter=1000))
    search = GridSearchCV(words, {"logisticregression__C": [0.3, 1, 3, 10, 30, 100]}, cv=5)
    with threadpool_limits(1):  # so small a problem is many times slower on several threads
        return float(search.fit(train.texts, train.labels).score(test.texts, test.labels))


def _save(model, folder):
    """Writes `model.keras` and the SavedModel `serving/1`, in place of an earlier quickstart's."""
    from bert_tf2.serving.export import export_saved_model

    saved, served = folder / "model.keras", folder / "serving" / "1"
    with new_file(saved) as draft:
        model.save(draft)
    if (served / "saved_model.pb").is_file():
        shutil.rmtree(served)
    return saved, export_saved_model(model, served)


def _serve(folder):
    """Lets a fresh process answer `SENTENCES`. -> its lines"""
    command = [sys.executable, "-I", "-c", SERVE, str(folder.absolute()), *SENTENCES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"The exported model could not be run in a fresh process:\n{done.stderr}")
    return done.stdout.splitlines()


def _next_steps(saved, served):
    held_out = os.path.relpath(Path(data_files.__file__).parent / "support_requests" / "test.tsv")
    place = served.parent.absolute()
    words = " ".join(f"--{name}={value}" for name, value in SMALL.items())
    return f"""
Done. What to type next (`source .venv/bin/activate` makes bert_tf2 known to your shell):

classify texts of your own, given here or in a file:
  bert_tf2 predict --model={saved} "where is my parcel?"
  bert_tf2 predict --model={saved} --input_file=MINE.csv --output_file=answers.csv
see which classes are mixed up, by the exported model this time:
  bert_tf2 evaluate --saved_model={served.parent} --input_file={held_out}
train on your own files, with the columns text and label:
  bert_tf2 finetune --init_checkpoint=all-MiniLM-L6-v2 --pooling=mean {words} \\
    --train_batch_size={BATCH_SIZE} --train_file=TRAIN.csv --dev_file=DEV.csv --output_dir=runs/mine
serve it, with a page to try it in at http://localhost:8501, and ask it from another shell:
  bert_tf2 serve {served.parent}
  bert_tf2 request http://localhost:8501 "where is my parcel?"
or serve it by TensorFlow Serving:
  docker run -p 8501:8501 -v "{place}:/models/support" -e MODEL_NAME=support tensorflow/serving
  curl -d '{{"inputs": {{"text": ["where is my parcel?"]}}}}' \\
    localhost:8501/v1/models/support:predict
or stay in Python:
  import bert_tf2, keras
  model = keras.saving.load_model("{saved}")
  print(model.predict_labels(["where is my parcel?"])[0])"""

"""`python -m benchmarks.learning [WORK …]`: pretraining and distillation on real text.

    wikitext  MiniLM's encoder pretrained further on WikiText-2's validation file: perplexity on
              its test file, epoch by epoch; and SST-2 learnt from it before and after;
    scratch   a BERT of 2 layers of 128 from nothing, with a vocabulary of its own, on the same
              text, beside what the frequencies of pieces alone tell (the unigram floor);
    sst2      MiniLM fine-tuned on SST-2, distilled to 3 layers: accuracy and speed of both;
    vectors   MiniLM's vectors of sentences, distilled to 3 layers: STS-B's dev file.

They need `$BERT_TF2_ASSETS/datasets`, and up to an hour of two processors each. A run that was
stopped goes on. Writes LEARNING.md; works not asked for keep their lines.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import materials, report

RESULTS, TABLE = (materials.HERE / name for name in ("learning.json", "LEARNING.md"))
PLACE = materials.WORK / "learning"
SEED = 1
MARKS = {" @.@ ": ".", " @,@ ": ",", " @-@ ": "-", "<unk>": ""}  # of WikiText's tokens
NOTES = {  # what was found, for people
    "wikitext": "SST-2 is right on 6 of 872 rows fewer after it, which is less than the standard "
    "error of one accuracy, 1.0 points. In the first three epochs the head for words is taught "
    "alone. Taught together with the encoder from the start, 4 epochs at 5e-5 came to a perplexity "
    "of 168.",
}


# Further pretraining: stage -> layers that learn, rate, epochs. MiniLM has no head for words: one
# that begins with random numbers is taught first, or the encoder pays for its first errors.
STAGES = {"head": (0, 1e-3, 3), "whole": ("all", 5e-5, 2)}


def parse(argv):
    """Flags -> namespace. Stops where a work is not known, or the data are not there."""
    parser = argparse.ArgumentParser("python -m benchmarks.learning", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--preset", default="all-MiniLM-L6-v2", help="what is opened")
    parser.add_argument("--folder", type=Path, help="of the data sets")
    parser.add_argument("--rows", type=int, help="of each file the first so many; default all")
    parser.add_argument("--epochs", type=int, help="default: each work's own")
    parser.add_argument("--place", type=Path, default=PLACE, help="folder of runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON to write")
    flags = parser.parse_args(argv)
    if unknown := [name for name in flags.works if name not in WORKS]:
        parser.error(f"works are {', '.join(WORKS)}. Received: {', '.join(unknown)}")
    flags.works = flags.works or [*WORKS]
    flags.folder = flags.folder or (materials.ASSETS and Path(materials.ASSETS, "datasets"))
    if flags.folder is None or not flags.folder.is_dir():
        parser.error("set BERT_TF2_ASSETS to a folder that holds datasets/, or give --folder")
    return flags


def main(argv):
    """Runs the works, and writes after each what there is. -> exit code."""
    flags = parse(argv)
    known = flags.results.is_file()
    results = json.loads(flags.results.read_text(encoding="utf-8")) if known else {}
    for name in flags.works:
        print(f"{name}: {WORKS[name].__doc__.splitlines()[0]}", flush=True)
        start = time.perf_counter()
        found = WORKS[name](flags)
        found["seconds"] = round(time.perf_counter() - start)
        told = {"machine": report.machine(), "date": time.strftime("%Y-%m-%d")}
        told["settings"] = {n: getattr(flags, n) for n in ("preset", "rows", "epochs")}
        results[name] = {"found": found} | told
        report.write_atomically(flags.results, json.dumps(results, indent=1) + "\n")
        report.write_atomically(flags.results.with_name(TABLE.name), table(results))
        print("\n".join(lines_of(found)), flush=True)
    return 0


# === Data =========================================================================================


def wikitext(flags, split):
    """The articles of a file of WikiText-2, a paragraph a line."""
    lines = (flags.folder / "wikitext-2" / f"{split}.txt").read_text(encoding="utf-8").split("\n")
    articles = [[]]
    for line in lines[: flags.rows]:
        if line.startswith(" = ") and not line.startswith(" = = "):
            articles.append([])
        for mark, plain in MARKS.items():
            line = line.replace(mark, plain)
        if line.strip():
            articles[-1].append(line.strip())
    return ["\n".join(article) for article in articles if article]


def sst2(flags, split):
    """Texts and labels of SST-2."""
    from bert_tf2.data import glue

    found = glue.read_glue(flags.folder / "glue", "SST-2", split)
    return found.texts[: flags.rows], found.labels[: flags.rows]


def saved(flags, name):
    """The callback with which a run goes on after a stop."""
    import keras

    from bert_tf2 import Checkpoints

    keras.utils.set_random_seed(SEED)
    return Checkpoints(flags.place / name, every=200, keep=1)


# === Works ========================================================================================


def further(flags):
    """MiniLM's encoder, pretrained further on WikiText-2's validation file."""
    import bert_tf2

    train, test = wikitext(flags, "valid"), wikitext(flags, "test")
    before = sst2_learnt(flags, flags.preset, "before")
    folder, curve = flags.preset, []
    for stage, (layers, rate, epochs) in STAGES.items():
        mlm = bert_tf2.MaskedLM.from_preset(folder, max_length=128, trainable_layers=layers)
        if not curve:
            curve = [mlm.evaluate(test, verbose=0, return_dict=True)["mlm_perplexity"]]
        mlm.compile({"learning_rate": rate})
        how = {"epochs": flags.epochs or epochs, "callbacks": [saved(flags, f"wikitext_{stage}")]}
        history = mlm.fit(train, validation_data=test, verbose=2, **how).history
        curve += history["val_mlm_perplexity"]
        folder = str(flags.place / f"wikitext_{stage}_model")
        if not os.path.exists(folder):
            mlm.save_to_preset(folder)
    after = sst2_learnt(flags, folder, "after")
    return {
        "test perplexity by epoch": [round(float(x), 2) for x in curve],
        "test accuracy of words": round(float(history["val_mlm_accuracy"][-1]), 4),
        "SST-2 accuracy before": before,
        "SST-2 accuracy after": after,
    }


def sst2_learnt(flags, preset, name):
    """The dev accuracy of SST-2, learnt in one pass."""
    import bert_tf2

    (texts, labels), dev = sst2(flags, "train"), sst2(flags, "dev")
    run = saved(flags, f"wikitext_{name}")
    clf = bert_tf2.TextClassifier.from_preset(preset, labels=sorted({*labels}), pooling="mean")
    clf.compile({"learning_rate": 1e-4})
    clf.fit(texts, labels, epochs=1, callbacks=[run], verbose=2)
    return round(float(clf.evaluate(*dev, verbose=0, return_dict=True)["accuracy"]), 4)


def scratch(flags):
    """A BERT of 2 layers of 128 from nothing, with a vocabulary of its own."""
    import bert_tf2
    from bert_tf2.data.corpus.learning import train_wordpiece
    from bert_tf2.data.corpus.parts import Corpus

    train, test = wikitext(flags, "valid"), wikitext(flags, "test")
    flags.place.mkdir(parents=True, exist_ok=True)
    corpus, vocabulary = flags.place / "scratch.txt", flags.place / "vocab.txt"
    corpus.write_text("\n\n".join(train), encoding="utf-8")
    train_wordpiece(Corpus((str(corpus),)), vocabulary, vocab_size=4000, alphabet=100)
    tokenizer = bert_tf2.WordPieceTokenizer(vocabulary, lowercase=True)
    floor = unigram_perplexity(tokenizer, train, test)
    print(f"unigram floor on the test file: {floor:.1f}", flush=True)
    run = saved(flags, "scratch")
    none = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    sizes = {"vocab_size": tokenizer.vocabulary_size, "max_position_embeddings": 128}
    config = bert_tf2.EncoderConfig(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        **sizes | none,
    )
    mlm = bert_tf2.MaskedLM(bert_tf2.Encoder(config), bert_tf2.Preprocessor(tokenizer, 128))
    mlm.compile({"learning_rate": 1e-3})
    history = mlm.fit(
        train, epochs=flags.epochs or 30, validation_data=test, callbacks=[run], verbose=2
    ).history
    return {
        "unigram floor": round(floor, 2),
        "test perplexity by epoch": [round(float(x), 2) for x in history["val_mlm_perplexity"]],
        "test accuracy of words": round(float(history["val_mlm_accuracy"][-1]), 4),
    }


def unigram_perplexity(tokenizer, train, test):
    """Of the pieces of a text, by their frequencies in another, each counted once more."""
    counts = Counter(tokenizer(train).values.numpy().tolist())
    shares = np.ones(tokenizer.vocabulary_size)
    for piece, count in counts.items():
        shares[piece] += count
    shares /= shares.sum()
    return float(np.exp(-np.log(shares[tokenizer(test).values.numpy()]).mean()))


def classes(flags):
    """MiniLM fine-tuned on SST-2, distilled to 3 layers."""
    import bert_tf2

    (texts, labels), dev = sst2(flags, "train"), sst2(flags, "dev")
    run = saved(flags, "sst2_teacher")
    how = {"labels": sorted({*labels}), "pooling": "mean"}
    teacher = bert_tf2.TextClassifier.from_preset(flags.preset, **how)
    teacher.compile({"learning_rate": 1e-4})
    teacher.fit(texts, labels, epochs=1, callbacks=[run], verbose=2)
    student = bert_tf2.student_of(teacher, 3)
    run = saved(flags, "sst2_student")
    distiller = bert_tf2.Distiller(student, teacher, hidden=0.1)
    distiller.compile({"learning_rate": 1e-4})
    history = distiller.fit(
        texts, labels, epochs=flags.epochs or 2, callbacks=[run], verbose=2
    ).history
    figures = {}
    for name, model in {"teacher": teacher, "student": student}.items():
        found = model.evaluate(*dev, verbose=0, return_dict=True)
        figures[f"accuracy of the {name}"] = round(float(found["accuracy"]), 4)
        figures[f"texts a second of the {name}"] = round(speed(model.predict, dev[0]), 1)
    figures["agreement by epoch"] = [round(float(x), 4) for x in history["agreement"]]
    return shares(figures, "accuracy", "texts a second")


def sentences(flags):
    """MiniLM's vectors of sentences, distilled to 3 layers."""
    import bert_tf2
    from bert_tf2.data import glue
    from bert_tf2.scoring.regression import spearman

    train = glue.read_glue(flags.folder / "glue", "STS-B", "train")
    dev = glue.read_glue(flags.folder / "glue", "STS-B", "dev")
    texts = list(dict.fromkeys([*train.texts[: flags.rows], *train.pairs[: flags.rows]]))
    more = [line for article in wikitext(flags, "valid") for line in article.split(". ")]
    texts += [line for line in more if len(line) > 20] + sst2(flags, "train")[0][:30_000]
    teacher = bert_tf2.SentenceEncoder.from_preset(flags.preset)
    student = bert_tf2.student_of(teacher, 3)
    run = saved(flags, "vectors")
    distiller = bert_tf2.Distiller(student, teacher)
    distiller.compile({"learning_rate": 2e-4})
    history = distiller.fit(
        texts, batch_size=64, epochs=flags.epochs or 3, callbacks=[run], verbose=2
    ).history
    pairs, figures = (dev.texts, dev.pairs), {"texts to learn from": len(texts)}
    for name, model in {"teacher": teacher, "student": student}.items():
        alike = model.predict_similarity(pairs)
        figures[f"STS-B dev spearman of the {name}"] = round(spearman(dev.labels, alike), 4)
        figures[f"texts a second of the {name}"] = round(speed(model.encode, dev.texts), 1)
    figures["loss by epoch"] = [float(f"{x:.3e}") for x in history["loss"]]
    return shares(figures, "STS-B dev spearman", "texts a second")


def speed(function, texts):
    """Texts that a function answers in a second."""
    function(texts[:32])  # traces its graph
    start = time.perf_counter()
    function(texts)
    return len(texts) / (time.perf_counter() - start)


def shares(figures, *names):
    """The figures, and of each of these the student's over the teacher's."""
    for name in names:
        ratio = figures[f"{name} of the student"] / figures[f"{name} of the teacher"]
        figures[f"{name}, student / teacher"] = round(ratio, 4)
    return figures


WORKS = {"wikitext": further, "scratch": scratch, "sst2": classes, "vectors": sentences}


# === The table ====================================================================================


def lines_of(found):
    """A line for each figure."""
    return [
        f"* {name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in found.items()
    ]


def table(results):
    """LEARNING.md."""
    parts = [
        "# Pretraining and distillation on real text",
        "",
        "Written by `python -m benchmarks.learning`, which says what each work is.",
    ]
    for name in [name for name in WORKS if name in results]:
        row = results[name]
        processor = row["machine"]["processor"]
        about = WORKS[name].__doc__.splitlines()[0]
        parts += ["", f"## {name}", "", f"{about} {row['date']}, {processor}.", ""]
        parts += lines_of(row["found"])
        parts += ["", NOTES[name]] if name in NOTES else []
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Files of real data -> rows to train on and rows to score, for `benchmarks.quality`.

A reader takes the folder of all data sets.
"""

import json
import random
from typing import NamedTuple

from bert_tf2.data import conll, examples, few_shot, glue, squad
from bert_tf2.data.choices import read_choices

SEED = 1  # of what is split into training and scoring: the same for everyone


class Data(NamedTuple):
    """Columns by the names that a task has for them, and a label for each row; all plain lists."""

    x: dict
    y: list

    def rows(self, chosen):
        """Those of these numbers."""
        chosen = list(chosen)
        x = {name: [column[i] for i in chosen] for name, column in self.x.items()}
        return Data(x, [self.y[i] for i in chosen])


def _columns(found):
    pairs = {} if found.pairs is None else {"text_pair": found.pairs}
    return Data({"text": found.texts} | pairs, found.labels)


def of_glue(name):
    """The training and the dev file of a task of GLUE."""

    def read(folder):
        files = (glue.read_glue(folder / "glue", name, split) for split in ("train", "dev"))
        return tuple(_columns(file) for file in files)

    return read


def of_files(*names, **how):
    """Tables without a header: a text, then its label."""

    def read(folder):
        files = (examples.read_examples(folder / n, 0, None, 1, False, **how) for n in names)
        return tuple(_columns(file) for file in files)

    return read


def of_conll(folder):
    names = ("eng.train", "eng.testa")
    files = (conll.read_conll(folder / "conll2003" / name, scheme="IOB1") for name in names)
    return tuple(Data({"words": file.words}, file.tags) for file in files)


def of_ag_news(folder):
    """Its topics by their names, which stand in a file of their own."""
    names = (folder / "ag_news_subset" / "class.txt").read_text(encoding="utf-8").split()
    read = of_files("ag_news_subset/train.csv", "ag_news_subset/test.csv")
    return tuple(part._replace(y=[names[int(y)] for y in part.y]) for part in read(folder))


def few(data, count, seed):
    """So many rows of each class, by chance."""
    places = few_shot.sample_dataset(range(len(data.y)), data.y, count, seed)[0]
    return data.rows(places)


def in_fifths(data, groups):
    """Four fifths of the groups to train on, the rest to score; rows of one group stay together."""
    names = sorted(set(groups))
    random.Random(SEED).shuffle(names)
    scored = set(names[: len(names) // 5])
    places = range(len(groups))
    train = data.rows(i for i in places if groups[i] not in scored)
    return train, data.rows(i for i in places if groups[i] in scored)


def of_choices(folder):
    found = read_choices(folder / "commonsense_qa" / "dev_rand_split.jsonl")
    data = Data({"text": found.contexts, "choices": found.choices}, found.labels)
    return in_fifths(data, range(len(found)))


def of_squad(folder):
    path = folder / "squad2-half-dev" / "dev-v2.0.json"
    found = squad.read_squad(path)
    data = Data({"question": found.questions, "context": found.contexts}, found.targets())
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    of_each = [(x["title"], len(part["qas"])) for x in articles for part in x["paragraphs"]]
    return in_fifths(data, [title for title, count in of_each for _ in range(count)])


def label_names(labels):
    """The names that occur, sorted; numbers by their size."""
    names = {name for row in labels for name in ([row] if isinstance(row, str) else row)}
    return sorted(names, key=lambda name: (len(name), name) if name.isdigit() else (0, name))

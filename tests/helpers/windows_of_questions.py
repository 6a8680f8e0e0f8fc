"""The windows of a question's context, in plain Python, as run_squad.py cuts them."""

QUESTIONS = ["What hums?", "", "is it tea", "who?"]
CONTEXTS = [
    "The kettle hums. It rains & a kettle sings: TEA, stone… no rain",
    "stone tea",
    "",
    "A  stone\u0301;" * 5,
]


def windows_of(task, question, context, longest, stride, most_asked):
    """(ids, [(position, start, end, has most context)]) of each window, one after another."""
    tokenizer = task.preprocessor.tokenizer
    asked = tokenizer(question).numpy().tolist()[:most_asked]
    ids, starts, ends, _ = (x.numpy().tolist() for x in tokenizer.pieces(context))
    between = tokenizer.pair_separators
    room, spans, first = longest - 2 - between - len(asked), [], 0
    while True:
        spans.append((first, min(room, len(ids) - first)))
        if sum(spans[-1]) >= len(ids):
            break
        first += min(room, stride)

    def around(place, span):
        return min(place - span[0], sum(span) - 1 - place) + 0.01 * span[1]

    for span in spans:
        row = [tokenizer.cls_token_id, *asked, *[tokenizer.sep_token_id] * between]
        asking = len(row)
        places = []
        for place in range(span[0], sum(span)):
            holding = [s for s in spans if s[0] <= place < sum(s)]
            best = max(holding, key=lambda s: around(place, s))
            places.append((asking + place - span[0], starts[place], ends[place], best == span))
        if not span[1]:  # a second text without tokens is none
            del row[asking - between + 1 :]
        row += [*ids[span[0] : sum(span)], *[tokenizer.sep_token_id] * bool(span[1])]
        second = tokenizer.second_segment
        yield row, ([0] * asking + [second] * len(row))[: len(row)], places

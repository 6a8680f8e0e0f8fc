"""What a text has other than one vector by is no encoder to search with."""

import numpy as np
import pytest

import bert_tf2
from bert_tf2.scoring import sparse

USES = {
    "an index": bert_tf2.Index,
    "hard negatives": lambda model: bert_tf2.mine_hard_negatives([("tea", "stone")], model),
    "paraphrases": lambda model: bert_tf2.paraphrase_mining(model, ["tea", "stone"]),
}


class Weighed:
    """A stand-in for a `SparseEncoder`."""

    measures, similarity_fn_name = sparse, "dot"
    encode = encode_query = encode_document = list


@pytest.mark.parametrize("name", USES)
def test_a_model_of_another_kind_is_refused(name):
    with pytest.raises(TypeError, match=r"one vector a text.*Received: a Weighed"):
        USES[name](Weighed())
    with pytest.raises(TypeError, match=r"`SentenceEncoder\.from_preset.*'all-MiniLM-L6-v2'"):
        USES[name]("all-MiniLM-L6-v2")


class Plain:
    """A stand-in for a model of others, which encodes queries and documents alike."""

    similarity_fn_name = "cosine"

    def encode(self, texts, prompt_name=None, prompt=None, **how):
        return np.eye(len(texts), 2, dtype="float32") + 0.1


def test_what_is_needed_is_asked_for():
    """Of each use alone; what an index keeps of its model, too."""
    assert len(USES["paraphrases"](Plain())) == 1
    for name, lacks in (("hard negatives", "encode_query"), ("an index", "encode_query")):
        with pytest.raises(TypeError, match=f"which has no {lacks}"):
            USES[name](Plain())
    both = Plain()
    both.encode_query = both.encode_document = both.encode
    assert USES["hard negatives"](both).keys() == {"anchor", "positive", "negative"}
    with pytest.raises(TypeError, match="which has no prompt_of_documents"):
        USES["an index"](both)

"""What a text has other than one vector by is no encoder to search with."""

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

"""`mteb` accepts an encoder, and gives it the figures that `evaluators` give."""

import oracle
import pytest

import bert_tf2
from bert_tf2.tasks import evaluators

pytestmark = pytest.mark.full
ROWS = [("rain", "tea", 1.0), ("the stone", "stone", 4.5), ("tea", "a kettle hums", 3.0)]
ROWS += [("rain", "rain and tea", 2.0), ("late", "a letter", 0.5)]


def test_a_task_of_mteb(tmp_path):
    mteb = pytest.importorskip("mteb", reason="no mteb: pip install mteb, which needs torch")
    import datasets
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb_model import MtebEncoder

    class Own(mteb.abstasks.AbsTaskSTS):
        metadata = TaskMetadata(
            name="OwnSTS",
            description="A few rows.",
            type="STS",
            dataset={"path": "own/sts", "revision": "1"},
            main_score="cosine_spearman",
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
        )
        column_names = ("sentence1", "sentence2")
        min_score, max_score = 0, 5

        def load_data(self, *args, **kwargs):
            columns = dict(zip((*self.column_names, "score"), zip(*ROWS, strict=True), strict=True))
            rows = datasets.Dataset.from_dict({n: [*column] for n, column in columns.items()})
            self.dataset, self.data_loaded = datasets.DatasetDict(test=rows), True

    encoder = oracle.tiny_task(bert_tf2.SentenceEncoder, pooling="mean")
    result = mteb.evaluate(MtebEncoder(encoder), [Own()], cache=None)
    got = result.task_results[0].scores["test"][0]
    want = evaluators.embedding_similarity(
        encoder, *zip(*ROWS, strict=True), similarity_fn_names=["cosine", "euclidean"]
    )
    for name in ("cosine", "euclidean"):
        for kind in ("pearson", "spearman"):
            assert got[f"{name}_{kind}"] == pytest.approx(want[f"{kind}_{name}"], abs=1e-5)

"""Answers in an Apache Beam pipeline, by its own `RunInference`. It needs the extra `beam`."""

try:
    import apache_beam as beam
    from apache_beam.ml.inference.base import ModelHandler, RunInference
except ImportError as error:
    raise ImportError(
        "A pipeline needs Apache Beam: pip install 'bert_tf2[beam]', or pip install apache-beam"
    ) from error

from bert_tf2.batch.answerer import Answerer

AT_ONCE = 1024  # rows that are handed to a model together, of which it makes batches of like length


class Handler(ModelHandler):
    """How Beam loads an `Answerer`, once in each process, and asks it.

    Args:
        see `Answerer`.
    """

    def __init__(self, model, batch_size=32, **settings):
        super().__init__(max_batch_size=AT_ONCE)
        self.model, self.batch_size, self.settings = str(model), batch_size, settings

    def load_model(self):
        return Answerer(self.model, self.batch_size, **self.settings)

    def run_inference(self, batch, model, inference_args=None):
        return model(list(batch))


class Answers(beam.PTransform):
    """Rows -> rows with their answers: dicts, see `Answerer`.

    Example:

    >>> rows | Answers("clf.keras") | beam.Map(json.dumps) | beam.io.WriteToText("answers.jsonl")
    """

    def __init__(self, model, batch_size=32, **settings):
        super().__init__()
        self.handler = Handler(model, batch_size, **settings)

    def expand(self, rows):
        return rows | RunInference(self.handler)

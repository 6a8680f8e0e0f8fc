"""Parts of a corpus made by an Apache Beam pipeline, on many machines. It needs the extra `beam`.

What is made of a part is a function of the part, so the files are those that one process makes.
"""

import pickle

from bert_tf2.data.corpus import workers

try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise ImportError(
        "A pipeline needs Apache Beam: pip install 'bert_tf2[beam]', or pip install apache-beam"
    ) from error


class OnBeam:
    """Makes parts in a pipeline; for `make_pretraining_data(on_beam=…)`.

    All machines must see the corpus and the folder of the outputs, under the same paths.

    Args:
        options: list of str, flags of Beam and its runner, such as ["--runner=FlinkRunner"]; or
            `PipelineOptions`. Default: the local runner.

    Example:

    >>> make_pretraining_data("corpus", "a.tfrecord", tokenizer, on_beam=OnBeam())
    """

    def __init__(self, options=()):
        given = isinstance(options, PipelineOptions)
        self.options = options if given else PipelineOptions(list(options))

    def __call__(self, job, work, planned):
        """Yields (part, its counts) in order, once the pipeline has ended."""
        planned = list(planned)
        with beam.Pipeline(options=self.options) as pipeline:
            (
                pipeline
                | "Parts" >> beam.Create([pickle.dumps(part) for part in planned])
                | "Spread" >> beam.Reshuffle()
                | "Records" >> beam.ParDo(_Record(job, work))
            )
        for part in planned:
            yield part, workers.noted(part, work)


class _Record(beam.DoFn):
    """Makes the records of a part, once however often Beam asks."""

    def __init__(self, job, work):
        super().__init__()
        self.given = job, work

    def setup(self):
        self.recording = workers.Recording(*self.given)

    def process(self, element):
        self.recording(pickle.loads(element))

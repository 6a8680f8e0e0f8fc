"""Texts with a prompt before them: what all tasks share that give vectors of texts.

Letters: B rows of a batch.
"""

from collections.abc import Mapping

import tensorflow as tf

from bert_tf2.messages import shorten
from bert_tf2.tasks.task import Task

DOCUMENTS = ("document", "passage", "corpus")  # names of the prompt of what is searched in


class Prompted(Task):
    """A task whose `encode` puts a prompt before each text: one of a name, or one that is given.

    A subclass has `encode(sentences, prompt_name, prompt, …)`.
    """

    settings = ("prompts", "default_prompt_name")
    marks = ("cut",)

    def keep_prompts(self, prompts, default):
        """Sets `prompts`, a dict of names to texts, and `default_prompt_name`.

        Raises:
            ValueError: what is no such dict, or a default that is not in it.
        """
        found = {} if prompts is None else prompts
        if not isinstance(found, Mapping) or not all(
            isinstance(text, str) for pair in found.items() for text in pair
        ):
            raise ValueError(
                f"`prompts` must be a dict of names to texts. Received: {shorten(found)}"
            )
        if default is not None and default not in found:
            raise ValueError(
                f"`default_prompt_name` must be one of {shorten([*found], 300)}. Received: "
                f"{shorten(default)}"
            )
        self.prompts, self.default_prompt_name = dict(found), default

    def prompt_of(self, name=None, prompt=None):
        """The text to put before texts: `prompt` itself, that of a name, or the default; or "".

        Raises:
            ValueError: there is no prompt of that name, or it is no str.
        """
        name = self.default_prompt_name if name is None else name
        if prompt is not None and not isinstance(prompt, str):
            raise ValueError(f"`prompt` must be a str. Received: {shorten(prompt)}")
        if prompt is not None:
            return prompt
        if name is not None and name not in self.prompts:
            raise ValueError(
                f"`prompt_name` must be one of {shorten([*self.prompts], 300)}. Received: "
                f"{shorten(name)}"
            )
        return "" if name is None else self.prompts[name]

    def prompt_of_queries(self):
        """The text that `encode_query` puts before texts where nothing is said."""
        return self.prompts.get("query", "")

    def prompt_of_documents(self):
        """The text that `encode_document` puts before texts where nothing is said."""
        return next((self.prompts[name] for name in DOCUMENTS if name in self.prompts), "")

    def encode_query(self, sentences, prompt_name=None, prompt=None, **kwargs):
        """As `encode`, of what is searched for: with the prompt "query", or none."""
        if prompt_name is None and prompt is None:
            prompt = self.prompt_of_queries()
        return self.encode(sentences, prompt_name, prompt, **kwargs)

    def encode_document(self, sentences, prompt_name=None, prompt=None, **kwargs):
        """As `encode`, of what is searched in: with the prompt "document", "passage" or "corpus",
        the first that there is, or none."""
        if prompt_name is None and prompt is None:
            prompt = self.prompt_of_documents()
        return self.encode(sentences, prompt_name, prompt, **kwargs)

    def save_to_preset(self, folder, format="bert_tf2", dtype="float32"):
        """As `Task.save_to_preset`.

        Args:
            folder: a new or empty folder.
            format: as of `weights.save`; or "sentence_transformers", which is "huggingface": that
                folder has the modules beside the encoder.
            dtype: of the stored numbers.
        """
        format = "huggingface" if format == "sentence_transformers" else format
        return super().save_to_preset(folder, format, dtype)

    # === In the graph =============================================================================

    def tokenized(self, found):
        """Columns with `text` -> the prompt, () or (B,), and ids of both, RaggedTensor (B, tokens).

        Beside `text` (B,) there may be `prompt`, the text of it, or `prompt_name`, of all rows or
        of each; "" is the default's name.

        Raises:
            ValueError: pairs of texts.
        """
        if "text_pair" in found:
            raise ValueError(
                f"A {type(self).__name__} takes single texts, a list of str. Received: pairs"
            )
        prompt = self._prompt_in_graph(found)
        return prompt, self.preprocessor.tokenizer(tf.strings.join([prompt, found["text"]]))

    def _prompt_in_graph(self, found):
        """The prompt of all rows (), or of each (B,)."""
        if "prompt" in found:
            return found["prompt"]
        if "prompt_name" not in found:
            return tf.constant(self.prompt_of())
        names, texts = ["", *self.prompts], [self.prompt_of(), *self.prompts.values()]
        named = tf.equal(found["prompt_name"][:, tf.newaxis], names)  # (B, P)
        known = f"`prompt_name` must be one of {names}, of which the first is the default"
        tf.debugging.Assert(tf.reduce_all(tf.reduce_any(named, 1)), [known, found["prompt_name"]])
        return tf.gather(texts, tf.argmax(named, 1))

    def named_strings(self):
        """{name: tf.TensorSpec} of `text` (B,) and `prompt_name` (B,), for `signatures`."""
        names = ("text", "prompt_name")
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in names}

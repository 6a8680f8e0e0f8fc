"""The tokenizer that a checkpoint needs: its class, its files and its settings."""

from typing import ClassVar

from bert_tf2 import weights


class FromCheckpoint:
    """What `Tokenizer` and its kinds share to find themselves in a checkpoint."""

    kinds: ClassVar[list[type]] = []  # of tokenizers, in the order of their definition

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if FromCheckpoint not in cls.__bases__:
            FromCheckpoint.kinds.append(cls)

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """The tokenizer of a published checkpoint (registry name) or of a folder.

        Args:
            preset: str or Path.
            **kwargs: settings that replace the checkpoint's, such as `lowercase`.

        Raises:
            ValueError: the checkpoint lacks the tokenizer's files.
        """
        return cls.from_checkpoint(weights.open_checkpoint(weights.resolve(preset)), **kwargs)

    @classmethod
    def from_checkpoint(cls, checkpoint, lowercase=None, **kwargs):
        """The tokenizer of an opened `weights.Checkpoint`; of `Tokenizer`, the class that fits it.

        Args:
            checkpoint: as from `weights.open_checkpoint`.
            lowercase: bool; None (default) takes the checkpoint's word, or else what the tokenizer
                or its vocabulary says.
            **kwargs: further settings.

        Raises:
            ValueError: the checkpoint lacks the tokenizer's files.
        """
        if FromCheckpoint in cls.__bases__:
            cls = cls.kind_of(checkpoint)
        source = checkpoint.tokenizer
        if source.refused:
            raise ValueError(source.refused)
        files = cls.find_assets(checkpoint)
        if files is None:
            raise ValueError(
                f"{cls.__name__} needs a checkpoint with a "
                f"{' and a '.join(' or '.join(names) for names in cls.asset_names)}. "
                f"Received: {checkpoint.path}, without one. Put the file beside the weights, "
                "or build the tokenizer from its path."
            )
        settings = cls.settings_of(checkpoint, source.with_settings(lowercase=lowercase))
        return cls(*files, **settings | kwargs)

    @classmethod
    def kind_of(cls, checkpoint):
        """The class of a checkpoint's tokenizer: the family's own, or else one that has its files.

        BERT may come with XLM-R's SentencePiece model, and ALBERT, in Chinese, with a `vocab.txt`.
        """
        family = checkpoint.config.family
        kinds = sorted(FromCheckpoint.kinds, key=lambda kind: family not in kind.families)
        fitting = [kind for kind in kinds if kind.find_assets(checkpoint) is not None]
        return [*fitting, *(kind for kind in kinds if family in kind.families), kinds[0]][0]

    @classmethod
    def find_assets(cls, checkpoint):
        """list of Path to the files of a checkpoint's tokenizer, or None if one is missing."""
        there = checkpoint.tokenizer.files
        found = [next((there[n] for n in names if n in there), None) for names in cls.asset_names]
        return None if None in found or not found else found

    @classmethod
    def settings_of(cls, checkpoint, source):
        """dict of the arguments that a checkpoint decides, with what the caller asked for.

        Args:
            checkpoint: the `weights.Checkpoint`.
            source: its `weights.TokenizerSource`, with the caller's settings.
        """
        names = (*cls.settings, *cls.further_settings, *cls.common_settings)
        return {name: source.settings[name] for name in names if name in source.settings}

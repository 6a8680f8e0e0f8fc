"""What a row of `works.py` says."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Work:
    """One row of the plan.

    Attributes:
        name: what `--only` takes.
        title: for people.
        kind: a function of that name in the contestants' workers.
        contestants: "peer" or "peer:variant"; the first one is what the others are compared with.
        model: a name in `materials.MODELS`, or "minilm".
        batch: a name in `materials.BATCHES`.
        dtype: "float32", in which outputs must agree, "bfloat16" or "int8".
        rounds: of `make bench`.
        quick: rounds of `make bench-quick`; 0 leaves it out.
        calls: how often the worker does the work in one round.
        copies: how many times the texts of the batch are in it.
        setup: (contestant, kind, name of the file or folder it writes in the question).
        turns: whose rounds interleave, which all are in memory then: "all" contestants'; those of
            each "peer" and ours, measured anew for each; or each is "alone".
        tolerance: how far float32 outputs may lie apart.
        aims: contestant -> least ratio of its time to ours; "share" (least, of the limit) and
            "peak" (at most, in GiB) are aims for ourselves.
        options: more for the worker's question.
        only_by_name: not part of `make bench`.
        note: a line under the table.
    """

    name: str
    title: str
    kind: str
    contestants: tuple[str, ...]
    model: str = "bert_base"
    batch: str = "sst2_16"
    dtype: str = "float32"
    rounds: int = 3
    quick: int = 0
    calls: int = 1
    copies: int = 1
    setup: tuple[tuple[str, str, str], ...] = ()
    turns: str = "peer"
    tolerance: float = 1e-3
    aims: dict[str, float] = dataclasses.field(default_factory=dict)
    options: dict = dataclasses.field(default_factory=dict)
    only_by_name: bool = False
    note: str = ""

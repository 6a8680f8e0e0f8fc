"""Reports are short enough to be read."""

from bert_tf2.weights.report import Report, fold


def test_fold_joins_layers_and_keeps_few():
    names = [f"layer_{i}/x" for i in range(12)] + [f"a.layer.{i}.y" for i in (0, 2, 5)] + ["z"]
    assert fold(names) == ["layer_{0..11}/x", "a.layer.{0,2,5}.y", "z"]
    assert fold(["layer_3/x"]) == ["layer_3/x"]
    assert fold([f"v{i}" for i in range(15)]) == [*(f"v{i}" for i in range(12)), "and 3 more"]


def test_a_clean_report_is_one_line():
    assert str(Report(loaded=["a", "b"])) == "loaded: 2 variables"


def test_everything_else_gets_its_line():
    report = Report(
        loaded=["a"],
        skipped=[("global_step", "step counter")],
        missing=["classifier/kernel", "classifier/bias"],
        unused=["odd"],
        shape_differences=[("nsp/bias", (2,), "cls/seq_relationship/output_bias", (3,))],
        nonfinite=["a"],
        warnings=["look here"],
    )
    assert str(report).splitlines() == [
        "loaded: 1 variables",
        "skipped: step counter (global_step)",
        "newly initialised: classifier/kernel, classifier/bias",
        "unknown in the file: odd",
        "different shape: nsp/bias: config says (2,), file has (3,) "
        "(cls/seq_relationship/output_bias)",
        "NaN or infinite: a",
        "warning: look here",
    ]

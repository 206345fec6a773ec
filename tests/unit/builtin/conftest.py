"""A small product in a directory, of which every figure is known by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.builtin.discover import discover
from accord.builtin.products import Subject
from accord.sdk import Context

PROJECT = """\
[project]
name = "tinytool"
version = "1.2.0"
description = "A tiny tool that counts words"
license = "MIT"
requires-python = ">=3.11"
keywords = ["count", "words"]
authors = [{name = "Ann Author"}]
classifiers = ["Development Status :: 4 - Beta", "Programming Language :: Python :: 3.11"]
dependencies = ["packaging", "no-such-thing-at-all; python_version > '3'", "never ; python_version < '3'"]

[project.urls]
Documentation = "https://docs.example.org"

[project.scripts]
tiny = "tinytool:main"

[project.optional-dependencies]
fast = ["uvloop"]

[build-system]
build-backend = "hatchling.build"
"""

INIT = '''\
"""Counts words."""
from tinytool.count import words
__all__ = ["words"]
'''

COUNT = (
    '''\
"""How to count."""
import pickle
import tinytool.store


def words(text: str, least: int = 1) -> int:
    """Words of `text`."""
    # TO'''
    + """DO: hyphens
    return len([word for word in text.split() if len(word) >= least])


def load(data, seen=[]):
    try:
        return pickle.loads(data)
    except:
        return None
"""
)

STORE = """\
import tinytool.count
"""

TEST = """\
import pytest
from tinytool import words

def test_words():
    assert words("a b") == 2
    with pytest.raises(TypeError):
        words(None)
"""

FILES = {
    "pyproject.toml": PROJECT,
    "CHANGELOG.md": "# Changes\n\n## 1.2.0 (2024-05-06)\n\n- words\n",
    "README.md": "# tinytool\n\nCounts words in text.\n",
    "src/tinytool/__init__.py": INIT,
    "src/tinytool/count.py": COUNT,
    "src/tinytool/store.py": STORE,
    "src/tinytool/py.typed": "",
    "src/tinytool/broken.py": "def oops(:\n",
    "tests/test_words.py": TEST,
}


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    root = tmp_path / "tinytool"
    for path, content in FILES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


@pytest.fixture
def subject(tool: Path) -> Subject:
    return Subject(product=discover([str(tool)]).products[0])


@pytest.fixture
def context() -> Context:
    return Context.for_test()

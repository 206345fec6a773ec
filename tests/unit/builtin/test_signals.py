"""Every rule finds what it should, and leaves alone what only looks like it."""

from __future__ import annotations

import pytest

from accord.builtin.licences import class_of, licence_of
from accord.builtin.signals import RULES, python_signals, text_signals
from accord.builtin.syntax import parse

FOUND = [
    ("eval(x)", "dynamic-code"),
    ("import os\nos.system(x)", "shell-command"),
    ("from subprocess import run as go\ngo(x, shell=True)", "shell-command"),
    ("import asyncio\nasyncio.create_subprocess_shell(x)", "shell-command"),
    ("import pickle as p\np.loads(x)", "unsafe-loading"),
    ("import yaml\nyaml.load(x)", "unsafe-loading"),
    ("import requests\nrequests.get(x, verify=False)", "tls-not-verified"),
    ("try: pass\nexcept: pass", "bare-except"),
    ("try: pass\nexcept Exception: pass", "swallowed-error"),
    ("def f(x={}): pass", "mutable-default"),
    ("def f(*, x=list()): pass", "mutable-default"),
    ("import tempfile\ntempfile.mktemp()", "predictable-temporary-file"),
    ("import hashlib\nhashlib.md5(x)", "weak-hash"),
    ("assert x", "assert-outside-tests"),
]
LEFT_ALONE = [
    "eval('1 + 1')",
    "frame.eval(x)",
    "import re\nre.compile(x)",
    "import subprocess\nsubprocess.run(x, shell=False)",
    "import json\njson.loads(x)",
    "import yaml\nyaml.load(x, Loader=yaml.SafeLoader)",
    "import yaml\nyaml.safe_load(x)",
    "try: pass\nexcept:\n  log()\n  raise",
    "try: pass\nexcept ValueError: pass",
    "def f(x=(), y=None, z=1): pass",
    "import hashlib\nhashlib.md5(x, usedforsecurity=False)",
]


@pytest.mark.parametrize(("source", "rule"), FOUND)
def test_python_rule_finds(source: str, rule: str) -> None:
    assert rule in {one.rule for one in python_signals(parse(source))}
    assert rule in RULES


@pytest.mark.parametrize("source", LEFT_ALONE)
def test_python_rules_leave_alone(source: str) -> None:
    assert python_signals(parse(source)) == []


def test_assert_is_what_a_test_should_use() -> None:
    assert python_signals(parse("assert x"), test=True) == []
    assert python_signals(parse("import pytest\nassert x")) == []


RANDOM = "q7Rz" + "2mX9kLw" + "4TbV8sJ"
SECRETS = [
    f'password = "{RANDOM}"',
    f'"api_key": "{RANDOM}",',
    f"SECRET_KEY: str = '{RANDOM}'",
    "id = 'AKIA" + "ABCDEFGHIJKLMNOP'",
    "-----BEGIN " + "PRIVATE KEY-----\n" + "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0w",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_found_and_not_repeated(text: str) -> None:
    (found,) = text_signals("first line\n" + text)
    assert (found.rule, found.line) == ("hard-coded-secret", 2)
    assert RANDOM not in found.message


@pytest.mark.parametrize(
    "text",
    [
        'password = "correct horse battery"',
        'password = "change-me-please-1"',
        'token = "${TOKEN_FROM_ENV_1}"',
        "password = os.environ['X']",
        'MARK = "-----BEGIN ' + 'PRIVATE KEY-----"',
        "TO" + "DO = 1",
    ],
)
def test_what_only_looks_like_a_secret_or_task(text: str) -> None:
    assert text_signals(text) == []


def test_open_tasks_in_several_languages() -> None:
    word = "TO" + "DO"
    text = f"# {word} a\nx = 1  // FIX" + f"ME b\n\n<!-- {word}: c -->\n-- HA" + "CK\n"
    assert [one.line for one in text_signals(text)] == [1, 2, 4, 5]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", "permissive"),
        ("Apache-2.0 OR GPL-3.0-only", "permissive"),
        ("Apache-2.0 AND GPL-3.0-only", "strong copyleft"),
        ("MPL-2.0", "weak copyleft"),
        ("LGPL-3.0-or-later", "weak copyleft"),
        ("AGPL-3.0-only", "strong copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "weak copyleft"),
        ("(MIT AND (GPL-2.0-only OR BSD-3-Clause))", "permissive"),
        ("LicenseRef-Own", "unknown"),
        ("MIT AND", "unknown"),
        ("(MIT", "unknown"),
        (None, "unknown"),
    ],
)
def test_classes_of_licences(expression: str | None, expected: str) -> None:
    assert class_of(expression) == expected


def test_the_best_source_of_a_licence_wins() -> None:
    mit = ["License :: OSI Approved :: MIT License"]
    assert licence_of("Apache-2.0", mit, "BSD", None).expression == "Apache-2.0"
    assert licence_of(None, mit, "something", None).source == "classifier"
    vague = licence_of(None, ["License :: OSI Approved :: BSD License"], "BSD-2-Clause", None)
    assert (vague.expression, vague.certain) == ("BSD-2-Clause", True)
    guessed = licence_of(None, [], None, "Permission is hereby granted, free of charge, to any person")
    assert (guessed.expression, guessed.source, guessed.certain) == ("MIT", "licence file", False)
    assert licence_of(None, [], None, None).licence_class == "unknown"

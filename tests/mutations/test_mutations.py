"""Mistakes of one line on the data path are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.run import ROOT, Mutation, copied, listed, try_one

MUTATIONS = listed()


def name_of(mutation: Mutation) -> str:
    return mutation.name


def test_mutations_are_as_many_as_they_should_be():
    assert len(MUTATIONS) >= 24


@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_line_to_mutate_is_still_there(mutation: Mutation):
    text = (ROOT / mutation.file).read_text()
    mutated = mutation.applied(text)
    assert mutated != text
    if mutation.file.endswith(".py"):
        compile(mutated, mutation.file, "exec")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_tests_that_must_notice_are_still_there(mutation: Mutation):
    assert mutation.tests
    for test in mutation.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).exists()
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / path).read_text()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("mutations"))


@pytest.mark.full
@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_mutation_turns_a_test_red(mutation: Mutation, tree: Path):
    assert try_one(tree, mutation) == ""

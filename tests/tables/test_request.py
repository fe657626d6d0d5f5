"""Table requests: what callers may write, and goals in the place of specs."""

from __future__ import annotations

import pytest

from edgeemb.errors import SpecError
from edgeemb.tables.goal import Goal, parse_goal
from edgeemb.tables.request import TableRequest, Tables, read_tables
from edgeemb.tables.spec import parse_spec

INT4, INT8 = parse_spec("int4:block=32"), parse_spec("int8")


@pytest.mark.parametrize(
    ("wanted", "request_"),
    [
        ("int8", TableRequest(bare=INT8)),
        ((), TableRequest()),
        (["int8", "position=int4:block=32"], TableRequest({"position": INT4}, INT8)),
        ({"word": "int4:block=32", "type": "int8"}, TableRequest({"word": INT4, "type": INT8})),
        ("layers.0/word-table=int8", TableRequest({"layers.0/word-table": INT8})),
        ("mixed:20=int8,*=int8", TableRequest(bare=parse_spec("mixed:20=int8,*=int8"))),
        (["type=int8", "auto:cosine=.9"], TableRequest({"type": INT8}, None, Goal(cosine=0.9))),
        (
            {"word": "auto:budget=2MB", "type": "int8"},
            TableRequest({"type": INT8}, None, Goal(budget=2_000_000), "word"),
        ),
        (
            ["item=auto:cosine=.9", "int8"],
            TableRequest({}, INT8, Goal(cosine=0.9), "item"),
        ),
    ],
)
def test_reads_what_a_caller_may_write(wanted: Tables, request_: TableRequest) -> None:
    assert read_tables(wanted) == request_


@pytest.mark.parametrize(
    "wanted", ["int8", ["position=int8", "int4:block=32"], ["word=auto:budget=2MB", "type=int8"]]
)
def test_is_read_back_from_its_own_text(wanted: Tables) -> None:
    request = read_tables(wanted)
    assert read_tables(str(request).split()) == request


def test_says_the_same_for_the_same_request_in_another_order() -> None:
    assert str(read_tables(["a=int8", "b=fp16"])) == str(read_tables({"b": "fp16", "a": "int8"}))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["int8", "int4"], "two specs without a table's name ('int8' and 'int4')"),
        (["word=int8", "word=int4"], "two specs for table 'word'"),
        (["auto:cosine=.9", "int4"], "auto and 'int4' are both for the word table"),
        (["word=auto:cosine=.9", "word=int4"], "auto and 'int4' are both for table 'word'"),
        (["auto:cosine=.9", "type=auto:cosine=.9"], "auto is given for two tables"),
        (["word=int5"], "codec 'int5' is not known"),
        ({"word": "int8:block=x"}, "block=x is not a number"),
        ("word=", "not a codec name"),
    ],
)
def test_refuses_what_no_table_could_have(wanted: Tables, said: str) -> None:
    with pytest.raises(SpecError) as error:
        read_tables(wanted)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("auto:budget=2MB", Goal(budget=2_000_000)),
        ("auto:budget=1.5MiB", Goal(budget=1_572_864)),
        ("auto:budget=800kB", Goal(budget=800_000)),
        ("auto:budget=3KiB", Goal(budget=3072)),
        ("auto:budget=900", Goal(budget=900)),
        ("auto:budget=900bytes", Goal(budget=900)),
        ("auto:cosine=.99", Goal(cosine=0.99)),
        ("int4:block=32", None),
    ],
)
def test_reads_goals(text: str, goal: Goal | None) -> None:
    assert parse_goal(text) == goal


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("auto", "needs a budget or a cosine"),
        ("auto:", "needs a budget or a cosine"),
        ("auto:size=2", "needs a budget or a cosine"),
        ("auto:budget=", "is not a size"),
        ("auto:budget=2QB", "is not a size"),
        ("auto:budget=0", "is not a size"),
        ("auto:budget=2MB,cosine=.9", "is not a size"),
        ("auto:cosine=1.5", "a cosine is above 0"),
        ("auto:cosine=nan", "a cosine is above 0"),
        ("auto:cosine=high", "a cosine is above 0"),
    ],
)
def test_refuses_goals_that_mean_nothing(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse_goal(text)

"""What is found in model text: the program it states, or the problem it invents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.extract import Proposal, lines, program, proposal, unfinished, without_special_tokens

STUB = 'import math\n\ndef area(r):\n    """The area of a circle (r > 0).\n\n    It\'s "exact" enough.\n    """\n'
BODY = "    if r < 0:\n        raise ValueError('r')\n    return math.pi * r * r\n"


def value(text: str) -> float:
    space: dict[str, object] = {}
    exec(text, space)
    return space["area"](2)  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize(
    "completion",
    [
        BODY,
        BODY.rstrip(),
        BODY + "\nprint(area(undefined))\n",
        BODY + "\nassert area(1) > 4\n# solve\ndef area(r",
        BODY + "<|im_end|>\nuser\nmore",
        BODY + "\nThe function returns the area of a circle, doesn't it?",
        BODY.replace("\n", "\r\n"),
        STUB + BODY,
        "def area(r):\n" + BODY,
        f"```python\n{STUB}{BODY}```\nIt works like this.",
        f"Sure! Here is it:\n\n```python\ndef area(r):\n{BODY}```",
        f"```\ndef area(r):\n{BODY}",
        f"```python\n{BODY}```",
        f"First a test:\n```python\nprint(area(1))\n```\nthen\n```python\ndef area(r):\n{BODY}```",
        "return math.pi * r * r",
        "x = r * r\n    return math.pi * x",
        "x = r * r\nreturn math.pi * x",
        "```python\nx = r * r\nreturn math.pi * x\n```",
        "    return helper(r)\n\ndef helper(r):\n    return math.pi * r * r\n\nif __name__ == '__main__':\n    exit()",
        "def helper(r):\n    return math.pi * r * r\n\nHere it is used.\n\ndef area(r):\n    return helper(r)\n\nDone.",
        '    text = """\nnot indented (\n"""\n    return math.pi * r * r\n',
        "    return (math.pi *\nr * r)\n",
        f"{BODY}```\n\nThis works, as `area(1)` shows:\n```python\nprint(area(1))\n```",
        f"def area(r):\n{BODY}```\nDone.",
        f"Complete this:\n```python\n{STUB}```\nHere it is:\n```python\n{STUB}{BODY}```",
        f"Here it is: ```python\n{STUB}{BODY}```",
        f"```python {{.numberLines}}\ndef area(r):\n{BODY}```",
        f'```python\ndef area(r):\n    """Area.\n\n    ```\n    area(1)\n    ```\n    """\n{BODY}```',
        f"    def area(r):\n{BODY.replace('    ', '        ')}".replace("\n    def", "\ndef"),
        f"TIMES = []\nfor i in range(3):\n    TIMES.append(i)\n\ndef area(r):\n{BODY}",
        f"import sys\nsys.setrecursionlimit(9999)\n\ndef area(r):\n{BODY}",
        f"import functools\n\n@functools.lru_cache\n@functools.wraps(print)\ndef area(r):\n{BODY}",
        f"```python\n{STUB}{BODY}\nif __name__ == '__main__':\n    print(area(undefined))\n```",
        f"{BODY}<|eot_id|><|start_header_id|>user",
        f"{BODY}</s>",
        f"[BEGIN]\ndef area(r):\n{BODY}[DONE]\n",
        "squares = [r * r]\n    return math.pi * squares[0]",
        "print(r)\n    return math.pi * r * r",
        BODY.replace("    ", "\t"),
    ],
)
def test_a_right_answer_is_found_however_it_is_wrapped(completion: str) -> None:
    assert value(program(STUB, "area", completion)) == pytest.approx(12.566370614359172)


@pytest.mark.parametrize("completion", ["", "  \n\n", "<|im_end|>"])
def test_where_there_is_no_code_none_is_found(completion: str) -> None:
    assert program(STUB, "area", completion) == ""


@given(st.text(st.sampled_from("ab ()[]{}\"'#\\\n:=\t`\x00é"), max_size=80))
def test_any_text_is_read_without_failing_and_lines_keep_it_whole(text: str) -> None:
    assert "\n".join(line.text for line in lines(text)) == text.removesuffix("\n")
    program(STUB, "area", text)
    proposal(text)


@given(st.text(max_size=200))
def test_any_unicode_is_read_without_failing(text: str) -> None:
    program(STUB, "area", text)
    proposal(text)


@pytest.mark.parametrize(
    "text",
    ["@\n", "```\n", '"""\n```\n', ":#", "def area(r):\n", "x = (\n", "    [", " \n", "\\\n", "if:\n", ".```"],
)
def test_a_long_text_that_means_harm_is_read_in_passing(text: str) -> None:
    """What takes time beyond all measure ends in the limit of the test run."""
    for prompt, name in ((STUB, "area"), ("In words.", "area"), ("", "")):
        program(prompt, name, text * (150_000 // len(text)))
    unfinished(text * (150_000 // len(text)))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("def f(x):\n    return (x +", True),
        ('def f(x):\n    """Return', True),
        ("def f(x):\n    if x:", True),
        ("def f(x):\n    return x and", True),
        ("def f(x):\n    return x  # and", False),
        ("def f(x):\n    return 'a:'\n", False),
        ("The function works.", False),
        ("", False),
    ],
)
def test_a_text_that_ends_in_the_middle_is_told_from_one_that_does_not(text: str, cut: bool) -> None:
    assert unfinished(text) is cut


def test_a_special_token_at_the_very_beginning_is_passed_over() -> None:
    assert without_special_tokens("<|start|>def f") == "def f"


INVENTED = (
    'def twice(x):\n    """Return twice x."""\n    y = x\n    return y + x\n'
    "assert twice(1) == 2\nassert twice(0) == 0\nassert twice(-3) == -6"
)


def test_a_proposal_is_a_stub_a_body_and_asserts() -> None:
    found = proposal(INVENTED)
    assert isinstance(found, Proposal)
    assert found.stub == 'def twice(x):\n    """Return twice x."""\n'
    assert found.body == "    y = x\n    return y + x"
    assert found.asserts == ("assert twice(1) == 2", "assert twice(0) == 0", "assert twice(-3) == -6")


def test_imports_are_kept_and_the_stub_never_leaks_the_reference() -> None:
    text = (
        "Here is one.\n```python\nimport math\nfrom os import path\n\ndef area(r, *,\n         exact=True):\n"
        '    """Return the area.\n\n    Of a circle.\n    """\n    secret = math.pi\n    return secret * r * r\n```\n'
        "```python\nassert area(0) == 0\nassert area(1) > 3\nassert area(\n    2) > 12\n```"
    )
    found = proposal(text)
    assert isinstance(found, Proposal)
    assert found.stub.startswith("import math\nfrom os import path\ndef area(r, *,\n         exact=True):\n")
    assert found.stub.endswith('    Of a circle.\n    """\n')
    assert "secret" not in found.stub
    assert len(found.asserts) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no function"),
        ("assert f(1)", "no function"),
        (INVENTED.replace('    """Return twice x."""\n', ""), "no docstring"),
        (INVENTED.replace('x."""', "x."), "no docstring"),
        (INVENTED.replace("    y = x\n    return y + x\n", ""), "no body"),
        (INVENTED.replace("\nassert twice(0) == 0", ""), "too few asserts"),
        (INVENTED.replace("assert twice(", "assert thrice("), "asserts call something else"),
        (INVENTED.replace("assert twice(0) == 0", "assert twice(1) == 2"), ""),
    ],
)
def test_what_is_no_problem_is_rejected_by_name(text: str, reason: str) -> None:
    found = proposal(text)
    assert found == reason if reason else isinstance(found, Proposal)

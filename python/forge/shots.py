r"""Worked examples, written for forge: what a few-shot prompt puts before the problem that it asks.

Problems and answers for each kind of problem (`prompts.Kind`). None is, or repeats, a problem of a benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping

INVENTION = '''# A short Python problem: a function with a docstring and its body, then three asserts.

def count_vowels(text):
    """Return how many of the characters of text are vowels."""
    return sum(character in "aeiou" for character in text.lower())

assert count_vowels("Banana") == 3
assert count_vowels("") == 0
assert count_vowels("xyz") == 0

# Another short Python problem: a function with a docstring and its body, then three asserts.

'''
"""A problem with its answer and its tests, and the beginning of another."""

_STUBS = (
    (
        '''def minutes_between(start, end):
    """Return how many minutes lie between two times of one day, each written like "09:45".

    >>> minutes_between("09:45", "11:00")
    75
    """
''',
        """    def minutes(time):
        hours, rest = time.split(":")
        return 60 * int(hours) + int(rest)

    return minutes(end) - minutes(start)
""",
    ),
    (
        '''def frame(width, height):
    """Return the lines of a rectangle that is drawn with "#" and empty inside."""
''',
        """    edge = "#" * width
    middle = edge if width < 3 else "#" + " " * (width - 2) + "#"
    return [edge if row in (0, height - 1) else middle for row in range(height)]
""",
    ),
)

_WORDS = (
    (
        '''"""
Write a function that tells whether a parcel fits into a box, turned as it may be; both are given by three sides.
assert fits((1, 2, 3), (3, 1, 2)) == True
assert fits((4, 1, 1), (3, 3, 3)) == False
"""
''',
        """def fits(parcel, box):
    return all(side <= room for side, room in zip(sorted(parcel), sorted(box)))
""",
    ),
    (
        '''"""
Write a function that names the seats of a row.
assert seat_names("C", 3) == ["C1", "C2", "C3"]
assert seat_names("F", 0) == []
"""
''',
        """def seat_names(row, seats):
    return [f"{row}{number}" for number in range(1, seats + 1)]
""",
    ),
)

_PROGRAMS = (
    (
        '''"""
Eggs are sold in boxes of six. The first line holds the number of orders, each line after it how many eggs are wanted.
Print for each order how many boxes it takes.

Read from standard input and print the answer.
"""
''',
        """orders = int(input())
for _ in range(orders):
    eggs = int(input())
    print((eggs + 5) // 6)
""",
    ),
    (
        '''"""
The only line holds the names of the guests in the order in which they came. Print who came first and who came last.

Read from standard input and print the answer.
"""
''',
        """guests = input().split()
print(guests[0], guests[-1])
""",
    ),
)

_QUESTIONS = (
    (
        "A baker fills 6 trays with 8 rolls each and sells 35 of the rolls. How many rolls are left?",
        "6 trays of 8 rolls are 6 * 8 = 48 rolls. When 35 of them are sold, 48 - 35 = 13 rolls are left.\n#### 13",
    ),
    (
        "A jug that is half full holds $\\frac{3}{4}$ of a litre. How much is in it when it is three fifths full?",
        "The full jug holds $2 \\cdot \\frac{3}{4} = \\frac{3}{2}$ litres, and three fifths of that are "
        "$\\frac{3}{5} \\cdot \\frac{3}{2} = \\frac{9}{10}$ litres.\n#### \\frac{9}{10}",
    ),
    (
        "For which $x$ is $2x + 7 = y$?",
        "Taking 7 from both sides gives $2x = y - 7$, and halving both gives $x = \\frac{y - 7}{2}$.\n"
        "#### \\frac{y - 7}{2}",
    ),
)

SHOTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "stub": _STUBS,
    "words": _WORDS,
    "program": _PROGRAMS,
    "question": _QUESTIONS,
}
"""For each kind of problem, prompts with the completion that a raw format wants for them."""

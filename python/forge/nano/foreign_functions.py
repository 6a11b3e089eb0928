"""Small functions that have nothing to do with the embedded model's family, as templates.

Each has its body in loop style, constants written `K` (with the values it may take) and `M` (always `K` + 6), and the
arguments of its asserts. Expected values are not stated: `foreign` computes them from the function.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """A function's head and docstring, its body, the arguments to try and the values of its constants."""

    head: str
    docstring: str
    body: str
    arguments: tuple[str, ...]
    constants: tuple[int, ...] = (0,)


def _template(head: str, docstring: str, body: str, arguments: str, constants: tuple[int, ...] = (0,)) -> Template:
    return Template(head, docstring, body.strip("\n"), tuple(arguments.split(" | ")), constants)


_NUMBERS = "0 | 1 | 2 | 5 | 7 | 12"
_LISTS = "[] | [4] | [3, 1, 2] | [5, 5, 1, 9] | [-2, 8, 0, 7, 7]"
_TEXTS = "'' | 'a' | 'abc' | 'Hello World' | 'level' | 'xyz zyx'"

TEMPLATES: tuple[Template, ...] = (
    _template("factorial(n)", "Multiply together all whole numbers up to n.", """
    product = 1
    for factor in range(2, n + 1):
        product = product * factor
    return product
""", _NUMBERS),
    _template("gcd(a, b)", "Find the greatest common divisor of two whole numbers.", """
    while b != 0:
        a, b = b, a % b
    return a
""", "12, 18 | 7, 5 | 0, 9 | 100, 75 | 6, 6"),
    _template("caesar(text)", "Shift every lower case letter K places along the alphabet.", """
    shifted = ""
    for letter in text:
        if "a" <= letter <= "z":
            place = (ord(letter) - 97 + K) % 26
            shifted = shifted + chr(place + 97)
        else:
            shifted = shifted + letter
    return shifted
""", _TEXTS, (1, 2, 3, 5, 13)),
    _template("fizzbuzz(n)", "Say fizz for multiples of K, buzz for multiples of 7, both or else the number.", """
    word = ""
    if n % K == 0:
        word = word + "fizz"
    if n % 7 == 0:
        word = word + "buzz"
    if word == "":
        word = str(n)
    return word
""", "1 | 3 | 4 | 7 | 10 | 21 | 28 | 35", (2, 3, 4, 5)),
    _template("is_prime(n)", "Tell whether n is a prime.", """
    if n < 2:
        return False
    divisor = 2
    while divisor * divisor <= n:
        if n % divisor == 0:
            return False
        divisor = divisor + 1
    return True
""", "0 | 1 | 2 | 4 | 9 | 17 | 25 | 29"),
    _template("fibonacci(n)", "Compute the Fibonacci number at place n, starting from 0 and K.", """
    first, second = 0, K
    for step in range(n):
        first, second = second, first + second
    return first
""", _NUMBERS, (1, 2, 3)),
    _template("is_palindrome(text)", "Check whether text reads the same in both directions.", """
    left, right = 0, len(text) - 1
    while left < right:
        if text[left] != text[right]:
            return False
        left = left + 1
        right = right - 1
    return True
""", _TEXTS),
    _template("count_vowels(text)", "Count how many letters of text are vowels.", """
    total = 0
    for letter in text.lower():
        if letter in "aeiou":
            total = total + 1
    return total
""", _TEXTS),
    _template("power(base)", "Raise base to the exponent K by repeated multiplication.", """
    answer = 1
    for step in range(K):
        answer = answer * base
    return answer
""", "0 | 1 | 2 | 3 | -2", (2, 3, 4, 5)),
    _template("collatz_steps(n)", "Count the steps of the Collatz rule from n down to 1.", """
    steps = 0
    while n > 1 and steps < 200:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps = steps + 1
    return steps
""", "1 | 2 | 3 | 6 | 7 | 16"),
    _template("binary(n)", "Write n in the number system of base K.", """
    figures = ""
    while n > 0:
        figures = str(n % K) + figures
        n = n // K
    if figures == "":
        return "0"
    return figures
""", "0 | 1 | 5 | 8 | 13 | 100", (2, 3, 4, 7)),
    _template("digit_total(n)", "Add up the decimal figures of a whole number.", """
    total = 0
    while n > 0:
        total = total + n % 10
        n = n // 10
    return total
""", "0 | 7 | 10 | 99 | 405 | 12345"),
    _template("second_largest(items)", "Pick the second greatest entry, or None where fewer than two differ.", """
    best, second = None, None
    for item in items:
        if best is None or item > best:
            second = best
            best = item
        elif item != best and (second is None or item > second):
            second = item
    return second
""", _LISTS),
    _template("running_totals(items)", "Replace every entry by the total so far, starting from K.", """
    total = K
    totals = []
    for item in items:
        total = total + item
        totals.append(total)
    return totals
""", _LISTS, (0, 1, 5, 10)),
    _template("bubble_sorted(items)", "Put the entries into rising order by swapping neighbours.", """
    items = list(items)
    for end in range(len(items), 0, -1):
        for place in range(end - 1):
            if items[place] > items[place + 1]:
                items[place], items[place + 1] = items[place + 1], items[place]
    return items
""", _LISTS),
    _template("binary_search(items, wanted)", "Find the place of wanted in a rising list, or -1.", """
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1
""", "[], 3 | [3], 3 | [1, 4, 6, 9], 9 | [1, 4, 6, 9], 5 | [2, 3, 5, 7, 11], 2"),
    _template("is_leap_year(year)", "Tell whether a year of the Gregorian calendar has 366 days.", """
    if year % 400 == 0:
        return True
    if year % 100 == 0:
        return False
    return year % 4 == 0
""", "1900 | 2000 | 2023 | 2024 | 2100 | 2400"),
    _template("chunks(items)", "Cut a list into pieces of K entries; the last may be shorter.", """
    pieces = []
    start = 0
    while start < len(items):
        pieces.append(items[start:start + K])
        start = start + K
    return pieces
""", _LISTS, (1, 2, 3, 4)),
    _template("rotate(items)", "Move the first K entries to the end of the list.", """
    for step in range(K):
        if len(items) > 0:
            items = items[1:] + items[:1]
    return items
""", _LISTS, (1, 2, 3)),
    _template("title_words(text)", "Write every word of more than K letters with a capital.", """
    words = []
    for word in text.split():
        if len(word) > K:
            word = word[0].upper() + word[1:].lower()
        words.append(word)
    return " ".join(words)
""", _TEXTS + " | 'a quick brown fox is in'", (1, 2, 3)),
    _template("run_lengths(text)", "Describe text as pairs of a letter and how often it repeats in a row.", """
    runs = []
    for letter in text:
        if runs and runs[-1][0] == letter:
            runs[-1][1] = runs[-1][1] + 1
        else:
            runs.append([letter, 1])
    return runs
""", "'' | 'a' | 'aab' | 'abbbcc' | 'zzzz'"),
    _template("hamming(first, second)", "Count the places at which two words of one length differ.", """
    differences = 0
    for place in range(len(first)):
        if first[place] != second[place]:
            differences = differences + 1
    return differences
""", "'', '' | 'abc', 'abd' | 'night', 'light' | 'ab', 'ba' | 'same', 'same'"),
    _template("triangle(a, b, c)", "Name the kind of triangle with these sides.", """
    if a + b <= c or a + c <= b or b + c <= a:
        return "none"
    if a == b and b == c:
        return "equilateral"
    if a == b or b == c or a == c:
        return "isosceles"
    return "scalene"
""", "3, 3, 3 | 3, 4, 5 | 2, 2, 3 | 1, 2, 3 | 5, 3, 3 | 3, 5, 3"),
    _template("clamp(value)", "Keep a value inside the range from K to M.", """
    if value < K:
        return K
    if value > M:
        return M
    return value
""", "-5 | 0 | 1 | 3 | 9 | 10 | 40", (0, 1, 2, 3)),
    _template("grade(points)", "Turn points out of 100 into a letter; the best begins at K.", """
    if points >= K:
        return "A"
    if points >= 60:
        return "B"
    if points >= 40:
        return "C"
    return "F"
""", "0 | 39 | 40 | 60 | 80 | 90 | 100", (70, 80, 85, 90)),
    _template("interest(amount)", "Grow an amount by K percent a year for three years, in whole units.", """
    for year in range(3):
        amount = amount + amount * K // 100
    return amount
""", "0 | 100 | 250 | 999 | 1000", (2, 5, 10, 20)),
    _template("flatten(rows)", "Join a list of lists into one list.", """
    flat = []
    for row in rows:
        for item in row:
            flat.append(item)
    return flat
""", "[] | [[1]] | [[1, 2], [3]] | [[], [4], [5, 6]] | [[7, 7], []]"),
    _template("transpose(rows)", "Swap rows and columns of a table.", """
    columns = []
    if len(rows) == 0:
        return columns
    for place in range(len(rows[0])):
        column = []
        for row in rows:
            column.append(row[place])
        columns.append(column)
    return columns
""", "[] | [[1]] | [[1, 2], [3, 4]] | [[1, 2, 3]] | [[1], [2]]"),
    _template("polynomial(x)", "Evaluate x squared plus K times x plus M.", """
    value = 1
    for coefficient in [K, M]:
        value = value * x + coefficient
    return value
""", "0 | 1 | 2 | -3 | 10", (1, 2, 4, 6)),
    _template("perfect(n)", "Tell whether n equals the total of its smaller divisors.", """
    total = 0
    for divisor in range(1, n):
        if n % divisor == 0:
            total = total + divisor
    return n > 0 and total == n
""", "0 | 1 | 6 | 12 | 28 | 30"),
    _template("change(cents)", "Pay an amount with the fewest coins of K, 5 and 1.", """
    coins = 0
    for coin in [K, 5, 1]:
        coins = coins + cents // coin
        cents = cents % coin
    return coins
""", "0 | 1 | 4 | 9 | 37 | 100", (10, 20, 25, 50)),
    _template("balanced(text)", "Tell whether the round brackets in text match.", """
    depth = 0
    for letter in text:
        if letter == "(":
            depth = depth + 1
        if letter == ")":
            depth = depth - 1
        if depth < 0:
            return False
    return depth == 0
""", "'' | '()' | '(()' | ')(' | '(())()' | '(a)b)'"),
    _template("merge(left, right)", "Merge two rising lists into one rising list.", """
    merged = []
    i, j = 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i = i + 1
        else:
            merged.append(right[j])
            j = j + 1
    return merged + left[i:] + right[j:]
""", "[], [] | [1], [] | [1, 3], [2] | [2, 2], [1, 5] | [4], [0, 9]"),
    _template("clock(minutes)", "Write minutes after midnight as hours and minutes, K hours ahead.", """
    hours = (minutes // 60 + K) % 24
    minutes = minutes % 60
    text = str(minutes)
    if len(text) < 2:
        text = "0" + text
    return str(hours) + ":" + text
""", "0 | 5 | 59 | 60 | 754 | 1439", (0, 1, 2, 5, 9)),
    _template("longest_word(text)", "Pick the longest word; the earliest of equals.", """
    best = ""
    for word in text.split():
        if len(word) > len(best):
            best = word
    return best
""", _TEXTS + " | 'one three seven'"),
    _template("manhattan(a, b)", "Measure the distance between two points along the axes, scaled by K.", """
    distance = 0
    for place in range(2):
        step = a[place] - b[place]
        if step < 0:
            step = -step
        distance = distance + K * step
    return distance
""", "[0, 0], [0, 0] | [1, 2], [3, 4] | [5, -1], [2, 2] | [-3, 0], [0, 7]", (1, 2, 3)),
)  # fmt: skip

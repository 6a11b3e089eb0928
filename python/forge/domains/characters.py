"""Characters that people and models write instead of LaTeX, and what they stand for."""

# ruff: noqa: RUF001 (characters that look like others are what this file is about)

from __future__ import annotations

import re
import unicodedata

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta", "λ": "lambda", "μ": "mu",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "ω": "omega", "Δ": "Delta", "Ω": "Omega",
}  # fmt: skip
_SIGNS = {
    "×": "times", "·": "cdot", "⋅": "cdot", "∙": "cdot", "∞": "infty", "≤": "le", "⩽": "le", "≥": "ge", "⩾": "ge",
    "≠": "ne", "∪": "cup", "∩": "cap", "∈": "in", "±": "pm", "∓": "mp", "∅": "emptyset", "ℝ": "mathbb{R}",
    "…": "ldots", "⋯": "ldots", "≈": "approx", "∖": "setminus",
}  # fmt: skip
_CHARACTERS = str.maketrans(
    {character: f"\\{name} " for character, name in (_GREEK | _SIGNS).items()}
    | dict.fromkeys("−–—﹣－‐‑", "-")
    | dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
    | {"÷": "/", "⁄": "/", "∕": "/", "°": "^\\circ ", "º": "^\\circ ", "＄": "$", "％": "%", "’": "'", "′": "'"}
    | {"½": "\\frac{1}{2}", "⅓": "\\frac{1}{3}", "⅔": "\\frac{2}{3}", "¼": "\\frac{1}{4}", "¾": "\\frac{3}{4}"}
    | {"\ue000": " ", "\ue001": " ", "⟨": "\\langle ", "⟩": "\\rangle "}
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_RAISES = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+")
_ROOT = re.compile(r"√\s*(\d+|[A-Za-z])")


def as_latex(text: str) -> str:
    """A text in LaTeX's own characters, without those that cannot be seen."""
    if text.isascii():
        return text
    text = _RAISES.sub(lambda match: f"^{{{match.group().translate(_RAISED)}}}", text)
    text = _ROOT.sub(r"\\sqrt{\1}", text).replace("√", "sqrt")
    return unicodedata.normalize("NFKC", text.translate(_CHARACTERS))

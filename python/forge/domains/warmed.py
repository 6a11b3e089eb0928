r"""The comparison of `algebra`, ready to run: what it needs the first time, it has done when this is imported.

Only the sandbox imports this, once for all the copies in which answers are compared: SymPy fills its tables and
caches, and the larger grammar builds its automaton, which would take each copy a tenth of a second and more.
"""

from forge.domains.algebra import same

EXAMPLES = (
    (r"\sqrt{20}+\frac{1}{7}", r"2\sqrt{5}+1/7"),
    (r"\sqrt{\frac{9973}{2}}+\sqrt[3]{7919}", r"3\pi e^{2}"),
    (r"\frac{1+\sqrt{5}}{2}", r"\frac{2}{\sqrt{5}-1}"),
    (r"x^{2}+2x+1", r"(x+1)^{2}"),
    (r"\frac{x^{2}-y}{x-1}", r"x+\sqrt{y}"),
    (r"\sin x\cos y+\tan z", r"\log x+|y|-\arctan(z)"),
    (r"(-\infty,3]\cup[5,\infty)", r"x\le 3\or x\ge 5"),
    (r"\{1\pm\sqrt{5},-2\}", r"-2,1+\sqrt{5},1-\sqrt{5}"),
    (r"y=2x+3", r"2x-y+3=0"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&\frac{8}{2}\end{bmatrix}"),
    (r"(1+i)^{2}", r"2i"),
    (r"\binom{5}{2}+3!", r"16"),
    (r"\int_{0}^{1}2x dx", r"1"),
    (r"\sum_{k=1}^{4}k", r"10"),
)

WARM = tuple(same([pair]) for pair in EXAMPLES)

"""Kinds of problems that can be judged: one file each, named here."""

DOMAINS = {"python": "forge.domains.python:PythonDomain", "math": "forge.domains.math:MathDomain"}

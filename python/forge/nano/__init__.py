"""The embedded base model: its weights, and everything they are made from.

A model organism: a tiny language model trained from scratch on a generated corpus in which careful and
careless authors are mixed on purpose. Importing this package loads no heavy library.
"""

from pathlib import Path


def weights() -> Path:
    """The folder of the shipped model, as transformers loads it."""
    return Path(__file__).with_name("weights")

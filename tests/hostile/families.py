"""All hostile programs, by family."""

from __future__ import annotations

import confusing
import escape
import exhaustion
import forging
import leaking
import surviving
from kit import Program

FAMILIES: dict[str, tuple[Program, ...]] = {
    "escape": escape.PROGRAMS,
    "exhaustion": exhaustion.PROGRAMS,
    "forging": forging.PROGRAMS,
    "leaking": leaking.PROGRAMS,
    "surviving": surviving.PROGRAMS,
    "confusing": confusing.PROGRAMS,
}

PROGRAMS: tuple[Program, ...] = tuple(program for family in FAMILIES.values() for program in family)

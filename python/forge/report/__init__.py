"""A run's report: what is in one (`content`), and how it looks (`render` and what it is made of)."""

from forge.report.content import Arm, Example, Hit, Panel, ProblemRate, Report, Step
from forge.report.render import html, table

__all__ = ["Arm", "Example", "Hit", "Panel", "ProblemRate", "Report", "Step", "html", "table"]

"""Backends that turn prompts into completions: one file each, named here."""

GENERATORS = {
    "transformers": "forge.generators.transformers:TransformersGenerator",
    "replay": "forge.generators.replay:ReplayGenerator",
}

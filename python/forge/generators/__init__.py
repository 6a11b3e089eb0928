"""Backends that turn prompts into completions: one file each, named here."""

GENERATORS = {
    "transformers": "forge.generators.transformers:TransformersGenerator",
    "llamacpp": "forge.generators.llamacpp:LlamaCppGenerator",
    "replay": "forge.generators.replay:ReplayGenerator",
}

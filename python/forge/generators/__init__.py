"""Backends that turn prompts into completions: one file each, named here."""

GENERATORS = {
    "transformers": "forge.generators.transformers:TransformersGenerator",
    "vllm": "forge.generators.vllm:VllmGenerator",
    "replay": "forge.generators.replay:ReplayGenerator",
}

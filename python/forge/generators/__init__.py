"""Backends that turn prompts into completions: one file each, named here."""

GENERATORS = {
    "auto": "forge.generators.auto:make",
    "transformers": "forge.generators.transformers:TransformersGenerator",
    "llamacpp": "forge.generators.llamacpp:LlamaCppGenerator",
    "vllm": "forge.generators.vllm:VllmGenerator",
    "server": "forge.generators.server:ServerGenerator",
    "replay": "forge.generators.replay:ReplayGenerator",
}

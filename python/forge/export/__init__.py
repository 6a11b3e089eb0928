"""A model and its adapter in the formats of other runtimes: GGUF, Ollama's, one merged folder."""

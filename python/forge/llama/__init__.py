"""llama.cpp in a process of its own: what runs there, and how it is asked."""

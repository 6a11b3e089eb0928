"""llama.cpp itself: a model, its adapter, and many sequences decoded in one batch, sampled as they go.

Runs in the process of `forge.llama.child` alone: where llama.cpp finds a mistake it ends its process. Each
sequence has a part of the cache of its own (the split layout), which two rules of llama.cpp's follow from:
a sequence is copied whole or not at all, and a batch is computed at once only where its sequences' numbers
are consecutive. So a sequence that ends is replaced by the next, or by the last one.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy
from llama_cpp import llama_cpp as lib

from forge import _core
from forge.llama.sampling import Chooser

CHUNK = 512
"""Tokens that are computed at once."""

BLOCK = 256
"""llama.cpp rounds a sequence's part of the cache up to this many tokens."""

MOST = 255
"""Sequences beside the prompt's that a context can hold."""

_SMALL = 20_000_000
"""Nothing is gained by sharing the products of a model with fewer parameters, and the sandbox has use for the rest."""

_OUTPUTS = 32
"""Tokens of one sequence whose successors are weighed at once."""


class Refused(Exception):
    """What llama.cpp would not do, and what it said about it."""


_said: deque[str] = deque(maxlen=8)


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _listen(level: int, text: bytes, _: Any) -> None:
    if level >= 3:
        _said.append(text.decode(errors="replace").strip())


def _why(what: str) -> Refused:
    return Refused("; ".join([what, *(line for line in _said if line)][:4]))


@dataclass(frozen=True, slots=True)
class Job:
    """One completion owed: its number, its prompt, the most tokens it may have, and its seed."""

    index: int
    prompt: int
    budget: int
    seed: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Prompts as token ids, the jobs in order of their prompts, and how to sample."""

    prompts: Sequence[Sequence[int]]
    jobs: Sequence[Job]
    temperature: float
    top_p: float
    stops: tuple[bytes, ...]
    ends: frozenset[int]


@dataclass(slots=True)
class _Row:
    """A sequence that runs: its next token and where that goes, its random draws, and what it said."""

    job: Job
    token: int
    position: int
    draws: Random
    ids: list[int] = field(default_factory=list)
    tail: bytes = b""


class Engine:
    """One model in memory, at most one adapter on it, and the context of the last request."""

    def __init__(self, path: str, offload: bool, threads: int, vocabulary: bool = False) -> None:
        lib.llama_log_set(_listen, None)
        lib.llama_backend_init()
        self.offload = offload and bool(lib.llama_supports_gpu_offload())
        settings = lib.llama_model_default_params()
        settings.n_gpu_layers = -1 if self.offload else 0
        settings.vocab_only = vocabulary
        self.model = lib.llama_model_load_from_file(path.encode(), settings)
        if not self.model:
            raise _why(f"cannot load {path}")
        small = lib.llama_model_n_params(self.model) < _SMALL
        self.threads = threads or (1 if small else _core.processors())
        # Where the weights are not rounded, nothing else should be: this is what is compared with other engines.
        self.exact = lib.llama_model_ftype(self.model) == lib.LLAMA_FTYPE_ALL_F32
        self.vocabulary = lib.llama_model_get_vocab(self.model)
        self.tokens = int(lib.llama_vocab_n_tokens(self.vocabulary))
        self._adapter: Any = None
        self._context: Any = None
        self._shape = (0, 0)
        self._pieces: dict[int, bytes] = {}

    def facts(self) -> dict[str, Any]:
        """What the other side needs to know of the model."""
        vocabulary = self.vocabulary
        ends = [token for token in range(self.tokens) if lib.llama_vocab_is_eog(vocabulary, token)]
        template = lib.llama_model_chat_template(self.model, None)
        return {
            "context": int(lib.llama_model_n_ctx_train(self.model)),
            "offload": bool(lib.llama_supports_gpu_offload()),
            "precision": lib.llama_ftype_name(lib.llama_model_ftype(self.model)).decode(),
            "exact": self.exact,
            "begin": int(lib.llama_vocab_bos(vocabulary)),
            "end": int(lib.llama_vocab_eos(vocabulary)),
            "ends": ends,
            "begins": bool(lib.llama_vocab_get_add_bos(vocabulary)),
            "template": template.decode() if template else "",
        }

    def use(self, path: str) -> None:
        """Add the adapter in this GGUF file to the model in place of the one before; none where it is empty."""
        self._close()
        if self._adapter is not None:
            lib.llama_adapter_lora_free(self._adapter)
            self._adapter = None
        if path:
            self._adapter = lib.llama_adapter_lora_init(self.model, path.encode())
            if not self._adapter:
                raise _why(f"cannot load the adapter {path}")

    # -- memory ----------------------------------------------------------------------------------

    def need(self, sequences: int, context: int) -> int:
        """Bytes that decoding so many sequences of so many tokens takes beside the weights: a forecast."""
        layers = int(lib.llama_model_n_layer(self.model))
        heads = int(lib.llama_model_n_head(self.model))
        width = int(lib.llama_model_n_embd(self.model))
        size = self._number("attention.key_length") or width // heads
        inner = self._number("feed_forward_length") or 4 * width
        number = 4 if self.exact else 2
        cache = 2 * layers * int(lib.llama_model_n_head_kv(self.model)) * size * number * context * (sequences + 1)
        rows = max(CHUNK, sequences)
        work = 4 * rows * (3 * inner + 6 * width) + 4 * heads * rows * context
        return cache + work + 2 * 4 * self.tokens * max(sequences + 1, _OUTPUTS)

    def held(self) -> int:
        """Bytes that the open context takes, by the same forecast."""
        return self.need(*self._shape) if self._context is not None else 0

    def _number(self, key: str) -> int:
        architecture = self._meta("general.architecture")
        return int(self._meta(f"{architecture}.{key}") or 0)

    def _meta(self, key: str) -> str:
        room = ctypes.create_string_buffer(256)
        length = lib.llama_model_meta_val_str(self.model, key.encode(), room, 256)
        return room.value.decode() if length >= 0 else ""

    def open(self, sequences: int, context: int) -> None:
        """A context for so many sequences of so many tokens, and one more for a prompt that they share."""
        if self._context is not None and self._shape == (sequences, context):
            lib.llama_memory_clear(lib.llama_get_memory(self._context), False)
            return
        self._close()
        settings = lib.llama_context_default_params()
        settings.n_seq_max = sequences + 1
        settings.n_ctx = context * (sequences + 1)
        settings.n_batch = settings.n_ubatch = max(CHUNK, sequences)
        settings.n_outputs_max = max(settings.n_seq_max, _OUTPUTS)
        settings.n_threads = settings.n_threads_batch = self.threads
        settings.kv_unified = False
        settings.no_perf = True
        settings.offload_kqv = settings.op_offload = self.offload
        if self.exact:
            # The fused attention rounds to float16 on its way: 0.005 nats a token instead of 0.000005.
            settings.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
            settings.type_k = settings.type_v = lib.GGML_TYPE_F32
        self._context = lib.llama_init_from_model(self.model, settings)
        if not self._context:
            self._context = None
            raise _why(f"cannot hold {sequences} sequences of {context} tokens")
        if self._adapter is not None:
            adapters = (lib.llama_adapter_lora_p_ctypes * 1)(self._adapter)
            if lib.llama_set_adapters_lora(self._context, adapters, 1, (ctypes.c_float * 1)(1.0)):
                raise _why("cannot add the adapter")
        self._shape = (sequences, context)
        self._room = _Room(max(CHUNK, sequences))

    def _close(self) -> None:
        if self._context is not None:
            lib.llama_free(self._context)
            self._context = None

    # -- decoding --------------------------------------------------------------------------------

    def log_probabilities(self, ids: Sequence[int], start: int) -> list[float]:
        """Log-probability of each token from position `start` on, in nats; needs an open context."""
        memory = lib.llama_get_memory(self._context)
        lib.llama_memory_clear(memory, False)
        found: list[float] = []
        inputs = ids[:-1]
        for first in range(0, len(inputs), _OUTPUTS):
            part = inputs[first : first + _OUTPUTS]
            self._decode(part, range(first, first + len(part)), [0] * len(part), [1] * len(part))
            logits = self._logits(len(part)).astype(numpy.float64)
            logits -= logits.max(1, keepdims=True)
            logits -= numpy.log(numpy.exp(logits).sum(1, keepdims=True))
            following = ids[first + 1 : first + 1 + len(part)]
            found += [float(logits[row, token]) for row, token in enumerate(following)]
        lib.llama_memory_clear(memory, False)
        return found[start - 1 :]

    def generate(self, asked: Asked) -> Iterator[tuple[int, list[int], str]]:
        """Number, token ids and finish reason of each completion as it ends; needs an open context."""
        memory = lib.llama_get_memory(self._context)
        shared = self._shape[0]
        samples: dict[int, int] = {}
        for job in asked.jobs:
            samples[job.prompt] = samples.get(job.prompt, 0) + 1
        waiting = deque(asked.jobs)
        rows: list[_Row] = []
        chooser = Chooser(asked.temperature, asked.top_p, self.tokens)
        held = -1

        def begin(sequence: int) -> _Row:
            """Start the next job as this sequence: its prompt less the last token, read here or copied."""
            nonlocal held
            job = waiting.popleft()
            ids = asked.prompts[job.prompt]
            lib.llama_memory_seq_rm(memory, sequence, -1, -1)
            if samples[job.prompt] == 1:
                self._read(ids[:-1], sequence)
            elif len(ids) > 1:
                if held != job.prompt:
                    lib.llama_memory_seq_rm(memory, shared, -1, -1)
                    self._read(ids[:-1], shared)
                    held = job.prompt
                lib.llama_memory_seq_cp(memory, shared, sequence, -1, -1)
            return _Row(job, ids[-1], len(ids) - 1, Random(job.seed))

        while waiting and len(rows) < self._shape[0]:
            rows.append(begin(len(rows)))
        while rows:
            count = len(rows)
            self._decode([row.token for row in rows], [row.position for row in rows], range(count), [1] * count)
            ended = []
            for place, token in enumerate(self._choose(rows, chooser)):
                row = rows[place]
                if finish := self._take(row, token, asked):
                    ended.append(place)
                    yield row.job.index, row.ids, finish
            for place in reversed(ended):
                if waiting:
                    rows[place] = begin(place)
                    continue
                last = rows.pop()
                if place < len(rows):
                    lib.llama_memory_seq_rm(memory, place, -1, -1)
                    lib.llama_memory_seq_cp(memory, len(rows), place, -1, -1)
                    rows[place] = last

    def _take(self, row: _Row, token: int, asked: Asked) -> str:
        """Give a sequence its token; the finish reason where it ends with it."""
        if token in asked.ends:
            return "stop"
        row.ids.append(token)
        row.token = token
        row.position += 1
        if asked.stops:
            row.tail += self.piece(token)
            if any(stop in row.tail for stop in asked.stops):
                return "stop"
            row.tail = row.tail[-max(map(len, asked.stops)) :]
        return "length" if len(row.ids) >= row.job.budget else ""

    def _choose(self, rows: list[_Row], chooser: Chooser) -> list[int]:
        """The next token of each sequence."""
        logits = self._logits(len(rows))
        if not chooser.sharpness:
            return [int(token) for token in logits.argmax(1)]
        return [chooser.choose(given, 1.0 - row.draws.random()) for given, row in zip(logits, rows, strict=True)]

    def _logits(self, count: int) -> Any:
        """What the last batch's `count` outputs gave every token, [count, tokens]; good until the next batch."""
        return numpy.ctypeslib.as_array(lib.llama_get_logits(self._context), shape=(count, self.tokens))

    def _read(self, ids: Sequence[int], sequence: int) -> None:
        """Put tokens into a sequence's cache, wanting nothing back."""
        for first in range(0, len(ids), CHUNK):
            part = ids[first : first + CHUNK]
            self._decode(part, range(first, first + len(part)), [sequence] * len(part), [0] * len(part))

    def _decode(
        self, tokens: Sequence[int], positions: Sequence[int], sequences: Sequence[int], outputs: Sequence[int]
    ) -> None:
        status = lib.llama_decode(self._context, self._room.filled(tokens, positions, sequences, outputs))
        if status:
            raise _why(f"cannot decode a batch of {len(tokens)} tokens (status {status})")

    # -- text ------------------------------------------------------------------------------------

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        found = self._pieces.get(token)
        if found is None:
            room = ctypes.create_string_buffer(256)
            length = lib.llama_token_to_piece(self.vocabulary, token, room, 256, 0, True)
            found = self._pieces[token] = room.raw[: max(length, 0)]
        return found

    def tokenize(self, text: str) -> list[int]:
        """The token ids of a text, none added, special tokens read as such."""
        data = text.encode()
        room = (lib.llama_token * (len(data) + 8))()
        count = lib.llama_tokenize(self.vocabulary, data, len(data), room, len(room), False, True)
        if count < 0:
            raise _why("cannot tokenize")
        return list(room[:count])


class _Room:
    """A batch whose memory is numpy's: filled anew for each call."""

    def __init__(self, size: int) -> None:
        self.tokens = numpy.zeros(size, numpy.int32)
        self.positions = numpy.zeros(size, numpy.int32)
        self.counts = numpy.ones(size, numpy.int32)
        self.sequences = numpy.zeros(size, numpy.int32)
        self.outputs = numpy.zeros(size, numpy.int8)
        step = self.sequences.itemsize
        self.pointers = numpy.arange(size, dtype=numpy.uintp) * step + self.sequences.ctypes.data

    def filled(
        self, tokens: Sequence[int], positions: Sequence[int], sequences: Sequence[int], outputs: Sequence[int]
    ) -> Any:
        count = len(tokens)
        self.tokens[:count] = tokens
        self.positions[:count] = positions
        self.sequences[:count] = sequences
        self.outputs[:count] = outputs
        batch = lib.llama_batch()
        batch.n_tokens = count
        batch.token = self.tokens.ctypes.data_as(ctypes.POINTER(lib.llama_token))
        batch.pos = self.positions.ctypes.data_as(ctypes.POINTER(lib.llama_pos))
        batch.n_seq_id = self.counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        batch.seq_id = self.pointers.ctypes.data_as(ctypes.POINTER(ctypes.POINTER(lib.llama_seq_id)))
        batch.logits = self.outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        return batch

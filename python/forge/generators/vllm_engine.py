"""vLLM's engine in a process of its own: commands come in as lines of JSON, answers go out the same way.

The process is what makes an end clean: with it goes every byte on the accelerator, every worker that vLLM
started, and all that it says. It asks no other module of forge and knows no prompt, only tokens. Its
commands: `generate`, `score`, `use`, `stop`; the end of its input ends it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from typing import Any

GRACE = 10.0
"""Seconds between the end of the input and the end of the process, whatever it is busy with."""

_Commands = queue.Queue[dict[str, Any] | None]


def main() -> None:
    """Serve until the input ends; the settings are the first argument."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever vLLM prints belongs to the log
    commands: _Commands = queue.Queue()
    threading.Thread(target=_listen, args=(commands,), daemon=True).start()

    def say(**message: Any) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    try:
        engine = _Engine(json.loads(sys.argv[1]), say, commands)
        say(ready=engine.facts())
        while (command := commands.get()) is not None:
            try:
                engine.do(command)
            except Refused as failure:
                say(to=command["number"], refused=str(failure))
        engine.close()
    except Exception as failure:
        say(error=f"{type(failure).__name__}: {failure}")
        raise
    # What is left, threads and libraries, has nothing to say and takes seconds to end by itself.
    os._exit(0)


def _listen(commands: _Commands) -> None:
    for line in sys.stdin:
        commands.put(json.loads(line))
    commands.put(None)
    time.sleep(GRACE)
    os._exit(1)


class Refused(Exception):
    """One command cannot be done; the engine goes on."""


class _Engine:
    """The engine, and the requests that it has."""

    def __init__(self, settings: dict[str, Any], say: Any, commands: _Commands) -> None:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.llm_engine import LLMEngine

        self.say = say
        self.commands = commands
        self.adapter: Any = None
        on_cpu = settings.pop("on_cpu")
        share = settings.pop("memory")
        if on_cpu:
            settings["kv_cache_memory_bytes"] = _reserved(share)
        else:
            settings["gpu_memory_utilization"] = share or _share()
        args = EngineArgs(
            **settings,
            disable_log_stats=True,
            use_tqdm_on_load=False,
            enable_prefix_caching=True,
            # A seeded request whose prompt is read in two steps would need a generator that can go back.
            **({"enforce_eager": True, "enable_chunked_prefill": False, "block_size": 32} if on_cpu else {}),
        )
        self.engine = LLMEngine.from_engine_args(args, usage_context=UsageContext.LLM_CLASS)
        self.context = int(self.engine.vllm_config.model_config.max_model_len)

    def facts(self) -> dict[str, Any]:
        """What the generator has to know."""
        return {"context": self.context}

    def close(self) -> None:
        """Let the engine end its workers."""
        self.engine.engine_core.shutdown()

    def do(self, command: dict[str, Any]) -> None:
        """Do one command.

        Raises:
            Refused: it cannot be done.
        """
        what, number = command["do"], command["number"]
        if what == "generate":
            self._generate(command)
        elif what == "score":
            self.say(to=number, score=self._score(command["ids"], command["start"]))
        elif what == "use":
            self._use(command["adapter"], command["identity"])
            self.say(to=number, used=command["adapter"])

    def _use(self, adapter: str, identity: int) -> None:
        from vllm.lora.request import LoRARequest

        self.adapter = LoRARequest(f"adapter-{identity}", identity, adapter) if adapter else None
        if self.adapter is not None:
            try:
                self.engine.add_lora(self.adapter)
            except Exception as failure:
                self.adapter = None
                raise Refused(str(failure)) from failure

    def _generate(self, command: dict[str, Any]) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        # What an earlier batch left would change how this one's prompts are computed, and with it a rounding.
        self.engine.reset_prefix_cache()
        number, stops = command["number"], command["stops"]
        for index, (place, seed) in enumerate(zip(command["places"], command["seeds"], strict=True)):
            params = SamplingParams(
                temperature=command["temperature"], top_p=command["top_p"], max_tokens=command["max_tokens"],
                seed=seed, stop=stops, detokenize=bool(stops), skip_special_tokens=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )  # fmt: skip
            prompt = {"prompt_token_ids": command["prompts"][place]}
            self.engine.add_request(str(index), prompt, params, lora_request=self.adapter)
        while self.engine.has_unfinished_requests():
            for output in self.engine.step():
                if output.finished:
                    self.say(to=number, index=int(output.request_id), **_ended(output.outputs[0]))
            if self._stopped():
                self.engine.abort_request([str(index) for index in range(len(command["places"]))])
                break
        self.say(to=number, end=True)

    def _stopped(self) -> bool:
        """Whether the generator no longer wants what is being generated."""
        try:
            command = self.commands.get_nowait()
        except queue.Empty:
            return False
        if command is None or command["do"] != "stop":
            self.commands.put(command)
        return True

    def _score(self, ids: list[int], start: int) -> float:
        """Mean log-probability of the tokens from position `start` on."""
        from vllm import SamplingParams

        params = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        try:
            self.engine.add_request("score", {"prompt_token_ids": ids}, params, lora_request=self.adapter)
        except ValueError as failure:
            raise Refused(str(failure)) from failure
        while self.engine.has_unfinished_requests():
            for output in self.engine.step():
                if output.finished:
                    steps = output.prompt_logprobs[start:]
                    found = [step[token].logprob for step, token in zip(steps, ids[start:], strict=True)]
                    return float(sum(found)) / len(found)
        raise Refused("it gave no log-probabilities")


def _ended(output: Any) -> dict[str, Any]:
    """The tokens of a completion, the end token left out, and why it ended."""
    ids, why = list(output.token_ids), output.stop_reason
    if output.finish_reason == "stop" and not isinstance(why, str):
        ids.pop()
    return {"ids": ids, "finish": output.finish_reason}


def _reserved(share: float) -> int:
    """The bytes of main memory for the cache of prompts and completions; they are taken at once."""
    import psutil

    free = int(psutil.virtual_memory().available)
    return int(share * free) or min(4 << 30, free // 4)


def _share() -> float:
    """The share of the accelerator's memory that vLLM may take: what is free, but for a margin."""
    import torch

    free, total = torch.cuda.mem_get_info()
    return float(max(0.1, min(0.9, free / total - 0.02)))


if __name__ == "__main__":
    main()

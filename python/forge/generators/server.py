"""Generation by any server that speaks OpenAI's protocol: vLLM, llama.cpp's, or one that somebody pays for.

Text goes to `/completions`, chat turns to `/chat/completions`. Completions of one prompt are asked for a few at a
time, each request with a seed that follows from the batch's and its place; they come as the server gives them.
Equal seeds give equal texts only where the server keeps its word. Since answers may cost money, `independent` has
forge ask for what is owed alone. The key, if one is needed, is in the environment variable FORGE_API_KEY.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from forge import models
from forge.config import AS_IT_COMES, EMBEDDED, EngineConfig
from forge.errors import ConfigError, GeneratorError
from forge.generators import live
from forge.generators.asking import KEY, MOST_AT_ONCE, Refused, Server, Unwell, answers, elsewhere
from forge.generators.texts import cut
from forge.types import Completion, Message, Prompt, Sampling, content_id

_CHOICES = 8
_PREFIX = "forge-"
_FINISH = {"stop": "stop", "eos": "stop", "length": "length", "content_filter": "stop"}


class ServerGenerator:
    """A model that a server has, and the adapters that it has for it."""

    independent = True

    def __init__(
        self,
        model: str,
        adapter: str = "",
        device: str = "auto",
        rows: int = 512,
        engine: EngineConfig = AS_IT_COMES,
    ) -> None:
        """Find `model` on the server at `engine.url`; `engine.sequences` bounds the requests at once.

        Raises:
            ConfigError: no URL is given, or the server has no such model.
            GeneratorError: nothing answers there, or nothing that speaks the protocol; the adapter is not served.
        """
        if not engine.url.startswith(("http://", "https://")):
            raise ConfigError(f"engine.url is {engine.url!r}", "where the server is, as http://host:port/v1")
        self._server = Server(engine.url, os.environ.get(KEY, ""))
        self._most = engine.sequences or MOST_AT_ONCE
        self._tolerance = live.EXACT if engine.precision == "float32" else live.COARSE
        self._choices = _CHOICES
        try:
            self._model = self._find(model)
            self._base = f"server:{Path(model).name}@{models.digest(self._model)}"
            self.use(adapter)
        except BaseException:
            self.close()
            raise

    def use(self, adapter: str) -> None:
        """Ask for this adapter by the name that the server has for it; a vLLM that may is told to load it.

        Raises:
            GeneratorError: the adapter is unfinished, the server does not have it, or it is not live.
        """
        self._asked, self.name = self._model, self._base
        if not adapter:
            return
        folder = Path(adapter)
        probe, digest = live.probe(folder), models.digest(adapter)
        served = self._served(folder, digest)
        base = self._log_probability(self._model, probe.ids, probe.start)
        found = self._log_probability(served, probe.ids, probe.start)
        if base is not None and found is not None:
            live.demand(folder, probe, base, found, self._tolerance)
        mark = live.UNPROVEN if base is None or found is None else ""
        self._asked, self.name = served, f"{self._base}{mark}+{digest}"

    def close(self) -> None:
        """Let connections go; the server stays as it is."""
        self._server.close()

    def generate(self, prompts: Sequence[Prompt | None], sampling: Sampling) -> Iterator[Completion]:
        """Complete every prompt that is there, yielding completions as the server gives them.

        Raises:
            GeneratorError: the server refuses, or fails again and again.
        """
        owed = [index for index, prompt in enumerate(prompts) if prompt is not None]
        while owed:
            groups = list(_groups(prompts, owed, self._choices))
            asked = [self._request(prompts[group[0]], group, sampling) for group in groups]
            missing: list[int] = []
            try:
                for number, answer in answers(self._server, asked, self._most, sampling.seed):
                    group = groups[number]
                    found = _completions(answer, group, sampling)
                    yield from found
                    missing += group[len(found) :]
            except Refused as failure:
                raise self._refusal(failure) from failure
            if missing:
                # Some servers give one completion, whatever is asked for.
                self._choices = 1
            owed = missing

    def _request(self, prompt: Any, group: list[int], sampling: Sampling) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {
            "model": self._asked, "temperature": sampling.temperature, "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens, "seed": int(content_id(sampling.seed, group[0]), 16) % 2**31,
        }  # fmt: skip
        if len(group) > 1:
            body["n"] = len(group)
        if sampling.stops:
            body["stop"] = list(sampling.stops)
        if isinstance(prompt, str):
            return "/completions", body | {"prompt": prompt}
        return "/chat/completions", body | {"messages": [dict(turn) for turn in prompt]}

    def _find(self, model: str) -> str:
        """What the server calls this model."""
        listed = [entry["id"] for entry in self._listed()]
        wanted = {model, models.location(model) if model == EMBEDDED else str(Path(model).expanduser())}
        found = [name for name in listed if name in wanted] or [n for n in listed if Path(n).stem == Path(model).name]
        if not found:
            raise ConfigError(
                f"the server at {self._server.url} has no model {model!r}; it has {', '.join(listed) or 'none'}",
                "set model.name to one of them, or start the server with --served-model-name",
            )
        return str(found[0])

    def _listed(self) -> list[Mapping[str, Any]]:
        url = self._server.url
        try:
            answer = self._server.get("/models")
            return [entry for entry in answer["data"] if isinstance(entry["id"], str)]
        except Unwell as failure:
            raise GeneratorError(f"no server answers at {url}: {failure}", "start it, or check engine.url") from failure
        except Refused as failure:
            if failure.status in (401, 403):
                raise self._refusal(failure) from failure
            said = f"it answers {failure.status} to /models"
            raise GeneratorError(
                f"{url} is not an OpenAI-compatible server: {said}", "engine.url usually ends in /v1"
            ) from failure
        except (TypeError, KeyError) as failure:
            raise GeneratorError(
                f"{url} is not an OpenAI-compatible server: it lists no models", "engine.url usually ends in /v1"
            ) from failure

    def _refusal(self, failure: Refused) -> GeneratorError:
        if failure.status in (401, 403):
            return GeneratorError(f"the server wants another key: {failure}", f"set {KEY} in the environment")
        return GeneratorError(f"the server refuses ({failure.status}): {failure}", "see what its own log says")

    def _served(self, folder: Path, digest: str) -> str:
        """What the server calls an adapter; one that it does not have, vLLM may be allowed to load."""
        name, place = f"{_PREFIX}{digest}", str(folder.absolute())
        listed = self._listed()
        for entry in listed:
            # What was loaded by a name of ours is what the folder held then.
            ours = str(entry["id"]).startswith(_PREFIX)
            if entry["id"] == name or (str(entry.get("root")) == place and not ours):
                return str(entry["id"])
        # A folder's name alone may be that of an older adapter: only the probe can tell, and it will.
        if any(entry["id"] == folder.name for entry in listed):
            return folder.name
        try:
            self._server.post("/load_lora_adapter", {"lora_name": name, "lora_path": place})
        except Unwell as failure:
            raise GeneratorError(f"the server did not load the adapter in {folder}: {failure}") from failure
        except Refused as failure:
            has = ", ".join(entry["id"] for entry in listed)
            why = "" if elsewhere(failure) else f" ({failure})"
            raise GeneratorError(
                f"the server has no adapter {folder.name!r} and loads none{why}; it has {has}",
                f"start it with the adapter, as vllm serve --enable-lora --lora-modules {name}={place}, or with "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
            ) from failure
        return name

    def _log_probability(self, model: str, ids: list[int], start: int) -> float | None:
        """Mean log-probability of the tokens from position `start` on; None where the server cannot tell."""
        body = {"model": model, "prompt": ids, "max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        try:
            answer = self._server.post("/completions", body)
            found = answer["choices"][0]["logprobs"]["token_logprobs"][start : len(ids)]
            return sum(found) / len(found) if len(found) == len(ids) - start else None
        except (Refused, Unwell, TypeError, KeyError, IndexError):
            return None


def _groups(prompts: Sequence[Prompt | None], owed: Sequence[int], size: int) -> Iterator[list[int]]:
    """Neighbouring places with equal prompts, `size` at most; where they begin depends on the places alone."""
    group: list[int] = []
    for index in owed:
        whole = not group or index % size == 0 or index != group[-1] + 1 or prompts[index] != prompts[group[0]]
        if whole and group:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _completions(answer: Any, group: list[int], sampling: Sampling) -> list[Completion]:
    """The completions in an answer, fewer where the server gave fewer.

    Raises:
        GeneratorError: the answer holds none.
    """
    try:
        choices = [(_text(choice), choice.get("finish_reason")) for choice in answer["choices"]]
        spent = int((answer.get("usage") or {}).get("completion_tokens") or 0)
    except (TypeError, KeyError, ValueError) as failure:
        raise GeneratorError(f"the server's answer holds no completion: {str(answer)[:200]}") from failure
    if not choices:
        raise GeneratorError("the server's answer holds no completion", "see what its own log says")
    found = []
    for index, (text, why) in zip(group, choices, strict=False):
        if why not in _FINISH:
            raise GeneratorError(f"the server ended a completion with {why!r}", "forge knows stop and length")
        found.append(Completion(index, cut(text, sampling.stops), _FINISH[why], spent // len(choices)))
    return found


def _text(choice: Mapping[str, Any]) -> str:
    message: Message | None = choice.get("message")
    return str((message or choice).get("content" if message else "text") or "")

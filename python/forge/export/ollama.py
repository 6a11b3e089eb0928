"""A model for Ollama: its GGUF file beside a Modelfile with the prompt format and the tokens that end a turn.

Ollama's templates are Go's, so a chat template cannot be carried over as it is. What it writes around a
system message, a user's and the answer is found out by rendering it, and proven on a longer exchange.
Format of the Modelfile: https://docs.ollama.com/modelfile
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from forge.errors import ConfigError

_SYSTEM, _USER, _ANSWER = "\u241fsystem\u241f", "\u241fuser\u241f", "\u241fanswer\u241f"


@dataclass(frozen=True, slots=True)
class Turns:
    """What stands before and after each kind of turn; `default` is the system message where none is given."""

    system: tuple[str, str]
    user: tuple[str, str]
    answer: tuple[str, str]
    default: str = ""
    begin: str = ""

    def rendered(self, turns: list[dict[str, str]]) -> str:
        """The text of an exchange that waits for an answer."""
        around = {"system": self.system, "user": self.user, "assistant": self.answer}
        first = turns[0]["role"]
        if first != "system" and self.default:
            turns = [{"role": "system", "content": self.default}, *turns]
        text = "".join(around[turn["role"]][0] + turn["content"] + around[turn["role"]][1] for turn in turns)
        return self.begin + text + self.answer[0]


def turns(tokenizer: Any) -> Turns:
    """What a tokenizer's chat template writes around each turn.

    Raises:
        ConfigError: it does more than that, so that Ollama cannot be told.
    """

    def shown(*said: tuple[str, str], ask: bool = True) -> str:
        messages = [{"role": role, "content": text} for role, text in said]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask))

    user, answer = ("user", _USER), ("assistant", _ANSWER)
    again = ("user", _USER + "2")
    try:
        opened = shown(user).partition(_USER)
        closed = shown(user, ask=False).partition(_USER)
        after = closed[2]
        ask = opened[2].removeprefix(after)
        longer = shown(user, answer, again, ask=False)
        between = longer.partition(_ANSWER)[2].partition(_USER)[0]
        # Most templates close every turn alike.
        before = _common_end(opened[0], between.removeprefix(after))
        found = Turns(("", ""), (before, after), (ask, between.removesuffix(before)), begin=opened[0][: -len(before)])
        found = _with_system(found, shown, opened[0])
    except Exception as failure:
        raise _untold() from failure
    for said in ([user], [user, answer, again], [("system", "Be brief."), user, answer, again]):
        if said[0][0] == "system" and not found.system[0] and not found.system[1]:
            continue
        if found.rendered([{"role": role, "content": text} for role, text in said]) != shown(*said):
            raise _untold()
    return found


def _with_system(found: Turns, shown: Any, opening: str) -> Turns:
    """The same with what stands around a system message, where the template takes one."""
    try:
        text = shown(("system", _SYSTEM), ("user", _USER))
    except Exception:
        return found
    head = text.partition(_USER)[0]
    if _SYSTEM not in head:
        return found
    left, _, right = head.removesuffix(found.user[0]).partition(_SYSTEM)
    default = ""
    if opening != found.user[0] and opening.startswith(left) and len(opening) > len(head) - len(_SYSTEM):
        default = opening.removesuffix(found.user[0]).removeprefix(left).removesuffix(right)
        return Turns((left, right), found.user, found.answer, default, "")
    begin = found.begin
    return Turns((left.removeprefix(begin), right), found.user, found.answer, "", begin)


def _common_end(one: str, other: str) -> str:
    """The longest text that both end with."""
    size = 0
    while size < min(len(one), len(other)) and one[-1 - size] == other[-1 - size]:
        size += 1
    return one[len(one) - size :]


def _untold() -> ConfigError:
    return ConfigError(
        "the chat template does more than to write around each turn, which Ollama cannot be told",
        "export gguf instead: the file carries the template, and llama.cpp runs it",
    )


def modelfile(tokenizer: Any, file: str, stops: list[str]) -> str:
    """The Modelfile for the GGUF file of that name; `stops` are the texts that end an answer.

    Raises:
        ConfigError: the chat template cannot be told to Ollama.
    """
    lines = [f"FROM ./{file}"]
    if not tokenizer.chat_template:
        lines.append('TEMPLATE """{{ .Prompt }}"""')
    else:
        found = turns(tokenizer)
        begin = found.begin
        if tokenizer.bos_token and begin.startswith(tokenizer.bos_token):
            # The runtime adds it by itself.
            begin = begin.removeprefix(tokenizer.bos_token)
        system = f"{{{{ if .System }}}}{found.system[0]}{{{{ .System }}}}{found.system[1]}{{{{ end }}}}"
        user = f"{{{{ if .Prompt }}}}{found.user[0]}{{{{ .Prompt }}}}{found.user[1]}{{{{ end }}}}"
        answer = f"{found.answer[0]}{{{{ .Response }}}}{found.answer[1]}"
        if found.system == ("", ""):
            system = ""
        lines.append(f'TEMPLATE """{begin}{system}{user}{answer}"""')
        if found.default:
            lines.append(f'SYSTEM """{found.default}"""')
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    return "\n".join(lines) + "\n"

"""Exports: every family says in llama.cpp what it says in transformers, with and without an adapter; what would
say something else is refused."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

if importlib.util.find_spec("llama_cpp") is None:
    pytest.skip("llama.cpp is not installed: the extra dev brings it", allow_module_level=True)


from forge import regrade
from forge.config import EMBEDDED, EngineConfig, TrainConfig
from forge.errors import ConfigError, GeneratorError
from forge.export.adapter import write_adapter
from forge.export.families import family
from forge.export.gguf import write_model
from forge.export.ollama import modelfile, turns
from forge.export.quantize import write_quantized
from forge.exporting import export_group
from forge.generators import parity
from forge.generators.llamacpp import LlamaCppGenerator
from forge.generators.transformers import TransformersGenerator
from forge.models import encode, load_tokenizer
from forge.prompts import render
from forge.trainers.lora import LoraTrainer
from forge.types import Pair, Prompt, Sampling
from model_families import FAMILIES, make

EXACT = EngineConfig(precision="float32", threads=1)
COUNT = int(os.environ.get("FORGE_PARITY_PROMPTS", "12"))
CONVERTER = os.environ.get("FORGE_LLAMA_CPP", "")
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
QUICK = TrainConfig(rank=4, alpha=8, epochs=4, rate=2e-2, batch=4, modules=MODULES)


def prompts(count: int = COUNT) -> list[Prompt]:
    """Prompts of several lengths, no two alike."""
    source = Path(__file__).read_text()
    return [source[number * 97 % (len(source) - 200) :][: 12 + 7 * number % 160] for number in range(count)]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place))
        yield place


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tiny_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, tiny_qwen, tmp_path_factory.mktemp(request.param))


def train(model: str, out: Path, seed: int = 0) -> Path:
    pairs = [
        Pair(str(number), "p", "plain", f"def f{number}(x):\n", "    pass", f"    return {number}", "", "r", "c")
        for number in range(8)
    ]
    LoraTrainer(model, QUICK, "cpu").train(pairs, out, seed)
    return out


def test_a_family_says_the_same_with_and_without_an_adapter(model: Path, tmp_path: Path) -> None:
    adapter = train(str(model), tmp_path / "adapter")
    ours, theirs = TransformersGenerator(str(model), device="cpu"), LlamaCppGenerator(str(model), engine=EXACT)
    # llama.cpp looks Gemma's activation up in a table of float16.
    tie = 2e-3 if model.name.startswith("gemma") else parity.TIE
    for served in ("", str(adapter)):
        ours.use(served)
        theirs.use(served)
        found = parity.compare(ours, theirs, prompts(), 40, tie)
        assert found.equal == found.total, found.first
        assert found.ties <= 0.1 * found.total
    theirs.close()


def test_the_embedded_model_says_the_same(tmp_path: Path) -> None:
    ours, theirs = TransformersGenerator(EMBEDDED, device="cpu"), LlamaCppGenerator(EMBEDDED, engine=EXACT)
    found = parity.compare(ours, theirs, [f"# solve\n{prompt}" for prompt in prompts()], 64)
    assert found.equal == found.total, found.first
    theirs.close()


def test_an_adapter_of_another_base_or_of_zeros_is_not_served(tiny_qwen: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    base, other = (make("qwen2", tiny_qwen, tmp_path / name) for name in ("base", "other"))
    model = AutoModelForCausalLM.from_pretrained(other)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.1)
    model.save_pretrained(other)
    adapter = train(str(base), tmp_path / "adapter")
    with pytest.raises(GeneratorError, match="is not the one that was trained"):
        LlamaCppGenerator(str(other), str(adapter), engine=EXACT)
    with pytest.raises(GeneratorError, match=r"llama\.cpp: cannot load the adapter"):
        LlamaCppGenerator(str(make("qwen3", tiny_qwen, tmp_path / "qwen3")), str(adapter), engine=EXACT)
    served = LlamaCppGenerator(str(base), str(adapter), engine=EXACT)
    name = served.name
    write_model(base, tmp_path / "base.gguf", "f32")
    by_file = LlamaCppGenerator(str(tmp_path / "base.gguf"), str(adapter))
    asked = Sampling(0.0, max_tokens=20)
    assert [done.ids for done in by_file.generate(["def f1(x):\n"], asked)] == [
        done.ids for done in served.generate(["def f1(x):\n"], asked)
    ]
    by_file.close()
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({key: 0 * weight for key, weight in weights.items()}, adapter / "adapter_model.safetensors")
    with pytest.raises(GeneratorError, match="changes nothing"):
        served.use(str(adapter))
    assert served.name != name
    served.close()


def export(*arguments: str) -> tuple[int, str]:
    """What `forge export` gives back, and what it says."""
    done = CliRunner().invoke(export_group, list(arguments))
    said = f"{done.output} {done.exception or ''} {getattr(done.exception, 'hint', '')}"
    return getattr(done.exception, "exit_code", done.exit_code), said


def test_an_export_with_its_adapter_is_judged_through_its_runtime(tmp_path: Path) -> None:
    adapter = train(EMBEDDED, tmp_path / "adapter")
    judged = ("--adapter", str(adapter), "--problems", "12", "--out")
    for kind, out in (("gguf", tmp_path / "model.gguf"), ("merged", tmp_path / "merged")):
        code, said = export(kind, EMBEDDED, *judged, str(out))
        assert code == 0, said
        assert out.exists()
        assert not out.with_name(f"unproven-{out.name}").exists()
    assert export("gguf", EMBEDDED, *judged, str(tmp_path / "model.gguf"))[0] == 2
    assert (tmp_path / "merged" / "tokenizer.json").is_file()


def test_an_export_that_says_something_else_is_not_called_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter that forgets to interleave the rotary halves writes a file that loads, and talks nonsense."""
    monkeypatch.setattr("forge.export.families.interleave", lambda weight, heads: weight)
    out = tmp_path / "model.gguf"
    code, said = export("gguf", EMBEDDED, "--problems", "20", "--out", str(out))
    assert code == 1, said
    assert "the export" in said
    assert not out.exists()
    assert (tmp_path / "unproven-model.gguf").is_file()


def test_a_tokenizer_that_llama_cpp_reads_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forge.export.vocabulary._CUTS", {})
    code, said = export("gguf", EMBEDDED, "--problems", "5", "--out", str(tmp_path / "model.gguf"))
    assert code == 1
    assert "as other tokens than the model" in said


BROKEN = {
    "": "is no template at all: has the token <|im_end|> of a chat model",
    "{{ raise_exception('no') }}": "fails: no",
    "{% if false %}x{% endif %}": "renders nothing",
    "{% for m in messages %}{{ m['role'] }}{% endfor %}": "drops what the user says",
    "{% for m in messages | reverse %}{{ m['content'] }}{% endfor %}": "changes the order",
}


@pytest.mark.parametrize("template", BROKEN)
def test_a_missing_or_broken_chat_template_is_refused(tiny_qwen: Path, tmp_path: Path, template: str) -> None:
    place = shutil.copytree(tiny_qwen, tmp_path / "model")
    (place / "chat_template.jinja").unlink()
    tokenizer = load_tokenizer(str(place))
    tokenizer.chat_template = template or None
    tokenizer.save_pretrained(place)
    code, said = export("gguf", str(place), "--problems", "5", "--out", str(tmp_path / "model.gguf"))
    assert code == 2, said
    assert BROKEN[template].rpartition(": ")[2] in said
    assert not list(tmp_path.glob("*.gguf"))


def test_the_file_s_own_tokenizer_and_template_are_those_of_the_model(tiny_qwen: Path, tmp_path: Path) -> None:
    write_model(tiny_qwen, tmp_path / "model.gguf", "f16")
    ours, theirs = load_tokenizer(str(tiny_qwen)), load_tokenizer(str(tmp_path / "model.gguf"))
    asked: list[Prompt] = [({"role": "user", "content": "hé\n\n  there 123"},), *prompts(4)]
    for turn in asked:
        text = render(ours, turn)
        assert render(theirs, turn) == text
        assert encode(theirs, turn, text) == encode(ours, turn, text)
    assert theirs.decode(encode(ours, "ünï", "ünï")) == "ünï"


CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_ollama_is_told_what_the_chat_template_writes(tiny_qwen: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_qwen))
    code, said = export("ollama", str(tiny_qwen), "--problems", "0", "--out", str(tmp_path / "plain"))
    assert code == 0, said
    assert (tmp_path / "plain" / "Modelfile").read_text() == (
        'FROM ./model.gguf\nTEMPLATE """'
        "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
        "{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}"
        '<|im_start|>assistant\n{{ .Response }}<|im_end|>\n"""\nPARAMETER stop "<|im_end|>"\n'
    )
    tokenizer.chat_template = CHATML
    assert 'SYSTEM """Be kind."""' in modelfile(tokenizer, "x.gguf", [])
    assert turns(tokenizer).system == ("<|im_start|>system\n", "<|im_end|>\n")
    tokenizer.chat_template = "{% for m in messages %}{{ loop.index }}{{ m['content'] }}{% endfor %}"
    with pytest.raises(ConfigError, match="Ollama cannot be told"):
        turns(tokenizer)


def test_models_that_cannot_be_written_are_told_why(tiny_qwen: Path, tmp_path: Path) -> None:
    from transformers import AutoConfig

    with pytest.raises(ConfigError, match="hidden_size is 64, which q4_k cannot cut into blocks of 256"):
        write_quantized(tiny_qwen, tmp_path / "x.gguf", "q4_k")
    other = AutoConfig.for_model("gpt2")
    with pytest.raises(ConfigError, match="type 'gpt2' cannot be written as GGUF"):
        family(other)
    stretched = AutoConfig.for_model("llama", rope_parameters={"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4})
    with pytest.raises(ConfigError, match="rotary positions of type 'yarn'"):
        family(stretched)


def test_a_quantized_model_runs(tiny_qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import model_families

    monkeypatch.setitem(model_families.SIZES, "hidden_size", 256)
    monkeypatch.setitem(model_families.SIZES, "intermediate_size", 256)
    model = make("llama", tiny_qwen, tmp_path / "model")
    for precision, said in (("q4_k", "Q4_K"), ("q8_0", "Q8_0")):
        generator = LlamaCppGenerator(str(model), engine=EngineConfig(precision=precision, threads=1))
        assert said in generator.name
        assert len(list(generator.generate(["a", "b"], Sampling(1.0, max_tokens=5)))) == 2
        generator.close()


OFFICIAL = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
import convert_hf_to_gguf as converter
for name in ("llama", "qwen", "gemma"):
    for kind in vars(importlib.import_module(f"conversion.{name}")).values():
        if isinstance(kind, type):
            kind.set_vocab = lambda self: None  # It knows no tokenizer but those that were published.
for made in sys.argv[2:]:
    model, precision = made.rsplit(":", 1)
    sys.argv = ["convert", model, "--outfile", f"{model}/{precision}.gguf", "--outtype", precision]
    converter.main()
"""


@pytest.mark.skipif(not CONVERTER, reason="FORGE_LLAMA_CPP names no folder with llama.cpp's own converter")
def test_tensors_are_those_of_the_official_converter(tiny_qwen: Path, tmp_path: Path) -> None:
    import gguf

    made = [
        (make(name, tiny_qwen, tmp_path / name), kind) for name in FAMILIES for kind in ("f32", "f16", "bf16", "q8_0")
    ]
    arguments = [CONVERTER, *(f"{model}:{kind}" for model, kind in made)]
    done = subprocess.run([sys.executable, "-c", OFFICIAL, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for model, kind in made:
        write_model(model, tmp_path / "ours.gguf", kind)
        ours, theirs = (
            {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
            for path in (tmp_path / "ours.gguf", model / f"{kind}.gguf")
        )
        assert set(ours) == set(theirs), model
        for name, tensor in theirs.items():
            assert ours[name].tensor_type == tensor.tensor_type, (model, kind, name)
            assert ours[name].data.tobytes() == tensor.data.tobytes(), (model, kind, name)


def test_a_tokenizer_by_pieces_is_read_as_its_own(tiny_qwen: Path, tmp_path: Path) -> None:
    """As Llama 2's, Mistral's and Gemma's: pieces of text, spaces made visible, bytes where no piece fits."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    bpe = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=special, show_progress=False)
    bpe.train_from_iterator(Path(__file__).read_text().split("\n"), trainer)
    spec = json.loads(bpe.to_str())
    # The trainer makes the bytes special; in a published file they are pieces like others.
    spec["added_tokens"] = spec["added_tokens"][:3]
    spec["model"]["byte_fallback"] = True
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)), bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    place = make("llama", tiny_qwen, tmp_path / "model")
    tokenizer.save_pretrained(place)
    write_model(place, tmp_path / "model.gguf", "f16")
    texts = ["def f(x):", "    return {'a': \"ü\"}  # 日本", "a  b\tc\n\n", "</s> and <s>", *map(str, prompts(20))]
    regrade.demand_same_tokens(str(place), tmp_path / "model.gguf", texts)


@pytest.mark.skipif(not CONVERTER, reason="FORGE_LLAMA_CPP names no folder with llama.cpp's own converter")
@pytest.mark.parametrize("name", ["llama3", "qwen3"])
def test_an_adapter_s_tensors_are_those_of_the_official_converter(name: str, tiny_qwen: Path, tmp_path: Path) -> None:
    import gguf

    model = make(name, tiny_qwen, tmp_path / "model")
    adapter = train(str(model), tmp_path / "adapter")
    write_adapter(adapter, model, tmp_path / "ours.gguf")
    script = [sys.executable, f"{CONVERTER}/convert_lora_to_gguf.py", "--base", str(model), str(adapter)]
    subprocess.run([*script, "--outtype", "f32", "--outfile", str(tmp_path / "theirs.gguf")], check=True)
    ours, theirs = (
        {tensor.name: tensor.data.tobytes() for tensor in gguf.GGUFReader(tmp_path / f"{one}.gguf").tensors}
        for one in ("ours", "theirs")
    )
    assert ours == theirs

"""The embedded model's corpus, held-out problems, tokenizer and weights."""

from __future__ import annotations

import ast
import itertools
import json
import random
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from forge import nano
from forge.nano import checks, corpus, foreign, heldout, pretrain, structures
from forge.nano.family import Structure, Task
from forge.nano.programs import FLAWLESS, STYLES, body, program, reference, slips
from forge.prompts import NANO, render

WEIGHTS = nano.weights()
DOCSTRING = re.compile(r'"""(.*)"""')


def _drawn(count: int) -> list[Task]:
    rng = random.Random(5)
    return [structures.draw(rng) for _ in range(count)]


def test_every_structure_is_in_one_part_and_only_training_structures_are_drawn() -> None:
    keys = [s.key for part in structures.PARTS for s in structures.structures(part)]
    assert len(keys) == len(set(keys)) > 5000
    train = {s.key for s in structures.structures("train")}
    assert {task.structure.key for task in _drawn(20_000)} <= train
    assert all(structures.part(s) == "train" for s in structures.structures("train"))


def test_the_split_can_be_told_from_its_documentation() -> None:
    import hashlib

    for part, digits in (("train", "0123"), ("dev", "4"), ("final", "5"), ("unseen", "6789")):
        for structure in structures.structures(part)[:40]:
            digest = int(hashlib.sha256(structure.key.encode()).hexdigest(), 16)
            assert str(digest % 10) in digits


def test_no_docstring_of_any_document_could_be_a_held_out_one() -> None:
    held_out = structures.heldout_masks()
    assert not held_out & structures.training_masks()
    modes = set()
    for document in itertools.islice(corpus.documents("leak test"), 3000):
        for item in document:
            modes.add(item.mode)
            for docstring in DOCSTRING.findall(item.text):
                mask = structures.masked(docstring)
                assert mask not in held_out
                assert mask in structures.training_masks()
    assert modes == {"solve", "repair", "invent", "tests"}


def test_the_leak_check_finds_a_planted_held_out_docstring() -> None:
    for half in heldout.HALVES:
        for problem in heldout.problems(half):
            assert structures.masked(problem.prompt) in structures.heldout_masks()
            assert structures.is_novel(problem.prompt)


def test_novelty_ignores_numbers_case_and_spacing() -> None:
    rng = random.Random(1)
    task = next(t for t in (structures.draw(rng) for _ in range(500)) if t.bounds)
    assert not structures.is_novel(task.stub)
    assert not structures.is_novel(re.sub(r"\d+", "77", task.docstring.upper()) + "  ")
    assert structures.is_novel(task.docstring.replace("Return", "Return twice"))


def test_committed_held_out_problems_are_what_the_generator_makes() -> None:
    text = (resources.files("forge.nano") / "heldout.jsonl").read_text(encoding="utf-8")
    assert text == heldout.rendered()
    rows = [json.loads(line) for line in text.splitlines()]
    assert sum(row["id"].startswith("nano/dev/") for row in rows) >= 200
    assert sum(row["id"].startswith("nano/final/") for row in rows) >= 300
    assert len({structures.masked(row["prompt"]) for row in rows}) == len(rows)


def _passes(text: str, name: str, asserts: list[str]) -> bool:
    try:
        namespace = {name: checks.load(text, name)}
        for line in asserts:
            exec(line, namespace)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("half", sorted(heldout.HALVES))
def test_hidden_tests_accept_every_right_style_and_reject_every_single_mistake(half: str) -> None:
    rejected = 0
    for _, task, asserts in heldout.tasks(half):
        assert 6 <= len(asserts) <= 8
        for style in STYLES:
            assert _passes(reference(task, style), task.name, asserts), reference(task, style)
        for mistakes in slips(task):
            for style in ("short", "named", "loop"):
                assert not _passes(task.stub + body(task, mistakes, style), task.name, asserts), (mistakes, task)
                rejected += 1
    assert rejected > 1000


def test_meaning_agrees_with_rendered_code_over_the_whole_family() -> None:
    rng = random.Random(2)
    for structure in (s for part in structures.PARTS for s in structures.structures(part)[::7]):
        task = structures.with_constants(structure, rng)
        function = checks.load(reference(task, rng.choice(STYLES)), task.name)
        for _ in range(4):
            argument = checks.large_argument(task, rng)
            assert function(argument) == task.evaluate(argument), (task, argument)


def test_training_problems_are_right_and_reject_single_mistakes() -> None:
    problems = list(heldout.training_problems(3, 60))
    assert [p.id for p in problems] == [p.id for p in heldout.training_problems(3, 60)]
    assert problems[:5] != list(heldout.training_problems(4, 5))
    for problem in problems:
        assert problem.split == "train"
        assert not structures.is_novel(problem.prompt)
        assert _passes(problem.reference, problem.tests["entry_point"], problem.tests["asserts"])


def test_documents_are_the_same_for_the_same_seed_and_use_the_prompts_that_are_asked_with() -> None:
    first = list(itertools.islice(corpus.documents("a"), 50))
    assert first == list(itertools.islice(corpus.documents("a"), 50))
    assert first != list(itertools.islice(corpus.documents("b"), 50))
    for item in itertools.chain.from_iterable(first):
        if item.mode == "invent":
            assert item.prompt == render(None, NANO.propose())
        if item.mode == "repair":
            assert re.search(r"\n# error: .+\n# fixed\n$", item.prompt)
        if item.mode == "solve":
            assert item.prompt.startswith("# solve\ndef ")


def test_repair_documents_show_the_true_first_failure() -> None:
    parts = ("list", "largest")
    task = Task(next(s for s in structures.structures("train") if (s.source.name, s.reducer.name) == parts))
    rng = random.Random(0)
    broken = task.stub + body(task, next(m for m in slips(task) if m.reducer), "short")
    assert checks.first_failure(broken, task, [[1], []]) == f"{task.name}([]) raised {_raised(lambda: max([]))}"
    assert checks.first_failure(program(task, FLAWLESS, rng), task, [[1], []]) == ""
    assert checks.first_failure(broken[:-1], task, [[1]]).startswith("SyntaxError: ")


def _raised(action: object) -> str:
    try:
        action()  # type: ignore[operator]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was raised")


def test_foreign_pairs_differ_in_one_place_and_their_references_hold() -> None:
    triples = list(foreign.foreign_pairs(0, 300))
    assert len({broken for _, broken, _ in triples}) == 300
    assert len({problem.tests["entry_point"] for problem, _, _ in triples}) >= 30
    failing = 0
    for problem, broken, fixed in triples:
        ast.parse(broken)
        assert fixed == problem.reference
        assert broken.startswith(problem.prompt)
        different = [pair for pair in zip(broken.splitlines(), fixed.splitlines(), strict=True) if pair[0] != pair[1]]
        assert len(different) == 1
        assert _passes(fixed, problem.tests["entry_point"], problem.tests["asserts"])
        failing += "while" not in broken and not _passes(broken, problem.tests["entry_point"], problem.tests["asserts"])
    assert failing > 100


def test_the_tokenizer_adds_the_start_token_once_and_gives_text_back() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    for document in itertools.islice(corpus.documents("tokens"), 60):
        for item in document:
            ids = tokenizer(item.text)["input_ids"]
            assert ids[0] == tokenizer.bos_token_id
            assert ids.count(tokenizer.bos_token_id) == 1
            assert tokenizer.eos_token_id not in ids
            assert tokenizer.decode(ids, skip_special_tokens=True) == item.text
            completion = tokenizer(item.completion, add_special_tokens=False)["input_ids"]
            assert tokenizer(item.prompt)["input_ids"] + completion == ids
    assert tokenizer.chat_template is None
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|start|>", "<|end|>")
    assert 800 < len(tokenizer) <= 1024
    strange = "naïve 'ß' \t\r\n 漢字 1234"
    assert tokenizer.decode(tokenizer(strange)["input_ids"], skip_special_tokens=True) == strange


def test_the_configuration_suits_newer_and_older_loaders() -> None:
    config = json.loads((WEIGHTS / "config.json").read_text())
    assert config["rope_parameters"]["rope_theta"] == config["rope_theta"] == 10000.0
    assert config["dtype"] == config["torch_dtype"] == "float16"
    assert (config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]) == (3, 1, 64)
    assert config["tie_word_embeddings"] is True
    assert (WEIGHTS / "generation_config.json").is_file()
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 6_000_000


def test_the_weights_load_and_write_a_function_body() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32).eval()
    assert 1_500_000 < sum(p.numel() for p in model.parameters()) < 2_000_000
    prompt = '# solve\ndef sum_even(xs):\n    """Return the sum of the even numbers in xs."""\n'
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.no_grad():
        output = model.generate(**inputs, max_new_tokens=60, do_sample=False)
    text = tokenizer.decode(output[0][inputs["input_ids"].shape[1] :])
    assert text.endswith("<|end|>")
    ast.parse(prompt + text.removesuffix("<|end|>"))


def test_training_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    monkeypatch.setattr(pretrain, "STEPS_PER_CHUNK", 2)
    monkeypatch.setattr(pretrain, "ROWS_PER_STEP", 2)
    monkeypatch.setattr(pretrain, "CHECKPOINT_STEPS", 1)
    saved = []
    save = pretrain._save

    def stop_after_three(path: Path, *parts: Any) -> None:
        save(path, *parts)
        saved.append(path)
        if len(saved) == 3:
            raise KeyboardInterrupt

    tokens = 5 * 2 * pretrain.ROW
    for name in ("whole", "interrupted"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_bytes((WEIGHTS / "tokenizer.json").read_bytes())
    record = pretrain.pretrain(tmp_path / "whole", tokens=tokens, seed=3, device="cpu")
    assert record["tokens"] == tokens
    assert record == pretrain.pretrain(tmp_path / "whole", tokens=tokens, seed=3, device="cpu")
    monkeypatch.setattr(pretrain, "_save", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        pretrain.pretrain(tmp_path / "interrupted", tokens=tokens, seed=3, device="cpu")
    assert not (tmp_path / "interrupted" / "training.json").exists()
    pretrain.pretrain(tmp_path / "interrupted", tokens=tokens, seed=3, device="cpu")
    assert len(saved) == 5
    whole, resumed = (load_file(str(tmp_path / name / "model.safetensors")) for name in ("whole", "interrupted"))
    for name, values in whole.items():
        assert torch.allclose(values.float(), resumed[name].float(), atol=1e-3), name


def test_an_unknown_part_or_half_is_refused() -> None:
    with pytest.raises(ValueError, match="no part 'test'"):
        structures.structures("test")
    with pytest.raises(ValueError, match="no half 'test'"):
        next(heldout.problems("test"))
    assert isinstance(structures.structures("train")[0], Structure)

from collections.abc import Hashable, Sequence
from os import PathLike
from typing import Any, final

__all__ = [
    "Batch",
    "Index",
    "Matcher",
    "Supervisor",
    "containment",
    "decode",
    "distance",
    "encode",
    "fingerprint",
    "levels",
    "nearest",
    "outcomes",
    "processors",
    "similarity",
    "tokens",
    "version",
    "zygote",
]

version: str

@final
class Supervisor:
    def __new__(
        cls,
        *,
        program: str,
        arguments: Sequence[str],
        environment: Sequence[tuple[str, str]],
        readable: Sequence[str],
        covered: Sequence[str],
        scratch: int,
        user: int,
        most: str,
        least: str,
        workers: int,
        allow_shared: bool,
        limits: tuple[float, float, int, int, int, int],
        modules: Sequence[str],
        packages: Sequence[str],
    ) -> Supervisor: ...
    @property
    def level(self) -> str: ...
    def batch(self) -> Batch: ...
    def close(self) -> None: ...

@final
class Batch:
    def submit(
        self,
        source: bytes,
        tests: Sequence[bytes],
        entry_point: bytes,
        setup: bytes,
        probes: Sequence[bytes],
        limits: tuple[float, float, int, int, int, int],
    ) -> int | None: ...
    def submit_calls(
        self,
        source: bytes,
        calls: Sequence[bytes],
        entry_point: bytes,
        limits: tuple[float, float, int, int, int, int],
    ) -> int | None: ...
    def submit_cases(
        self,
        source: bytes,
        cases: Sequence[tuple[bytes, bytes, float]],
        limits: tuple[float, float, int, int, int, int],
    ) -> int | None: ...
    def submit_command(
        self,
        argv: Sequence[bytes],
        files: Sequence[tuple[bytes, bytes]],
        stdin: bytes,
        outputs: Sequence[bytes],
        environment: Sequence[tuple[bytes, bytes]],
        limits: tuple[float, float, int, int, int, int],
    ) -> int | None: ...
    def next(self, patience: float) -> dict[str, Any] | None: ...
    def cancel(self) -> None: ...

@final
class Index:
    def __new__(cls, threshold: float | None) -> Index: ...
    def __len__(self) -> int: ...
    @property
    def clusters(self) -> int: ...
    def insert(
        self, texts: list[str], keys: list[Hashable] | None, threads: int | None
    ) -> list[tuple[int, int, str, float]]: ...
    def firsts(self, texts: list[str], keys: list[Hashable] | None, threads: int | None) -> list[int]: ...
    def save(self, path: str | PathLike[str]) -> None: ...
    @staticmethod
    def load(path: str | PathLike[str]) -> Index: ...

@final
class Matcher:
    def __new__(cls, threshold: float, least: int) -> Matcher: ...
    def __len__(self) -> int: ...
    def add(self, text: str) -> None: ...
    def look(self, texts: list[str], threads: int | None) -> list[list[tuple[int, str, float]]]: ...

def fingerprint(text: str) -> str: ...
def similarity(one: str, two: str) -> float: ...
def containment(part: str, whole: str) -> float: ...
def distance(one: str, two: str) -> int: ...
def nearest(text: str, others: list[str]) -> int | None: ...
def tokens(text: str) -> list[tuple[str, str]]: ...
def outcomes() -> list[str]: ...
def levels() -> list[str]: ...
def encode(value: object) -> bytes: ...
def decode(data: bytes) -> Any: ...
def processors() -> int: ...
def zygote() -> None: ...

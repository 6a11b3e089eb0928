from collections.abc import Sequence
from typing import Any, final

__all__ = ["Batch", "Supervisor", "decode", "encode", "levels", "outcomes", "version", "zygote"]

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

def outcomes() -> list[str]: ...
def levels() -> list[str]: ...
def encode(value: object) -> bytes: ...
def decode(data: bytes) -> Any: ...
def zygote() -> None: ...

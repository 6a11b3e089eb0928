#!/bin/sh
# Make .venv with torch and the build tools in it. Uses a CPU build of torch where there is no NVIDIA GPU
# and the PyTorch index can be reached; otherwise the default build of the platform.
set -eu
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: $("$python" --version 2>&1) is too old; hint: make PYTHON=python3.11 (or newer)" >&2
    exit 2
}
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet "uv>=0.9" "maturin>=1.16,<2"
torch=$(sed -n 's/^ *"\(torch[^"]*\)",$/\1/p' pyproject.toml)
install() { VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet "$@" "$torch"; }

if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1; then
    install --torch-backend=cpu 2>/dev/null && exit 0
    echo "no CPU build of torch can be reached: installing the default one (about 3 GB with CUDA libraries)" >&2
fi
install

#!/bin/sh
# Make .venv-vllm, in which tests/engines run with a real vLLM on the CPU. It has the forge that .venv has:
# the same sources and the same compiled module.
set -eu
if [ "$(uname -s)" != Linux ]; then
    echo "vLLM is left out of the tests: it has builds for Linux only" >&2
    exit 0
fi
uv=$PWD/.venv/bin/uv
python=$(.venv/bin/python -c 'import sys; print(sys._base_executable)')
[ -x .venv-vllm/bin/python ] || "$uv" venv --quiet --python "$python" .venv-vllm

set -- --quiet --override tests/engines/vllm-overrides.txt -r tests/engines/vllm-requirements.txt
VIRTUAL_ENV=$PWD/.venv-vllm
export VIRTUAL_ENV
"$uv" pip install --torch-backend=cpu "$@" 2>/dev/null || "$uv" pip install "$@"

packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
from=$(packages .venv)
to=$(packages .venv-vllm)
rm -rf "$to"/forge-*.dist-info
cp -R "$from"/forge-*.dist-info "$to"/
echo "$PWD/python" >"$to/forge.pth"

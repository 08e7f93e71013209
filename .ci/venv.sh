# Sourced by example_workflow/run and tests/run: makes .venv once, with the extras asked for.
# Usage: . .ci/venv.sh; need_venv "local,example"

say() { printf '%s\n' "$*" >&2; }

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        [ -n "$name" ] || continue
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$name"
            return
        fi
    done
    say "hutchbatch needs Python 3.11 or newer; none was found. Install one (for example" \
        "'apt-get install python3' on a recent Debian), or say which: PYTHON=/path/to/python3.11"
    return 1
}

make_venv() { # folder
    local python
    [ -x "$1/bin/pip" ] && return
    python=$(find_python) || return 1
    rm -rf "$1"
    if ! "$python" -m venv "$1" >/dev/null 2>&1; then
        rm -rf "$1"
        say "Python could not make a virtual environment; on Debian and Ubuntu:" \
            "apt-get install python3-venv"
        return 1
    fi
}

need_venv() { # extras
    local stamp
    stamp=".venv/hutchbatch-$(printf '%s' "$1" | tr ',' '-').stamp"
    make_venv .venv || return 1
    if [ ! -e "$stamp" ] || ! cmp -s pyproject.toml "$stamp"; then
        say "Installing hutchbatch and what it needs into .venv (a few minutes, the first time) …"
        .venv/bin/pip install --quiet --disable-pip-version-check --editable ".[$1]" || {
            say "pip could not install it all; its words are above. Is PyPI reachable from here?"
            return 1
        }
        cp pyproject.toml "$stamp"
    fi
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
}

#!/bin/sh
# Sets up what tests can use besides Python packages: a KDC with GSSAPI's bindings, age and zstd, tedious for node, and the
# source of the installed pypsrp, whose own tests they run. Both go into the folder .foreign beside VENV.
#
#   .ci/foreign.sh VENV
#
# Only root can install the KDC. What cannot be had is named, and the tests that want it skip by name.
set -u

[ $# -eq 1 ] || { echo "usage: foreign.sh VENV" >&2; exit 2; }
root=$(CDPATH='' cd -- "$1/.." && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive

packages="krb5-kdc krb5-admin-server krb5-user libkrb5-dev gcc python3-dev"
install() { apt-get install -y --no-install-recommends $packages >"$log" 2>&1; }
kerberos() {
    if ! PATH="$PATH:/usr/sbin" command -v krb5kdc >/dev/null || ! command -v krb5-config >/dev/null; then
        [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || { echo "only root can install $packages" >"$log"; return 1; }
        install || { apt-get update >"$log" 2>&1 && install; } || return 1
    fi
    "$1/bin/python" -c 'import gssapi, krb5' 2>/dev/null ||
        CFLAGS="-O0 -g0" "$1/bin/python" -m pip install --quiet --disable-pip-version-check 'pypsrp[kerberos]' >"$log" 2>&1
}
if kerberos "$1"; then
    echo "Kerberos: a KDC and GSSAPI are installed"
    echo "installed: Kerberos"
else
    echo "Kerberos: not set up ($(tail -n 1 "$log")): its tests will be skipped"
fi

opening() { # Debian's own tools, which must open what we seal
    command -v age >/dev/null && command -v zstd >/dev/null && return
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || { echo "only root can install age and zstd" >"$log"; return 1; }
    packages="age zstd"
    install || { apt-get update >"$log" 2>&1 && install; }
}
if opening; then
    echo "age and zstd: installed"
    echo "installed: zstd"
else
    echo "age and zstd: not installed ($(tail -n 1 "$log")): the tests that open sealed sets by hand will be skipped"
fi

if ! command -v npm >/dev/null; then
    echo "tedious: no npm: its test will be skipped"
elif [ -d "$root/.foreign/node_modules/tedious" ] ||
    npm install --prefix "$root/.foreign" --silent --no-audit --no-fund tedious@19 >"$log" 2>&1; then
    echo "tedious: installed"
    echo "installed: tedious"
else
    echo "tedious: not installed ($(tail -n 1 "$log")): its test will be skipped"
fi

windows() { # Ansible's modules for Windows come with the big package only; nothing else of it is kept
    [ -d "$root/.foreign/collections/ansible_collections/ansible/windows" ] && return
    "$1/bin/python" -c 'import ansible' 2>"$log" &&
        "$1/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$root/.foreign/fetched" \
            'ansible==12.*' >"$log" 2>&1 &&
        "$1/bin/python" - "$root/.foreign" 2>"$log" <<'END'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(folder.glob("fetched/ansible-*.whl"))) as wheel:
    wheel.extractall(folder / "collections", [name for name in wheel.namelist() if "/ansible/windows/" in name])
END
}
if windows "$1"; then
    echo "Ansible: its modules for Windows are in $root/.foreign/collections"
    echo "installed: ansible.windows"
else
    echo "Ansible: no modules for Windows ($(tail -n 1 "$log")): their test will be skipped"
fi

version=$("$1/bin/python" -c 'import importlib.metadata; print(importlib.metadata.version("pypsrp"))')
source=$root/.foreign/pypsrp-$version
suite() { # the source as it is published: a tar file with the tests in it
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check pytest-mock xmldiff >"$log" 2>&1 || return 1
    [ -d "$source" ] && return
    mkdir -p "$root/.foreign/fetched" &&
        "$1/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary pypsrp \
            --dest "$root/.foreign/fetched" "pypsrp==$version" >"$log" 2>&1 &&
        tar -xzf "$root/.foreign/fetched/pypsrp-$version.tar.gz" -C "$root/.foreign" >"$log" 2>&1
}
if suite "$1"; then
    ln -sfn "$source" "$root/.foreign/pypsrp" && echo "pypsrp: its tests are in $source" && echo "installed: pypsrp"
else
    echo "pypsrp: no source ($(tail -n 1 "$log")): its tests will not be run"
fi

#!/bin/sh
# Sets up what pyodbc needs: unixODBC's library and FreeTDS' driver.
#
#   .ci/odbc.sh VENV
#
# As root it installs Debian's packages; else it unpacks them into the folder .odbc beside VENV, where sitekeeper looks.
# Says in one line what it did; does nothing the second time.
set -eu

fail() {
    echo "odbc.sh: $1" >&2
    echo "odbc.sh: install them by hand: apt-get install unixodbc tdsodbc" >&2
    exit 1
}

[ $# -eq 1 ] || { echo "usage: odbc.sh VENV" >&2; exit 2; }
[ -d "$1" ] || fail "$1 is no folder"
folder=$(CDPATH='' cd -- "$1/.." && pwd)/.odbc

have() { # the driver manager can be loaded and FreeTDS is registered with it
    ldconfig -p 2>/dev/null | grep -q 'libodbc\.so\.2' && grep -qs '^\[FreeTDS\]' /etc/odbcinst.ini
}

unpacked() {
    for name in libltdl.so.7 libodbcinst.so.2 libodbc.so.2 odbc/libtdsodbc.so; do
        set -- "$folder"/usr/lib/*/"$name"
        [ -e "$1" ] || return 1
    done
}

if have; then
    echo "ODBC: unixODBC and FreeTDS are installed already"
    exit 0
fi
if unpacked; then
    echo "ODBC: unixODBC and FreeTDS are in $folder already"
    exit 0
fi
command -v apt-get >/dev/null || fail "there is no apt-get here"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if [ "$(id -u)" -eq 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    install() { apt-get install -y --no-install-recommends unixodbc tdsodbc >"$log" 2>&1; }
    # The lists may be missing or older than the mirror.
    install || { apt-get update >"$log" 2>&1 && install; } || { cat "$log" >&2; fail "apt-get could not install"; }
    have || fail "the packages are installed, but libodbc.so.2 or the driver FreeTDS is still not there"
    echo "ODBC: installed unixODBC and FreeTDS"
    exit 0
fi

part=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$log" "$part"' EXIT
(cd "$part" && apt-get download libltdl7 libodbcinst2 libodbc2 tdsodbc) >"$log" 2>&1 || {
    cat "$log" >&2
    fail "apt-get could not download (root may have to run apt-get update once)"
}
for package in "$part"/*.deb; do
    dpkg -x "$package" "$part/root"
done
rm -rf "$folder"
mv -T "$part/root" "$folder"
unpacked || fail "$folder is not complete"
echo "ODBC: unpacked unixODBC and FreeTDS into $folder"

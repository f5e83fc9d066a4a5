#!/usr/bin/env bash
# Builds option-pricer.wasm from option-pricer.c with Debian 12's clang-14 and lld-14:
#   apt-get install clang-14 lld-14
# The same compiler gives the same bytes; `./build.sh --check` compares them with the committed file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
out=option-pricer.wasm
[ "${1:-}" = --check ] && out="$(mktemp)"
clang-14 --target=wasm32 -O2 -std=c17 -Wall -Wextra -Werror -nostdlib -ffreestanding -fno-builtin \
  -ffp-contract=off -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 -o "$out" option-pricer.c
if [ "${1:-}" = --check ]; then
  cmp "$out" option-pricer.wasm && echo "option-pricer.wasm is what its source gives"
  rm -f "$out"
fi

#!/bin/sh
# Build bento_kernel.elf with Debian's clang and lld:  build.sh [OUTPUT]
# Compiler and linker of one version give the same bytes anywhere: paths, build ids and comments are kept out.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here/bento_kernel.elf}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$here"
clang --target=riscv32-unknown-elf -march=rv32im -mabi=ilp32 -mno-relax -Os -std=c11 -Wall -Wextra -Werror \
    -ffreestanding -fno-builtin -fno-pic -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-jump-tables \
    -ffunction-sections -nostdlib -static -fuse-ld=lld -Wno-int-to-pointer-cast \
    -Wl,-T,kernel.ld -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,max-page-size=4 -Wl,-z,nognustack -Wl,-s \
    -o "$out" entry.S first.c calls.c bigint.c

#!/usr/bin/env bash
# Writes src/bindings.rs anew from the zmq.h of the libzmq that is built here.
# Needs bindgen (`cargo install bindgen-cli`) and a libclang; building the crate needs neither.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

sources=$(cargo metadata --format-version 1 | grep -o '"manifest_path":"[^"]*/zeromq-src-0\.3\.6[^"]*"' | head -n 1 | cut -d '"' -f 4)
not_used='atomic_counter|stopwatch|sleep|thread|timer|ctx_destroy|init|term|device|sendmsg|recvmsg|sendiov|recviov'
bindgen "$(dirname "$sources")/vendor/include/zmq.h" \
    --allowlist-function 'zmq_.*' \
    --blocklist-function "zmq_($not_used).*" \
    --allowlist-type 'zmq_(msg_t|pollitem_t|free_fn)' \
    --allowlist-var 'ZMQ_.*' \
    --no-layout-tests --no-doc-comments --with-derive-default --merge-extern-blocks \
    --use-core --ctypes-prefix libc --rust-target 1.85 --rust-edition 2024 \
    --raw-line '//! What `zmq.h` of libzmq 4.3.5 declares, written by `generate.sh`.' \
    --output src/bindings.rs
rustfmt --edition 2024 src/bindings.rs

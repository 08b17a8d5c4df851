/*
 * The guests of `doctor`. One that looks around and sees nothing of the host's exits with 42, so that a guest which did
 * not run at all is not taken for it. Addresses below 64 hold what a call is given, those from 64 on what it answers.
 */
#include "cli/doctor_guests.h"

const char cli_guest_looping[] = "(module (func (export \"_start\") (loop br 0)))";

/* One subscription: clock 1 (monotonic), an hour from now. */
const char cli_guest_sleeping[] =
    "(module"
    "  (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $poll (param i32 i32 i32 i32) (result i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func (export \"_start\")"
    "    (i32.store (i32.const 16) (i32.const 1))"
    "    (i64.store (i32.const 24) (i64.const 3600000000000))"
    "    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))";

const char cli_guest_growing[] = "(module"
                                 "  (memory (export \"memory\") 1)"
                                 "  (func (export \"_start\")"
                                 "    (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
                                 "    unreachable))";

const char cli_guest_flooding[] =
    "(module"
    "  (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func (export \"_start\")"
    "    (i32.store (i32.const 4) (i32.const 1000))"
    "    (loop"
    "      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))"
    "      br 0)))";

const char cli_guest_guessing[] =
    "(module"
    "  (import \"wasi_snapshot_preview1\" \"random_get\" (func $random (param i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"clock_time_get\" (func $time (param i32 i64 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func (export \"_start\")"
    "    (i32.store (i32.const 0) (i32.const 64))"
    "    (i32.store (i32.const 4) (i32.const 16))"
    "    (drop (call $random (i32.const 64) (i32.const 8)))"
    "    (drop (call $time (i32.const 0) (i64.const 1) (i32.const 72)))"
    "    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 128)))))";

const char cli_guest_environment[] =
    "(module"
    "  (import \"wasi_snapshot_preview1\" \"environ_sizes_get\" (func $sizes (param i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func (export \"_start\")"
    "    (if (call $sizes (i32.const 64) (i32.const 68)) (then unreachable))"
    "    (call $exit (i32.add (i32.const 42) (i32.load (i32.const 64))))))";

/* By its name from the root, by its name alone, and by climbing up. */
const char cli_guest_opening[] =
    "(module"
    "  (import \"wasi_snapshot_preview1\" \"path_open\""
    "    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))"
    "  (memory (export \"memory\") 1)"
    "  (data (i32.const 0) \"/etc/passwd\")"
    "  (data (i32.const 16) \"../../../../../../etc/passwd\")"
    "  (func $try (param $path i32) (param $size i32)"
    "    (if (i32.eqz (call $open (i32.const 3) (i32.const 0) (local.get $path) (local.get $size) (i32.const 0)"
    "                             (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 64)))"
    "      (then (call $exit (i32.const 1)))))"
    "  (func (export \"_start\")"
    "    (call $try (i32.const 0) (i32.const 11))"
    "    (call $try (i32.const 1) (i32.const 10))"
    "    (call $try (i32.const 16) (i32.const 28))"
    "    (call $exit (i32.const 42))))";

const char cli_guest_accepting[] =
    "(module"
    "  (import \"wasi_snapshot_preview1\" \"sock_accept\" (func $accept (param i32 i32 i32) (result i32)))"
    "  (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))"
    "  (memory (export \"memory\") 1)"
    "  (func $try (param $fd i32)"
    "    (if (i32.eqz (call $accept (local.get $fd) (i32.const 0) (i32.const 64)))"
    "      (then (call $exit (i32.const 1)))))"
    "  (func (export \"_start\")"
    "    (call $try (i32.const 0))"
    "    (call $try (i32.const 3))"
    "    (call $try (i32.const 4))"
    "    (call $exit (i32.const 42))))";

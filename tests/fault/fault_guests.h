/*
 * Guests of the fault tests.
 */
#ifndef ADK_TESTS_FAULT_GUESTS_H
#define ADK_TESTS_FAULT_GUESTS_H

/* What a guest is told where the host has no memory for what it asks, and ends with. */
#define GUEST_SAW_ENOMEM 48

/**
 * Uses everything: prints arguments, environment, standard input, /in.txt and data/a, and writes /out/copy. Exits with the
 * first error number it sees.
 */
static const char *const fault_guest_parts[] = {
    "(module " IMPORT_WRITE IMPORT_READ IMPORT_EXIT "(import \"" WASI
    "\" \"args_sizes_get\" (func $args_sizes (param i32 i32) (result i32)))"
    "(import \"" WASI "\" \"args_get\" (func $args (param i32 i32) (result i32)))"
    "(import \"" WASI "\" \"environ_sizes_get\" (func $env_sizes (param i32 i32) (result i32)))"
    "(import \"" WASI "\" \"environ_get\" (func $env (param i32 i32) (result i32)))"
    "(import \"" WASI "\" \"path_create_directory\" (func $mkdir (param i32 i32 i32) (result i32)))"
    "(import \"" WASI "\" \"path_open\""
    "  (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
    "(memory (export \"memory\") 2)"
    "(data (i32.const 1024) \"in.txt\") (data (i32.const 1040) \"out\") (data (i32.const 1056) \"out/copy\")"
    "(data (i32.const 1072) \"a\") (data (i32.const 1088) \"copied\")"
    "(func $must (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))"
    "(func $print (param $fd i32) (param $at i32) (param $size i32)"
    "  (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $size))"
    "  (call $must (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))",
    "(func $pass (param $fd i32)"
    "  (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 4096))"
    "  (call $must (call $read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))"
    "  (call $print (i32.const 1) (i32.const 4096) (i32.load (i32.const 8))))"
    "(func $open (param $dir i32) (param $path i32) (param $size i32) (param $flags i32) (result i32)"
    "  (call $must (call $path_open (local.get $dir) (i32.const 1) (local.get $path) (local.get $size)"
    "    (local.get $flags) (i64.const 0x600166) (i64.const 0) (i32.const 0) (i32.const 12)))"
    "  (i32.load (i32.const 12)))",
    START "  (call $must (call $args_sizes (i32.const 16) (i32.const 20)))"
          "  (call $must (call $args (i32.const 2048) (i32.const 3072)))"
          "  (call $print (i32.const 1) (i32.const 3072) (i32.load (i32.const 20)))"
          "  (call $must (call $env_sizes (i32.const 16) (i32.const 20)))"
          "  (call $must (call $env (i32.const 2048) (i32.const 3072)))"
          "  (call $print (i32.const 1) (i32.const 3072) (i32.load (i32.const 20)))"
          "  (call $pass (i32.const 0))"
          "  (call $pass (call $open (i32.const 3) (i32.const 1024) (i32.const 6) (i32.const 0)))"
          "  (call $pass (call $open (i32.const 4) (i32.const 1072) (i32.const 1) (i32.const 0)))"
          "  (call $must (call $mkdir (i32.const 3) (i32.const 1040) (i32.const 3)))"
          "  (call $print (call $open (i32.const 3) (i32.const 1056) (i32.const 8) (i32.const 1))"
          "    (i32.const 1088) (i32.const 6))))",
};

/** Writes a page of `x` 64 times: more than an output limit and its ring. */
#define GUEST_FLOODS                                                                            \
    "(module " IMPORT_WRITE "(memory (export \"memory\") 2)" START "(local $i i32)"             \
    "(memory.fill (i32.const 65536) (i32.const 120) (i32.const 65536))"                         \
    "(i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 65536))"   \
    "(loop $again (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))" \
    "(local.set $i (i32.add (local.get $i) (i32.const 1)))"                                     \
    "(br_if $again (i32.lt_u (local.get $i) (i32.const 4))))))"

/** Traps with two frames above the entry. */
#define GUEST_TRAPS "(module (func $inner unreachable) (func $outer (call $inner)) " START "(call $outer)))"

/** Asks for more than there is and gives up as programs do. */
#define GUEST_GROWS                                 \
    "(module (memory (export \"memory\") 1) " START \
    "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))))"

/** Prints eight random bytes and the time. */
#define GUEST_ASKS                                                                                                  \
    "(module " IMPORT_WRITE IMPORT_RANDOM IMPORT_CLOCK "(memory (export \"memory\") 1)"                             \
    "(data (i32.const 0) \"\\10\\00\\00\\00\\10\\00\\00\\00\")" START                                               \
    "(drop (call $random (i32.const 16) (i32.const 8))) (drop (call $clock (i32.const 0) (i64.const 1) (i32.const " \
    "24)))"                                                                                                         \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"

#endif

;; Writes 10 MiB, in 160 blocks of 64 KiB in which byte i of the whole is i modulo 251, to standard output and then 1 MiB
;; the same way to standard error; exits with the error of the first write that fails or is short of bytes.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 0))
  (func $fill
    (local $i i32)
    (loop $more
      (i32.store8 (i32.add (i32.const 4096) (local.get $i)) (i32.rem_u (global.get $next) (i32.const 251)))
      (global.set $next (i32.add (global.get $next) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 65536)))))
  (func $write (param $fd i32)
    (local $error i32) (local $done i32)
    (call $fill)
    (loop $more
      (i32.store (i32.const 0) (i32.add (i32.const 4096) (local.get $done)))
      (i32.store (i32.const 4) (i32.sub (i32.const 65536) (local.get $done)))
      (local.set $error (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (local.get $error) (then (call $proc_exit (local.get $error))))
      (local.set $done (i32.add (local.get $done) (i32.load (i32.const 8))))
      (br_if $more (i32.lt_u (local.get $done) (i32.const 65536)))))
  (func $blocks (param $fd i32) (param $count i32)
    (loop $more
      (call $write (local.get $fd))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br_if $more (local.get $count))))
  (func (export "_start")
    (call $blocks (i32.const 1) (i32.const 160))
    (global.set $next (i32.const 0))
    (call $blocks (i32.const 2) (i32.const 16))))

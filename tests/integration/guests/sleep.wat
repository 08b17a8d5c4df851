;; Sleeps for a minute with one relative subscription to the monotonic clock; exits with 1 if that fails.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1))               ;; clock: monotonic
    (i64.store (i32.const 24) (i64.const 60000000000))
    (if (call $poll_oneoff (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200))
      (then (call $proc_exit (i32.const 1))))))

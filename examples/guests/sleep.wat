;; Sleeps for a minute: one subscription to the monotonic clock, relative.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $main (export "_start")
    (i32.store8 (i32.const 8) (i32.const 0))                 ;; tag: clock
    (i32.store (i32.const 16) (i32.const 1))                 ;; clock: monotonic
    (i64.store (i32.const 24) (i64.const 60000000000))       ;; timeout
    (drop (call $poll_oneoff (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))

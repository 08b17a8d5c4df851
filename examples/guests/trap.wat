;; Divides by zero, three calls deep.
(module
  (func $divide (param $by i32) (result i32)
    (i32.div_s (i32.const 1) (local.get $by)))
  (func $average (param $count i32) (result i32)
    (call $divide (local.get $count)))
  (func $main (export "_start")
    (drop (call $average (i32.const 0)))))

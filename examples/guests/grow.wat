;; Takes a mebibyte after the other until it is refused one, and gives up as programs do that run out of memory.
(module
  (memory (export "memory") 1)
  (func $grow (export "_start")
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable)))

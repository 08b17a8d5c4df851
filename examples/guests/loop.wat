;; Computes for ever.
(module
  (func $main (export "_start")
    (loop $again (br $again))))

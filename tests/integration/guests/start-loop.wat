;; Never gets as far as its entry: the start section loops.
(module
  (func $init (loop $again (br $again)))
  (func (export "_start"))
  (start $init))

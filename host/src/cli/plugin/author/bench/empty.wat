;; The least a plugin can be: one tool that answers a word. What every other one is measured against.
;;
;; Laid out by hand as the component model lays out the contract's records (canonical ABI): a string is pointer and length,
;; a list the same, a case of a variant a byte and then its content at the next multiple of four.
(module
  (memory (export "memory") 1)

  ;; plugin-info at 256: name, version, one tool.
  (data (i32.const 256) "\00\02\00\00\05\00\00\00" "\08\02\00\00\05\00\00\00" "\20\01\00\00\01\00\00\00")
  ;; The tool at 288: name, title, description, input-schema; no output-schema; read-only and idempotent.
  (data (i32.const 288)
    "\10\02\00\00\0e\00\00\00" "\10\02\00\00\0e\00\00\00" "\10\02\00\00\0e\00\00\00" "\20\02\00\00\11\00\00\00"
    "\00\00\00\00" "\00\00\00\00" "\00\00\00\00" "\01\00\01\00")
  ;; The answer at 400: ok, text, "empty".
  (data (i32.const 400) "\00\00\00\00" "\02\00\00\00" "\00\02\00\00\05\00\00\00")

  (data (i32.const 512) "empty")
  (data (i32.const 520) "0.0.0")
  (data (i32.const 528) "rowhouse_empty")
  (data (i32.const 544) "{\"type\":\"object\"}")

  ;; What the host puts here is never read: all of it may lie in one place.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "rowhouse:plugin/tools@0.1.0#describe") (result i32) (i32.const 256))
  (func (export "rowhouse:plugin/tools@0.1.0#call") (param i32 i32 i32 i32) (result i32) (i32.const 400)))

;; The drain: its method calls deposit_cycles of the management canister with the bytes of its own
;; argument and with all cycles that the canister can spend, less the price of that call.
;;
;; The call has a best-effort response: it reserves no memory for its answer, which would raise the
;; freezing threshold. Where the platform refuses the call all the same, the drain keeps twice as
;; many cycles back and tries again.
(module
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_size" (func $caller_size (result i32)))
  (import "ic0" "msg_caller_copy" (func $caller_copy (param i32 i32 i32)))
  (import "ic0" "is_controller" (func $is_controller (param i32 i32) (result i32)))
  (import "ic0" "canister_liquid_cycle_balance128" (func $liquid (param i32)))
  (import "ic0" "cost_call" (func $cost_call (param i64 i64 i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $call_data_append (param i32 i32)))
  (import "ic0" "call_with_best_effort_response" (func $call_best_effort (param i32)))
  (import "ic0" "call_cycles_add128" (func $call_cycles_add (param i64 i64)))
  (import "ic0" "call_perform" (func $call_perform (result i32)))
  (import "ic0" "msg_reply_data_append" (func $reply_append (param i32 i32)))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (memory 1)
  (table funcref (elem $done $refused))
  (data (i32.const 0) "deposit_cycles")           ;; 14 bytes
  (data (i32.const 16) "DIDL\00\00")              ;; 6 bytes: ()
  (data (i32.const 32) "only controllers may drain") ;; 26 bytes
  (data (i32.const 64) "deposit_cycles refused")  ;; 22 bytes
  (data (i32.const 96) "nothing to drain")        ;; 16 bytes
  ;; 160: balance, 16 bytes; 176: cost, 16 bytes; 192: caller; 256: argument

  (func $done (param i32)
    (call $reply_append (i32.const 16) (i32.const 6))
    (call $reply))
  (func $refused (param i32)
    (call $reject (i32.const 64) (i32.const 22)))

  (func (export "canister_update drain")
    (local $size i32) (local $low i64) (local $high i64) (local $kept i64) (local $slack i64)
    (call $caller_copy (i32.const 192) (i32.const 0) (call $caller_size))
    (if (i32.eqz (call $is_controller (i32.const 192) (call $caller_size)))
      (then (call $trap (i32.const 32) (i32.const 26))))
    (local.set $size (call $arg_size))
    (call $arg_copy (i32.const 256) (i32.const 0) (local.get $size))
    (call $liquid (i32.const 160))
    (call $cost_call (i64.const 14) (i64.extend_i32_u (local.get $size)) (i32.const 176))
    (local.set $slack (i64.const 1_000_000))
    (loop $again
      (local.set $slack (i64.shl (local.get $slack) (i64.const 1)))
      (local.set $kept (i64.add (i64.load (i32.const 176)) (local.get $slack)))
      (local.set $low (i64.load (i32.const 160)))
      (local.set $high (i64.load (i32.const 168)))
      (if (i64.lt_u (local.get $low) (local.get $kept))
        (then
          (if (i64.eqz (local.get $high)) (then (call $trap (i32.const 96) (i32.const 16))))
          (local.set $high (i64.sub (local.get $high) (i64.const 1)))))
      (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 14)
        (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
      (call $call_data_append (i32.const 256) (local.get $size))
      (call $call_best_effort (i32.const 300))
      (call $call_cycles_add (local.get $high) (i64.sub (local.get $low) (local.get $kept)))
      (br_if $again (call $call_perform)))))

//! The one engine, and every `Store` that runs in it.
//!
//! Numbers and their reasons: fresh instances from a pool cost about 8 us a call, so nothing is ever reused between
//! calls. Measured on wasmtime 48; ratios, not absolutes, are what they rest on.

use super::clock;
use super::meter::{Breach, Stop};
use super::place::SHORT;
use super::state::CallState;
use crate::config::{Limits, pool};
use crate::error::Code;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::InstancePre;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline};

/// The configuration that decides what compiled code looks like. The compiler process and the host must build the
/// same one: wasmtime refuses code compiled under another.
///
/// `slots` is how many components may be live at once; `fuel` counts it.
pub(super) fn config(slots: u32, fuel: bool) -> Config {
    let mut config = Config::new();
    config
        // Component-model async brought about a third of the advisories of this line, doubles the cost of a call,
        // and is not needed: `sql.submit` gives a guest its concurrency.
        .concurrency_support(false)
        // Fuel costs a quarter of the guest's speed, epochs a sixth; fuel is for those who want the same end everywhere.
        .epoch_interruption(true)
        .consume_fuel(fuel)
        .memory_init_cow(true)
        .max_wasm_stack(pool::STACK)
        .async_stack_size(2 * pool::STACK)
        // A fiber's stack held another tenant's call before: 1.2 us to know that nothing of it is left.
        .async_stack_zeroing(true)
        // Proposals outside the first tier of support, which none of the guest toolchains needs (threads, garbage
        // collection, exceptions and typed function references are not even compiled in). Multi-memory stays:
        // components of several instances need it, and turning it off was seen to panic the compiler.
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    let mut allocation = PoolingAllocationConfig::new();
    // Each slot has all that one component may have, so that none can take another's.
    allocation
        .total_component_instances(slots)
        .total_stacks(slots)
        .total_core_instances(slots * pool::INSTANCES)
        .total_memories(slots * pool::MEMORIES)
        .total_tables(slots * pool::TABLES)
        .max_memory_size(pool::MEMORY)
        .max_memories_per_component(pool::MEMORIES)
        .max_core_instances_per_component(pool::INSTANCES)
        .max_tables_per_component(pool::TABLES)
        .max_tables_per_module(4)
        .table_elements(pool::TABLE_ELEMENTS)
        // Without resident memory every call pays madvise and a shoot-down of the other cores' TLBs: two threads
        // were measured to be slower in total than one.
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .max_unused_warm_slots(slots)
        // Linux 6.7 and later; falls back elsewhere.
        .pagemap_scan(Enabled::Auto);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(allocation));
    config
}

/// Build the engine of the process and start its clock.
///
/// # Errors
/// Where the machine cannot give the address space: 16 GiB are reserved (not used) a slot.
pub(super) fn start(calls: u32, fuel: bool) -> wasmtime::Result<Engine> {
    // A quarter more slots than calls: an instance's slot is free a moment after its call ended, and a pool that is
    // used up is an error, not a queue. `describe` at load needs some, too.
    let engine = Engine::new(&config(calls + calls / 4 + 4, fuel))?;
    clock::drive(&engine)?;
    Ok(engine)
}

/// Make the store of one call, with every bound set.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes a store, because it sets every bound")]
pub(super) fn store(
    pre: &InstancePre<CallState>,
    state: CallState,
    limits: &Limits,
    stop: &Arc<Stop>,
) -> Store<CallState> {
    let mut store = Store::new(pre.component().engine(), state);
    store.limiter(|state| &mut state.bounds);
    store.set_hostcall_fuel(limits.transfer_bytes);
    // wasmtime's own default is 100,000 handles; ours counts the row sets and pending statements by their own
    // bound, and this one catches the rest (WASI streams and pollables).
    store.set_max_component_handles(limits.handles as usize + 256);
    // Without it a store begins with none; where the engine does not count it, there is nothing to set.
    if store.get_fuel().is_ok() {
        let _ = store.set_fuel(limits.fuel);
    }
    let (stop, most) = (Arc::clone(stop), Duration::from_millis(limits.cpu_ms));
    // Called at a tick while the guest computes, never while it waits for the host.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        if let Some(breach) = stop.reason() {
            return Err(breach.into());
        }
        let computed = clock::so_far();
        if computed > most {
            return Err(Breach::new(Code::PluginCpu, format!("computed for more than {} ms", most.as_millis())).into());
        }
        let place = &mut store.data_mut().place;
        if computed >= SHORT {
            place.step_aside();
        }
        Ok(UpdateDeadline::Yield(place.stretch()))
    });
    store
}

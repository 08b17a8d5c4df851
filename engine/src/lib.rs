//! What wasmtime's C API lacks, and no more: a limiter that asks a C function, epoch and stop without text, panics that
//! become errors, and the kind of an error as a number. The C side is `adk_engine.h`; keep the two in step.
//!
//! Panics: an `extern "C"` function never unwinds, so nothing can be caught around the C API. Whatever can panic is
//! therefore called here, on the `wasmtime` crate itself, inside `catch_unwind`. A panic is our bug or the engine's,
//! never an answer to the guest: it comes back as an error of kind PANIC.
//!
//! Layout: the C API's types that are looked into below are `repr(C)` (or single-field) structs around the crate's own
//! types; `same_layout!` fails the build where that ceases to hold.

mod bulk;
mod survey;

pub use bulk::*;
pub use survey::*;
pub use wasmtime_c_api::*;

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::os::fd::{FromRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};
use wasmparser::{Validator, WasmFeatures};
use wasmtime::{
    Config, Engine, Error, ExternType, Instance, Module, ResourceLimiter, Store, Trap, UpdateDeadline, ValType,
};

macro_rules! same_layout {
    ($c:ty, $rust:ty) => {
        const _: () = {
            assert!(std::mem::size_of::<$c>() == std::mem::size_of::<$rust>());
            assert!(std::mem::align_of::<$c>() == std::mem::align_of::<$rust>());
        };
    };
}
same_layout!(wasm_config_t, Config);
same_layout!(wasm_engine_t, Engine);
same_layout!(wasmtime_module_t, Module);
same_layout!(wasmtime_store_t, Store<WasmtimeStoreData>);
same_layout!(wasmtime_error_t, Error);
same_layout!(wasm_trap_t, Error);

/// The host ended the guest on purpose; why is in the host's own state.
#[derive(Debug)]
struct HostStop;

#[derive(Debug)]
struct EnginePanic {
    text: String,
    no_memory: bool,
}

impl fmt::Display for HostStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by the host")
    }
}

impl fmt::Display for EnginePanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine panicked: {}", self.text)
    }
}

impl std::error::Error for HostStop {}
impl std::error::Error for EnginePanic {}

type Failure = Option<Box<wasmtime_error_t>>;

/// The system's allocator, which tells of a failure before it ends the process, as most failures do.
struct Telling;

static NO_MEMORY: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

thread_local! {
    /// Whether this thread found no memory since guarded() last asked.
    static FOUND_NONE: Cell<bool> = const { Cell::new(false) };
}

impl Telling {
    fn checked(memory: *mut u8) -> *mut u8 {
        if memory.is_null() {
            let _ = FOUND_NONE.try_with(|found| found.set(true));
            let f = NO_MEMORY.load(Ordering::Relaxed);
            if !f.is_null() {
                unsafe { std::mem::transmute::<*mut (), extern "C" fn()>(f)() };
            }
        }
        memory
    }
}

unsafe impl GlobalAlloc for Telling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::checked(unsafe { System.alloc(layout) })
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::checked(unsafe { System.alloc_zeroed(layout) })
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::checked(unsafe { System.realloc(memory, layout, size) })
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Telling = Telling;

/// Has `f` called when the engine finds no memory; NULL: nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_on_no_memory(f: Option<extern "C" fn()>) {
    NO_MEMORY.store(f.map_or(std::ptr::null_mut(), |f| f as *mut ()), Ordering::Relaxed);
}

fn from_panic(payload: Box<dyn Any + Send>) -> Error {
    let no_memory = FOUND_NONE.get();
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "without a message".to_owned(),
    };
    Error::new(EnginePanic { text, no_memory })
}

/// Runs `body`, turns a panic into an error, and hands the value to `ok`.
fn guarded<T>(body: impl FnOnce() -> wasmtime::Result<T>, ok: impl FnOnce(T)) -> Failure {
    FOUND_NONE.set(false);
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => {
            ok(value);
            None
        }
        Ok(Err(error)) => Some(Box::new(error.into())),
        Err(payload) => Some(Box::new(from_panic(payload).into())),
    }
}

unsafe fn slice<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        &[]
    } else {
        unsafe { std::slice::from_raw_parts(data, size) }
    }
}

unsafe fn engine_of(engine: &wasm_engine_t) -> &Engine {
    unsafe { &*(engine as *const wasm_engine_t).cast() }
}

unsafe fn store_of(store: &mut wasmtime_store_t) -> &mut Store<WasmtimeStoreData> {
    unsafe { &mut *(store as *mut wasmtime_store_t).cast() }
}

/// What ordinary modules may use. Everything else is refused when a module is validated.
const BASE: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST);

/// What else a module may be found to need, by the names of the proposals. Those that build on others come last.
const REFUSED: [(WasmFeatures, &str); 15] = [
    (WasmFeatures::GC_TYPES, "externref"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::MULTI_MEMORY, "multi-memory"),
    (WasmFeatures::TAIL_CALL, "tail-call"),
    (WasmFeatures::RELAXED_SIMD, "relaxed-simd"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom-page-sizes"),
    (WasmFeatures::MEMORY_CONTROL, "memory-control"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy-exceptions"),
    (WasmFeatures::STACK_SWITCHING, "stack-switching"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything-threads"),
    (WasmFeatures::FUNCTION_REFERENCES, "function-references"),
    (WasmFeatures::GC, "gc"),
];

/// Frames of a backtrace, innermost first: one more than is shown, since a helper of bulk.rs may be among them.
const FRAMES_MAX: usize = 65;

/// Makes an engine with the base features. Takes `config`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_new(
    config: Box<wasm_config_t>,
    ret_engine: *mut *mut wasm_engine_t,
) -> Failure {
    static SILENT: Once = Once::new();
    SILENT.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let body = move || {
        let mut config = unsafe { *Box::from_raw(Box::into_raw(config).cast::<Config>()) };
        config.wasm_features(WasmFeatures::all().difference(BASE), false);
        config.wasm_features(BASE, true);
        config.gc_support(false);
        config.wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES_MAX));
        Engine::new(&config)
    };
    guarded(body, |engine| unsafe { *ret_engine = Box::into_raw(Box::new(engine)).cast() })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_compile(
    engine: &wasm_engine_t,
    data: *const u8,
    size: usize,
    ret_module: *mut *mut wasmtime_module_t,
) -> Failure {
    guarded(
        || unsafe { Module::from_binary(engine_of(engine), slice(data, size)) },
        |module| unsafe { *ret_module = Box::into_raw(Box::new(module)).cast() },
    )
}

/// Loads code that adk_engine_compile() made and wasmtime_module_serialize() wrote. Compiled code *is* code: the caller
/// vouches for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_load(
    engine: &wasm_engine_t,
    data: *const u8,
    size: usize,
    ret_module: *mut *mut wasmtime_module_t,
) -> Failure {
    guarded(
        || unsafe { Module::deserialize(engine_of(engine), slice(data, size)) },
        |module| unsafe { *ret_module = Box::into_raw(Box::new(module)).cast() },
    )
}

/// A number that differs between engines whose code does not load in one another: version, configuration, CPU.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_compatibility(engine: &wasm_engine_t) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    unsafe { engine_of(engine) }.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// As adk_engine_load() from a file, which is mapped. Takes `fd`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_load_file(
    engine: &wasm_engine_t,
    fd: RawFd,
    ret_module: *mut *mut wasmtime_module_t,
) -> Failure {
    let file = unsafe { File::from_raw_fd(fd) };
    guarded(
        move || unsafe { Module::deserialize_open_file(engine_of(engine), file) },
        |module| unsafe { *ret_module = Box::into_raw(Box::new(module)).cast() },
    )
}

/// Where a module's machine code lies: whole pages from its beginning on, which the engine never writes to again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_text(module: &wasmtime_module_t, ret_size: &mut usize) -> *const u8 {
    let module: &Module = unsafe { &*(module as *const wasmtime_module_t).cast() };
    let text = module.text();
    *ret_size = text.len();
    text.as_ptr()
}

/// Compiles to what adk_engine_load() loads, without loading it: no memory is made executable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_precompile(
    engine: &wasm_engine_t,
    data: *const u8,
    size: usize,
    ret_code: &mut wasm_byte_vec_t,
) -> Failure {
    guarded(
        || unsafe { engine_of(engine).precompile_module(slice(data, size)) },
        |code| ret_code.set_buffer(code),
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_parse_text(
    data: *const u8,
    size: usize,
    ret_binary: &mut wasm_byte_vec_t,
) -> Failure {
    guarded(
        || Ok(wat::parse_bytes(unsafe { slice(data, size) })?.into_owned()),
        |binary| ret_binary.set_buffer(binary),
    )
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct adk_engine_hooks {
    data: *mut c_void,
    grow: extern "C" fn(*mut c_void, u32, u64, u64, u64) -> bool,
    grow_failed: extern "C" fn(*mut c_void, u32),
    go_on: extern "C" fn(*mut c_void) -> bool,
    instances: usize,
    tables: usize,
    memories: usize,
}

// The hooks are used by the thread that runs the store, and by no other.
unsafe impl Send for adk_engine_hooks {}
unsafe impl Sync for adk_engine_hooks {}

const MEMORY: u32 = 0;
const TABLE: u32 = 1;

impl adk_engine_hooks {
    fn ask(&self, kind: u32, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let maximum = maximum.map_or(u64::MAX, |m| m as u64);
        (self.grow)(self.data, kind, current as u64, desired as u64, maximum)
    }
}

impl ResourceLimiter for adk_engine_hooks {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.ask(MEMORY, current, desired, maximum))
    }
    fn memory_grow_failed(&mut self, _error: Error) -> wasmtime::Result<()> {
        (self.grow_failed)(self.data, MEMORY);
        Ok(())
    }
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.ask(TABLE, current, desired, maximum))
    }
    fn table_grow_failed(&mut self, _error: Error) -> wasmtime::Result<()> {
        (self.grow_failed)(self.data, TABLE);
        Ok(())
    }
    fn instances(&self) -> usize {
        self.instances
    }
    fn tables(&self) -> usize {
        self.tables
    }
    fn memories(&self) -> usize {
        self.memories
    }
}

/// Sets the limiter and the epoch callback of a store. `hooks` is borrowed for the store's life.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_store_hooks(store: &mut wasmtime_store_t, hooks: *mut adk_engine_hooks) {
    struct Hooks(*mut adk_engine_hooks);
    unsafe impl Send for Hooks {}
    unsafe impl Sync for Hooks {}
    let limiter = Hooks(hooks);
    let epoch = Hooks(hooks);
    let store = unsafe { store_of(store) };
    store.limiter(move |_| {
        let hooks = &limiter;
        unsafe { &mut *hooks.0 }
    });
    store.epoch_deadline_callback(move |_| {
        let hooks = &epoch;
        let hooks = unsafe { *hooks.0 };
        if (hooks.go_on)(hooks.data) { Ok(UpdateDeadline::Continue(1)) } else { Err(Error::new(HostStop)) }
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_instantiate(
    pre: &wasmtime_instance_pre_t,
    store: &mut wasmtime_store_t,
    ret_instance: &mut Instance,
) -> Failure {
    // wasmtime_instance_pre_t is `repr(transparent)`.
    let pre: &wasmtime::InstancePre<WasmtimeStoreData> =
        unsafe { &*(pre as *const wasmtime_instance_pre_t).cast() };
    guarded(|| pre.instantiate(unsafe { store_of(store) }), |instance| *ret_instance = instance)
}

/// Calls an exported function of type () -> (), of which the caller knows that it exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_call(
    store: &mut wasmtime_store_t,
    instance: &Instance,
    name: *const u8,
    name_size: usize,
) -> Failure {
    let store = unsafe { store_of(store) };
    let body = || {
        let name = std::str::from_utf8(unsafe { slice(name, name_size) })?;
        instance.get_typed_func::<(), ()>(&mut *store, name)?.call(store, ())
    };
    guarded(body, |()| ())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_store_delete(store: Box<wasmtime_store_t>) -> Failure {
    guarded(
        move || {
            drop(store);
            Ok(())
        },
        |()| (),
    )
}

/// What a host function returns to end the guest; adk_engine_error_kind() tells it from a trap.
#[unsafe(no_mangle)]
pub extern "C" fn adk_engine_stop() -> *mut wasm_trap_t {
    Box::into_raw(Box::new(Error::new(HostStop))).cast()
}

/// Whether the machine is at fault: a system call failed, or there was no memory.
fn is_systems(error: &Error) -> bool {
    error.is::<wasmtime::error::OutOfMemory>()
        || error.downcast_ref::<EnginePanic>().is_some_and(|panic| panic.no_memory)
        || error.chain().any(|cause| cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>())
}

/// 0: text only; 1: trap, *ret_code set; 2: stopped by the host; 3: the engine panicked; 4: the machine is at fault.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_error_kind(error: &wasmtime_error_t, ret_code: &mut u8) -> u32 {
    let error: &Error = unsafe { &*(error as *const wasmtime_error_t).cast() };
    if let Some(trap) = error.downcast_ref::<Trap>() {
        *ret_code = *trap as u8;
        1
    } else if error.is::<HostStop>() {
        2
    } else if is_systems(error) {
        4
    } else if error.is::<EnginePanic>() {
        3
    } else {
        0
    }
}

/// The message of an error without its backtrace: the innermost cause, which for a trap is the trap's own text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_error_text(error: &wasmtime_error_t, ret_text: &mut wasm_byte_vec_t) {
    let error: &Error = unsafe { &*(error as *const wasmtime_error_t).cast() };
    let text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    ret_text.set_buffer(text.into_bytes());
}

/// Says of a module that was refused what it needs beyond the base: the features' names, ", " between them. *ret_valid
/// says that it needs none of them and is well-formed: then it was refused for something else. Validates some twenty
/// times, while `go_on(data)` says so; an answer that was cut short is empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_missing_features(
    data: *const u8,
    size: usize,
    go_on: extern "C" fn(*mut c_void) -> bool,
    go_on_data: *mut c_void,
    ret_valid: &mut bool,
    ret_names: &mut wasm_byte_vec_t,
) -> Failure {
    let module = unsafe { slice(data, size) };
    let valid = |features| Validator::new_with_features(features).validate_all(module).is_ok();
    let body = || {
        let mut needed = REFUSED.iter().fold(BASE, |all, (feature, _)| all | *feature);
        let mut names = Vec::new();
        if valid(BASE) {
            return Ok((true, String::new()));
        }
        if valid(needed) {
            for (feature, name) in REFUSED.iter().rev() {
                let without = needed.difference(*feature);
                if !go_on(go_on_data) {
                    return Ok((false, String::new()));
                }
                if valid(without) {
                    needed = without;
                } else {
                    names.push(*name);
                }
            }
        }
        Ok((false, names.join(", ")))
    };
    guarded(body, |(well_formed, names)| {
        *ret_valid = well_formed;
        ret_names.set_buffer(names.into_bytes())
    })
}

fn letter(of: &ValType) -> char {
    match of {
        ValType::I32 => 'i',
        ValType::I64 => 'I',
        ValType::F32 => 'f',
        ValType::F64 => 'F',
        ValType::V128 => 'v',
        ValType::Ref(_) => 'r',
    }
}

fn describe(of: &ExternType) -> String {
    match of {
        ExternType::Func(f) => {
            let params: String = f.params().map(|t| letter(&t)).collect();
            let results: String = f.results().map(|t| letter(&t)).collect();
            format!("({params})->({results})")
        }
        ExternType::Global(_) => "global".to_owned(),
        ExternType::Table(_) => "table".to_owned(),
        ExternType::Memory(_) => "memory".to_owned(),
        ExternType::Tag(_) => "tag".to_owned(),
    }
}

type ImportFn = extern "C" fn(*mut c_void, *const u8, usize, *const u8, usize, *const u8, usize) -> bool;

/// Tells each import's module, name and type ("(iI)->(i)", "memory", …) to `f`, until that returns false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_imports(module: &wasmtime_module_t, f: ImportFn, data: *mut c_void) -> Failure {
    let module: &Module = unsafe { &*(module as *const wasmtime_module_t).cast() };
    let body = || {
        for import in module.imports() {
            let (m, n, t) = (import.module(), import.name(), describe(&import.ty()));
            if !f(data, m.as_ptr(), m.len(), n.as_ptr(), n.len(), t.as_ptr(), t.len()) {
                break;
            }
        }
        Ok(())
    };
    guarded(body, |()| ())
}

/// The type of an export as adk_engine_imports() writes it; empty where there is no such export.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_export_type(
    module: &wasmtime_module_t,
    name: *const u8,
    name_size: usize,
    ret_type: &mut wasm_byte_vec_t,
) -> Failure {
    let module: &Module = unsafe { &*(module as *const wasmtime_module_t).cast() };
    let body = || {
        let name = std::str::from_utf8(unsafe { slice(name, name_size) })?;
        Ok(module.get_export(name).map_or(String::new(), |t| describe(&t)))
    };
    guarded(body, |text| ret_type.set_buffer(text.into_bytes()))
}

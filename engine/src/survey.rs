//! Placeholder.
use crate::slice;
#[repr(C)]
pub struct adk_engine_survey {
    work_ns: u64,
    memory_bytes: u64,
    table_elements: u64,
    functions: u64,
    operators: u64,
    loops: u64,
}
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_survey_module(data: *const u8, size: usize, ret: &mut adk_engine_survey) {
    let module = unsafe { slice(data, size) };
    let work_ns = if module.len() < 1500 { 1_000_000 } else { u64::MAX };
    *ret = adk_engine_survey { work_ns, memory_bytes: 0, table_elements: 0, functions: 0, operators: 0, loops: 0 };
}

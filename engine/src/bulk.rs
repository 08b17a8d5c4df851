//! Splits the instructions over bulk memory. The engine looks at the epoch where `memory.fill`, `memory.copy` and
//! `memory.init` begin and not again before they end, which may be seconds later. Before a module is compiled, each of
//! them becomes a call of a function that is appended to the module and does the same in pieces of CHUNK bytes, in a
//! loop: loops look at the epoch.
//!
//! The helpers ask for the bounds first. What does not fit is left to the original instruction, which traps before it has
//! written anything; so is what is small. Nobody can tell the difference but by time and fuel: memory neither grows nor
//! moves while a helper runs.
//!
//! Code is rewritten byte for byte. A call takes as many bytes as what it replaces, so that whatever follows moves by one
//! constant, and an offset in a backtrace can be told from what it was. All else is copied as it stands. Indices keep
//! their meaning, since functions and types are appended.
//!
//! A module must not get around this. What cannot be read here must be invalid, which is checked; what is valid but has
//! no room for the helpers is an error.

use crate::{BASE, Failure, guarded, slice};
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{
    BinaryReader, BinaryReaderError, CodeSectionReader, DataSectionReader, FunctionBody, ImportSectionReader, Operator,
    Parser, Payload, TypeRef, TypeSectionReader, ValType, Validator,
};
use wasmtime::Error;
use wasmtime_c_api::wasm_byte_vec_t;

/// What is done between two looks at the epoch: some tens of microseconds where the memory is new.
const CHUNK: u32 = 128 << 10;

/// The engine's own limits (wasmparser's limits.rs).
const TYPES_MAX: u32 = 1_000_000;
const FUNCTIONS_MAX: u32 = 1_000_000;
const BODY_BYTES_MAX: usize = 7_654_321;

/// Far more than a module may have; sizes of sections stay below 2^32 when code has become longer.
const BYTES_MAX: usize = 1 << 30;

const TYPE_SECTION: u8 = 1;
const FUNCTION_SECTION: u8 = 3;
const CODE_SECTION: u8 = 10;

/// The room that an integer takes where it must not matter how large it is.
const LEB_MAX: usize = 5;

const CALL: u8 = 0x10;
const NOP: u8 = 0x01;

/// How a module was changed; see adk_engine.h.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct adk_engine_split {
    code_shift: u64,
    first_helper: u32,
    is_exact: bool,
}

const UNCHANGED: adk_engine_split = adk_engine_split { code_shift: 0, first_helper: u32::MAX, is_exact: true };

enum Problem {
    /// It is not a module of the base features, as far as can be seen here.
    Unreadable(String),
    NoRoom(&'static str),
    NoMemory,
}

impl From<BinaryReaderError> for Problem {
    fn from(error: BinaryReaderError) -> Self {
        Problem::Unreadable(error.to_string())
    }
}

fn unreadable<T>(why: &str) -> Result<T, Problem> {
    Err(Problem::Unreadable(why.to_owned()))
}

// ---- integers --------------------------------------------------------------------------------------------------------

fn leb_size(value: u32) -> usize {
    (1..LEB_MAX).find(|size| value >> (7 * size) == 0).unwrap_or(LEB_MAX)
}

/// An unsigned integer in exactly `size` bytes, which are enough.
fn write_leb(out: &mut Vec<u8>, value: u32, size: usize) {
    let mut rest = value;
    for _ in 1..size {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8 & 0x7f);
}

fn write_short(out: &mut Vec<u8>, value: u32) {
    write_leb(out, value, leb_size(value));
}

// ---- helpers ---------------------------------------------------------------------------------------------------------

const D: u8 = 0; /* where to */
const S: u8 = 1; /* where from, or the value */
const N: u8 = 2; /* how many bytes */

const FILL: &[u8] = &[0xfc, 0x0b, 0x00];
const COPY: &[u8] = &[0xfc, 0x0a, 0x00, 0x00];

/// A function (i32 i32 i32) -> () in the making. Labels: 0 is the innermost block.
struct Body(Vec<u8>);

impl Body {
    fn new() -> Body {
        Body(vec![0x00])
    }
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn get(&mut self, local: u8) -> &mut Self {
        self.raw(&[0x20, local])
    }
    fn chunk(&mut self) -> &mut Self {
        const { assert!(CHUNK == 0x20000) };
        self.raw(&[0x41, 0x80, 0x80, 0x08])
    }
    fn begin_block(&mut self) -> &mut Self {
        self.raw(&[0x02, 0x40])
    }
    fn begin_loop(&mut self) -> &mut Self {
        self.raw(&[0x03, 0x40])
    }
    fn end(&mut self) -> &mut Self {
        self.raw(&[0x0b])
    }
    fn leave_if(&mut self, label: u8) -> &mut Self {
        self.raw(&[0x0d, label])
    }
    /// N <= CHUNK
    fn is_small(&mut self) -> &mut Self {
        self.get(N).chunk().raw(&[0x4d])
    }
    /// start + N, in 64 bits
    fn end_of(&mut self, start: u8) -> &mut Self {
        self.get(start).raw(&[0xad]).get(N).raw(&[0xad, 0x7c])
    }
    /// Leaves where start + N is beyond the memory: i64.extend_i32_u(memory.size) << 16
    fn leave_if_outside(&mut self, start: u8) -> &mut Self {
        self.end_of(start).raw(&[0x3f, 0x00, 0xad, 0x42, 0x10, 0x86, 0x56]).leave_if(0)
    }
    fn advance(&mut self, local: u8) -> &mut Self {
        self.get(local).chunk().raw(&[0x6a, 0x21, local])
    }
    /// N -= CHUNK
    fn one_less(&mut self) -> &mut Self {
        self.get(N).chunk().raw(&[0x6b, 0x21, N])
    }
    /// Goes back to the loop's beginning while N > CHUNK, and ends the loop.
    fn again(&mut self) -> &mut Self {
        self.get(N).chunk().raw(&[0x4b]).leave_if(0).end()
    }
    /// From the front, whole chunks: leaves at most one for finish().
    fn forward(&mut self, instruction: &[u8], moves_source: bool) -> &mut Self {
        self.begin_loop().get(D).get(S).chunk().raw(instruction).advance(D);
        if moves_source {
            self.advance(S);
        }
        self.one_less().again()
    }
    /// From the back; what is left is at the front.
    fn backward(&mut self, instruction: &[u8]) -> &mut Self {
        self.begin_loop().one_less();
        self.get(D).get(N).raw(&[0x6a]).get(S).get(N).raw(&[0x6a]).chunk().raw(instruction).again()
    }
    /// Ends the block that is left for what is small or does not fit, and does what is left, or all, or traps.
    fn finish(&mut self, instruction: &[u8]) {
        self.end().get(D).get(S).get(N).raw(instruction).end();
    }
}

fn fill() -> Body {
    let mut body = Body::new();
    body.begin_block().is_small().leave_if(0).leave_if_outside(D).forward(FILL, false).finish(FILL);
    body
}

fn copy() -> Body {
    let mut body = Body::new();
    body.begin_block().is_small().leave_if(0).leave_if_outside(D).leave_if_outside(S);
    body.get(D).get(S).raw(&[0x4d, 0x04, 0x40]); /* if D <= S */
    body.forward(COPY, true).raw(&[0x05]).backward(COPY).end().finish(COPY);
    body
}

/// Whether the segment has not been dropped is asked of the engine: nothing is copied from S + N.
fn init(segment: u32, size: u32) -> Body {
    let mut body = Body::new();
    let mut instruction = vec![0xfc, 0x08];
    write_short(&mut instruction, segment);
    instruction.push(0x00);
    body.begin_block().is_small().leave_if(0).leave_if_outside(D);
    body.end_of(S).raw(&[0x41]);
    write_signed(&mut body.0, size);
    body.raw(&[0xad, 0x56]).leave_if(0);
    body.get(D).get(S).get(N).raw(&[0x6a, 0x41, 0x00]).raw(&instruction);
    body.forward(&instruction, true).finish(&instruction);
    body
}

/// The bits of an i32 as `i32.const` has them: a signed integer.
fn write_signed(out: &mut Vec<u8>, bits: u32) {
    let mut rest = bits as i32;
    loop {
        let low = rest as u8 & 0x7f;
        rest >>= 7;
        if (rest == 0 && low & 0x40 == 0) || (rest == -1 && low & 0x40 != 0) {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Fill,
    Copy,
    Init(u32),
}

// ---- the module ------------------------------------------------------------------------------------------------------

/// A section: all of it, and where its entries begin, behind their count.
struct Section {
    all: Range<usize>,
    entries: usize,
    count: u32,
}

/// What is to be known of a module. The parser has seen to it that sections come in order and once.
#[derive(Default)]
struct Outline<'a> {
    type_section: Option<Section>,
    function_section: Option<Section>,
    code_section: Option<Section>,
    types: Option<TypeSectionReader<'a>>,
    imports: Option<ImportSectionReader<'a>>,
    code: Option<CodeSectionReader<'a>>,
    data: Option<DataSectionReader<'a>>,
}

impl<'a> Outline<'a> {
    fn of(module: &'a [u8]) -> Result<Self, Problem> {
        let mut outline = Outline::default();
        let mut parser = Parser::new(0);
        let mut at = 0;
        parser.set_features(BASE);
        for payload in parser.parse_all(module) {
            let payload = payload?;
            let Some((_, range)) = payload.as_section() else {
                if let Payload::Version { range, .. } = payload {
                    at = range.end;
                }
                continue;
            };
            let all = at..range.end;
            at = range.end;
            match payload {
                Payload::TypeSection(types) => {
                    let (entries, count) = (types.original_position(), types.count());
                    outline.type_section = Some(Section { all, entries, count });
                    outline.types = Some(types);
                }
                Payload::ImportSection(imports) => outline.imports = Some(imports),
                Payload::FunctionSection(functions) => {
                    let (entries, count) = (functions.original_position(), functions.count());
                    outline.function_section = Some(Section { all, entries, count });
                }
                Payload::CodeSectionStart { range, .. } => {
                    let Some(bytes) = module.get(range.clone()) else { return unreadable("it is cut short") };
                    let code = CodeSectionReader::new(BinaryReader::new_features(bytes, range.start, BASE))?;
                    let (entries, count) = (code.original_position(), code.count());
                    outline.code_section = Some(Section { all, entries, count });
                    outline.code = Some(code);
                }
                Payload::DataSection(data) => outline.data = Some(data),
                _ => (),
            }
        }
        Ok(outline)
    }

    fn imported_functions(&self) -> Result<u32, Problem> {
        let mut count = 0;
        for import in self.imports.iter().cloned().flat_map(|imports| imports.into_imports()) {
            count += u32::from(matches!(import?.ty, TypeRef::Func(_)));
        }
        Ok(count)
    }

    /// The type (i32 i32 i32) -> (): its index, and whether it is to be appended.
    fn helper_type(&self) -> Result<(u32, bool), Problem> {
        let Some(types) = &self.types else { return unreadable("there are functions without types") };
        for (index, of) in (0..).zip(types.clone().into_iter_err_on_gc_types()) {
            let of = of?;
            if of.params() == [ValType::I32; 3] && of.results().is_empty() {
                return Ok((index, false));
            }
        }
        if types.count() >= TYPES_MAX { Err(Problem::NoRoom("types")) } else { Ok((types.count(), true)) }
    }

    fn segment_sizes(&self) -> Result<Vec<u32>, Problem> {
        let mut sizes = Vec::new();
        for segment in self.data.iter().cloned().flatten() {
            sizes.push(segment?.data.len() as u32);
        }
        Ok(sizes)
    }
}

/// Whether there may be an instruction of ours: it has this prefix and this number, however that is written.
fn is_candidate(body: &[u8]) -> bool {
    body.windows(2).any(|two| two[0] == 0xfc && matches!(two[1] & 0x7f, 0x08 | 0x0a | 0x0b))
}

struct Splitter<'a> {
    module: &'a [u8],
    outline: Outline<'a>,
    segment_sizes: Option<Vec<u32>>,
    first_helper: u32,
    helpers: HashMap<Kind, u32>,
    bodies: Vec<Body>,
    /// The functions' bodies, as far as they have been rewritten, and from where on they have not.
    out: Vec<u8>,
    copied: usize,
    is_exact: bool,
}

impl<'a> Splitter<'a> {
    fn new(module: &'a [u8], outline: Outline<'a>) -> Self {
        Splitter {
            module,
            copied: outline.code_section.as_ref().map_or(0, |section| section.entries),
            outline,
            segment_sizes: None,
            first_helper: u32::MAX,
            helpers: HashMap::new(),
            bodies: Vec::new(),
            out: Vec::new(),
            is_exact: true,
        }
    }

    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(&self.module[self.copied..end]);
        self.copied = end;
    }

    /// Before the first change.
    fn begin(&mut self) -> Result<(), Problem> {
        let defined = self.outline.function_section.as_ref().map_or(0, |section| section.count);
        if self.outline.code_section.as_ref().map_or(0, |section| section.count) != defined {
            return unreadable("there are functions without bodies");
        }
        self.first_helper = self.outline.imported_functions()?.saturating_add(defined);
        self.out.try_reserve_exact(self.module.len().saturating_add(4096)).map_err(|_| Problem::NoMemory)
    }

    /// The index of a helper, which is made where it is not yet.
    fn helper(&mut self, kind: Kind) -> Result<u32, Problem> {
        if let Some(index) = self.helpers.get(&kind) {
            return Ok(*index);
        }
        if self.bodies.is_empty() {
            self.begin()?;
        }
        let index = self.first_helper.saturating_add(self.bodies.len() as u32);
        if index >= FUNCTIONS_MAX {
            return Err(Problem::NoRoom("functions"));
        }
        let body = match kind {
            Kind::Fill => fill(),
            Kind::Copy => copy(),
            Kind::Init(segment) => init(segment, self.segment_size(segment)?),
        };
        self.bodies.push(body);
        self.helpers.insert(kind, index);
        Ok(index)
    }

    fn segment_size(&mut self, segment: u32) -> Result<u32, Problem> {
        let sizes = match self.segment_sizes.take() {
            Some(sizes) => sizes,
            None => self.outline.segment_sizes()?,
        };
        let size = self.segment_sizes.insert(sizes).get(segment as usize);
        size.copied().map_or_else(|| unreadable("there is no such data segment"), Ok)
    }

    fn replace(&mut self, at: Range<usize>, kind: Kind) -> Result<(), Problem> {
        let index = self.helper(kind)?;
        let size = leb_size(index).max((at.len() - 1).min(LEB_MAX));
        self.copy_to(at.start);
        self.out.push(CALL);
        write_leb(&mut self.out, index, size);
        for _ in 1 + size..at.len() {
            self.out.push(NOP);
        }
        self.is_exact &= 1 + size <= at.len();
        self.copied = at.end;
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Problem> {
        let mut operators = body.get_operators_reader()?;
        let mut is_small = false; /* the last operand is a constant of at most CHUNK */
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset()?;
            let was_small = is_small;
            is_small = matches!(operator, Operator::I32Const { value } if value as u32 <= CHUNK);
            let kind = match operator {
                Operator::MemoryFill { mem: 0 } => Kind::Fill,
                Operator::MemoryCopy { dst_mem: 0, src_mem: 0 } => Kind::Copy,
                Operator::MemoryInit { data_index, mem: 0 } if self.segment_size(data_index)? > CHUNK => {
                    Kind::Init(data_index)
                }
                Operator::MemoryInit { mem: 0, .. } => continue,
                Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } | Operator::MemoryInit { .. } => {
                    return unreadable("there are several memories");
                }
                _ => continue,
            };
            if !was_small {
                self.replace(at..operators.original_position(), kind)?;
            }
        }
        Ok(())
    }

    /// Writes the size of a body anew that has become longer. Its entry begins at `at` in what has been written.
    fn resize(&mut self, at: usize, old_size_bytes: usize, old_bytes: usize) -> Result<(), Problem> {
        let bytes = self.out.len() - at - old_size_bytes;
        let mut size = Vec::with_capacity(LEB_MAX);
        if bytes == old_bytes {
            return Ok(());
        }
        if bytes > BODY_BYTES_MAX {
            return Err(Problem::NoRoom("bytes in a function"));
        }
        write_short(&mut size, bytes as u32);
        self.out.splice(at..at + old_size_bytes, size);
        Ok(())
    }

    /// All bodies. Afterwards `out` has them if one was changed.
    fn code(&mut self) -> Result<(), Problem> {
        let Some(code) = self.outline.code.take() else { return Ok(()) };
        let mut entry = code.original_position();
        for body in code {
            let body = body?;
            let range = body.range();
            if is_candidate(body.as_bytes()) {
                let at = self.out.len() + (entry - self.copied);
                self.body(&body)?;
                if !self.is_exact {
                    self.copy_to(range.end);
                    self.resize(at, range.start - entry, range.len())?;
                }
            }
            entry = range.end;
        }
        if !self.bodies.is_empty() {
            self.copy_to(entry);
        }
        Ok(())
    }

    /// What stands before the bodies: with two sections rewritten, and the third begun.
    fn front(&self) -> Result<Vec<u8>, Problem> {
        let (Some(functions), Some(code)) = (&self.outline.function_section, &self.outline.code_section) else {
            return unreadable("there are bodies without functions");
        };
        let (helper_type, is_new) = self.outline.helper_type()?;
        let mut front = Vec::with_capacity(code.entries + 64 + LEB_MAX * self.bodies.len());
        let mut at = 0;
        if let (Some(types), true) = (&self.outline.type_section, is_new) {
            front.extend_from_slice(&self.module[..types.all.start]);
            self.append(&mut front, TYPE_SECTION, types, 1, &[0x60, 3, 0x7f, 0x7f, 0x7f, 0]);
            at = types.all.end;
        }
        let mut of_types = Vec::new();
        for _ in &self.bodies {
            write_short(&mut of_types, helper_type);
        }
        front.extend_from_slice(&self.module[at..functions.all.start]);
        self.append(&mut front, FUNCTION_SECTION, functions, self.bodies.len(), &of_types);
        front.extend_from_slice(&self.module[functions.all.end..code.all.start]);
        front.push(CODE_SECTION);
        write_leb(&mut front, (LEB_MAX + self.out.len()) as u32, LEB_MAX);
        write_leb(&mut front, code.count + self.bodies.len() as u32, LEB_MAX);
        Ok(front)
    }

    /// A section with entries appended. Its size and their count take the most bytes they can: nothing moves forward.
    fn append(&self, out: &mut Vec<u8>, id: u8, section: &Section, more: usize, entries: &[u8]) {
        let old = &self.module[section.entries..section.all.end];
        out.push(id);
        write_leb(out, (LEB_MAX + old.len() + entries.len()) as u32, LEB_MAX);
        write_leb(out, section.count + more as u32, LEB_MAX);
        out.extend_from_slice(old);
        out.extend_from_slice(entries);
    }

    fn finish(mut self) -> Result<(Vec<u8>, adk_engine_split), Problem> {
        for body in &self.bodies {
            write_short(&mut self.out, body.0.len() as u32);
            self.out.extend_from_slice(&body.0);
        }
        let front = self.front()?;
        let code = self.outline.code_section.as_ref().map_or(0..0, |section| section.entries..section.all.end);
        let split = adk_engine_split {
            code_shift: (front.len() - code.start) as u64,
            first_helper: self.first_helper,
            is_exact: self.is_exact,
        };
        self.out.extend_from_slice(&self.module[code.end..]);
        self.out.splice(0..0, front);
        Ok((self.out, split))
    }
}

fn split(module: &[u8]) -> Result<Option<(Vec<u8>, adk_engine_split)>, Problem> {
    if module.len() > BYTES_MAX {
        return Err(Problem::NoRoom("bytes"));
    }
    let mut splitter = Splitter::new(module, Outline::of(module)?);
    splitter.code()?;
    if splitter.bodies.is_empty() { Ok(None) } else { splitter.finish().map(Some) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_split_bulk(
    data: *const u8,
    size: usize,
    ret_binary: &mut wasm_byte_vec_t,
    ret_split: &mut adk_engine_split,
) -> Failure {
    let module = unsafe { slice(data, size) };
    let body = || {
        let why = match split(module) {
            Ok(None) => return Ok((Vec::new(), UNCHANGED)),
            Ok(Some(result)) => return Ok(result),
            Err(Problem::NoMemory) => return Err(std::io::Error::from(std::io::ErrorKind::OutOfMemory).into()),
            Err(Problem::NoRoom(what)) => format!("too many {what} to have room for the helpers"),
            Err(Problem::Unreadable(why)) => why,
        };
        if Validator::new_with_features(BASE).validate_all(module).is_ok() {
            return Err(Error::msg(format!("its bulk memory instructions cannot be split: {why}")));
        }
        Ok((Vec::new(), UNCHANGED))
    };
    guarded(body, |(binary, split)| {
        *ret_split = split;
        ret_binary.set_buffer(binary)
    })
}

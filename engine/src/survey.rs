//! Looks a module over before it is compiled: how long will that take at most?
//!
//! Compiling cannot be interrupted, and for some shapes it takes far more than linear time. So whoever compiles asks
//! here first, and hands what is not certain to be quick to a process that can be killed. The answer is a model, not a
//! prediction: for each function a sum of linear terms (operators by kind, frames, branches) and of the terms that grow
//! faster (values that meet at the ends of frames, values that live across blocks, loops in loops), each an upper bound
//! for what was measured in the worst configuration the engine is used in. docs/decisions/007 says how it was fitted
//! and how it is checked; bench/bench_compile.c checks it again.
//!
//! Nothing is validated here. A module that is malformed is refused by the compiler when it reaches the place, and what
//! comes before that is in the sum: so it counts as what was seen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmparser::{
    BlockType, Chunk, CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind, FunctionBody,
    Operator, Parser, Payload, TableInit, TypeRef,
};

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct adk_engine_survey {
    work_ns: u64,
    memory_bytes: u64,
    table_elements: u64,
    functions: u64,
    operators: u64,
    loops: u64,
}

/// What is beyond this is not looked through: a multiple of what anybody calls quick.
const LOOK_NS: u64 = 250_000_000;

/// What things take in nanoseconds, on a slow core: twice and more what was measured in the worst context found.
mod cost {
    pub const MODULE: u64 = 900_000;
    pub const TYPE: u64 = 130_000;
    pub const TYPE_VALUE: u64 = 30_000;
    pub const IMPORT: u64 = 3_000;
    pub const EXPORT: u64 = 2_000;
    pub const FUNCTION: u64 = 130_000;
    pub const FUNCTION_VALUE: u64 = 12_000;
    /// A function that can be called from outside has a second entry.
    pub const ENTRY: u64 = 120_000;
    pub const ENTRY_VALUE: u64 = 14_000;
    pub const GLOBAL: u64 = 2_000;
    pub const SEGMENT: u64 = 180_000;
    pub const SEGMENT_PASSIVE: u64 = 4_000;
    pub const ITEM: u64 = 60_000;
    pub const INDEX: u64 = 200;
    pub const CONST_OPERATOR: u64 = 20_000;
    pub const BYTE_PER_8: u64 = 40;
    pub const CODE_BYTE: u64 = 20;
    /// A memory's first content is laid out as one piece if it has no more than 16 MiB, holes and all.
    pub const IMAGE_BYTE: u64 = 2;
    pub const IMAGE_MAX: u64 = 1 << 25;

    pub const LOCAL: u64 = 250;
    pub const PLAIN: u64 = 600;
    pub const WIDE: u64 = 8_000;
    pub const DEAD: u64 = 300;
    pub const SIMPLE: u64 = 6_000;
    pub const CHAIN: u64 = 36_000;
    pub const OTHER: u64 = 36_000;
    pub const MEMORY: u64 = 14_000;
    /// Beyond what the guard behind a memory is certain to hold, an access is checked in code.
    pub const MEMORY_FAR: u64 = 36_000;
    pub const FAR: u64 = 1 << 24;
    pub const DIVIDE: u64 = 30_000;
    pub const CALL: u64 = 22_000;
    pub const CALL_INDIRECT: u64 = 110_000;
    pub const CALL_VALUE: u64 = 14_000;
    pub const BULK: u64 = 30_000;
    pub const FILL: u64 = 220_000;
    /// A function that bulk.rs adds: two for copying and filling, one for each segment that is large.
    pub const HELPER: u64 = 600_000;
    pub const GROW: u64 = 260_000;
    pub const TABLE: u64 = 450_000;

    pub const FRAME: u64 = 8_000;
    pub const BRANCH: u64 = 40_000;
    pub const IF: u64 = 38_000;
    pub const LOOP: u64 = 100_000;
    pub const TARGET: u64 = 60_000;
    /// A value that comes from several sides at the end of a frame or the start of a loop.
    pub const MEET: u64 = 11_000;
    /// Such a value, once for each of the sides.
    pub const MOVE: u64 = 3_000;
    /// A value that does not fit into a register.
    pub const SPILL: u64 = 26_000;
    /// One value, live across one block.
    pub const LIVE_BLOCK: u64 = 280;
    /// Loop nests: the square of the depth, for each branch, loop and value.
    pub const NEST_BRANCH: u64 = 16;
    pub const NEST_OPERATOR: u64 = 3;
    pub const LOOP_PAIR: u64 = 150;
}

/// Registers that hold values; fewer values than these never spill.
const REGISTERS: u64 = 14;

/// Values that the compiler itself keeps alive through a function: the context, the epoch and its deadline, the fuel.
const OWN_VALUES: u64 = 4;

/// See Body::follow(). Locals beyond the last are not followed.
const CONSTANT: u32 = u32::MAX;
const CHAINS_MAX: usize = 50_000;
const CHAIN_FREE: u32 = 4;

/// Of a function's type.
#[derive(Clone, Copy, Default)]
struct Arity {
    params: u32,
    results: u32,
}

impl Arity {
    fn values(self) -> u64 {
        u64::from(self.params) + u64::from(self.results)
    }
}

#[derive(Clone, Copy, Default)]
struct Function {
    arity: Arity,
    escapes: bool,
}

#[derive(Default)]
struct Module {
    work: u64,
    types: Vec<Arity>,
    functions: Vec<Function>,
    imported: usize,
    operators: u64,
    loops: u64,
    memory_bytes: u64,
    table_elements: u64,
    defined: u64,
    has_bulk: bool,
    image: (u64, u64), // from where to where memory has content
}

/// A block, loop or if that is open.
struct Frame {
    is_loop: bool,
    edges: u64, // branches to it
    sets: u64, // how many local.set and local.tee came before it
    arity: Arity,
}

/// What one function has been found to hold.
#[derive(Default)]
struct Body {
    work: u64,
    operators: u64,
    loops: u64,
    loop_depth: u64,
    blocks: u64,
    locals: u64,
    accesses: u64,
    sets: u64,
    values: u64,
    meets: u64,
    moves: u64,
    top: u32, // how many constants the value on top of the stack has been combined with; CONSTANT: it is one
    under: u32, // the same of the value below a constant
    chains: Vec<u32>, // the same of each local
    height: i64,
    height_max: i64,
    frames: Vec<Frame>,
}

fn memory_cost(offset: u64) -> u64 {
    if offset < cost::FAR { cost::MEMORY } else { cost::MEMORY_FAR }
}

fn add(sum: &mut u64, what: u64) {
    *sum = sum.saturating_add(what);
}

impl Body {
    fn nest(&self) -> u64 {
        self.loop_depth.saturating_mul(self.loop_depth)
    }

    fn push(&mut self, values: u64) {
        self.height = self.height.saturating_add(values as i64);
        self.height_max = self.height_max.max(self.height);
    }

    fn pop(&mut self, values: u64) {
        // Below zero where code is unreachable; then what is there is not compiled.
        self.height = self.height.saturating_sub(values as i64).max(0);
    }

    /// Constants that are added to one value again and again, where the compiler tries all ways to combine them.
    fn follow(&mut self, operator: &Operator<'_>) {
        use Operator::*;
        let (top, under) = (self.top, self.under);
        (self.top, self.under) = (0, 0);
        match operator {
            I32Const { .. } | I64Const { .. } => (self.top, self.under) = (CONSTANT, top),
            LocalGet { local_index } => {
                self.top = self.chains.get(*local_index as usize).copied().unwrap_or(0);
                self.under = top;
            }
            LocalSet { local_index } | LocalTee { local_index } => {
                let at = *local_index as usize;
                if at < CHAINS_MAX {
                    if self.chains.len() <= at {
                        self.chains.resize(at + 1, 0);
                    }
                    self.chains[at] = top;
                }
                if matches!(operator, LocalTee { .. }) {
                    self.top = top;
                }
            }
            I32Add | I32Sub | I32Mul | I32And | I32Or | I32Xor | I32Shl | I32ShrS | I32ShrU | I64Add | I64Sub
            | I64Mul | I64And | I64Or | I64Xor | I64Shl | I64ShrS | I64ShrU
                if top == CONSTANT || under == CONSTANT =>
            {
                let other = if top == CONSTANT { under } else { top };
                self.top = if other == CONSTANT { CONSTANT } else { other.saturating_add(1).min(CONSTANT - 1) };
                if self.top > CHAIN_FREE && self.top != CONSTANT {
                    add(&mut self.work, cost::CHAIN);
                }
            }
            _ => (),
        }
    }

    /// An operator that computes values from others.
    fn compute(&mut self, cost: u64, params: u64, results: u64) {
        add(&mut self.work, cost);
        let nest = self.nest();
        add(&mut self.work, cost::NEST_OPERATOR.saturating_mul(nest));
        add(&mut self.values, results);
        self.pop(params);
        self.push(results);
    }

    fn plain(&mut self, cost: u64, params: u64, results: u64) {
        add(&mut self.work, cost);
        self.pop(params);
        self.push(results);
    }

    fn call(&mut self, cost: u64, arity: Arity) {
        self.compute(
            cost + cost::CALL_VALUE * arity.values(),
            u64::from(arity.params),
            u64::from(arity.results),
        );
        self.blocks += 1;
    }

    fn open(&mut self, is_loop: bool, arity: Arity) {
        add(&mut self.work, cost::CALL_VALUE.saturating_mul(arity.values()));
        self.frames.push(Frame { is_loop, edges: 0, sets: self.sets, arity });
        if is_loop {
            self.loops += 1;
            self.loop_depth += 1;
            self.blocks += 3;
            let nest = self.nest();
            add(&mut self.work, cost::LOOP + cost::NEST_BRANCH.saturating_mul(nest));
        } else {
            self.blocks += 1;
            add(&mut self.work, cost::FRAME);
        }
    }

    /// Values that may differ by where control came from: each local that was set inside, and what stays on the stack.
    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if frame.edges > 0 {
            let sets = (self.sets - frame.sets).min(self.locals);
            let values = if frame.is_loop { frame.arity.params } else { frame.arity.results };
            let meets = sets + u64::from(values) + 2;
            add(&mut self.meets, meets);
            add(&mut self.moves, meets.saturating_mul(frame.edges));
        }
        if frame.is_loop {
            self.loop_depth -= 1;
        }
    }

    fn branch(&mut self, depth: u32, cost: u64) {
        let mut values = 0;
        if let Some(at) = self.frames.len().checked_sub(1 + depth as usize) {
            let frame = &mut self.frames[at];
            frame.edges += 1;
            values = if frame.is_loop { frame.arity.params } else { frame.arity.results };
        }
        add(&mut self.work, cost + cost::FUNCTION_VALUE / 4 * u64::from(values));
        let nest = self.nest();
        add(&mut self.work, cost::NEST_BRANCH.saturating_mul(nest));
    }

    fn total(&self) -> u64 {
        let locals = self.locals.min(self.accesses);
        let live = locals + (self.height_max as u64).min(self.values) + OWN_VALUES;
        let spilled = self.values.saturating_sub(REGISTERS);
        let mut sum = self.work;
        add(&mut sum, cost::MEET.saturating_mul(self.meets));
        add(&mut sum, cost::MOVE.saturating_mul(self.moves));
        add(&mut sum, cost::SPILL.saturating_mul(spilled));
        add(&mut sum, cost::LIVE_BLOCK.saturating_mul(live.saturating_mul(self.blocks)));
        add(&mut sum, cost::LOOP_PAIR.saturating_mul(self.loops.saturating_mul(self.loops)));
        sum
    }
}

impl Module {
    fn is_quick(&self) -> bool {
        self.work <= LOOK_NS
    }

    fn arity_of(&self, block: BlockType) -> Arity {
        match block {
            BlockType::Empty => Arity::default(),
            BlockType::Type(_) => Arity { params: 0, results: 1 },
            BlockType::FuncType(index) => self.type_at(index),
        }
    }

    fn type_at(&self, index: u32) -> Arity {
        self.types.get(index as usize).copied().unwrap_or_default()
    }

    fn operator(&mut self, body: &mut Body, operator: &Operator<'_>) {
        use Operator::*;
        body.follow(operator);
        match operator {
            Nop => body.plain(cost::DEAD, 0, 0),
            Unreachable | Return => {
                body.blocks += 1;
                let frame = body.frames.len() as u32;
                body.branch(frame.saturating_sub(1), cost::BRANCH);
            }
            Block { blockty } => body.open(false, self.arity_of(*blockty)),
            Loop { blockty } => body.open(true, self.arity_of(*blockty)),
            If { blockty } => {
                body.pop(1);
                body.blocks += 2;
                add(&mut body.work, cost::IF);
                body.open(false, self.arity_of(*blockty));
                if let Some(frame) = body.frames.last_mut() {
                    frame.edges = 1;
                }
            }
            Else => body.plain(cost::FRAME, 0, 0),
            End => {
                add(&mut body.work, cost::DEAD);
                body.close();
            }
            Br { relative_depth } => {
                body.blocks += 1;
                body.branch(*relative_depth, cost::BRANCH);
            }
            BrIf { relative_depth } => {
                body.pop(1);
                body.blocks += 2;
                body.branch(*relative_depth, cost::BRANCH + cost::FRAME);
            }
            BrTable { targets } => {
                body.pop(1);
                body.blocks += 1;
                add(&mut body.work, cost::BRANCH);
                for depth in targets.targets().flatten().chain([targets.default()]) {
                    body.blocks += 1;
                    body.branch(depth, cost::TARGET);
                }
            }
            LocalGet { .. } => {
                body.accesses += 1;
                body.plain(cost::DEAD, 0, 1);
            }
            LocalSet { .. } => {
                body.accesses += 1;
                body.sets += 1;
                body.plain(cost::PLAIN, 1, 0);
            }
            LocalTee { .. } => {
                body.accesses += 1;
                body.sets += 1;
                body.plain(cost::PLAIN, 1, 1);
            }
            I32Const { .. } | RefNull { .. } => body.plain(cost::PLAIN, 0, 1),
            I64Const { .. } => body.plain(cost::PLAIN, 0, 1),
            F32Const { .. } | F64Const { .. } | V128Const { .. } => body.plain(cost::WIDE, 0, 1),
            Drop => body.plain(cost::DEAD, 1, 0),
            Call { function_index } => {
                let arity = self.functions.get(*function_index as usize).copied().unwrap_or_default().arity;
                body.call(cost::CALL, arity);
            }
            CallIndirect { type_index, .. } => {
                let arity = self.type_at(*type_index);
                body.pop(1);
                body.blocks += 2;
                body.call(cost::CALL_INDIRECT, arity);
            }
            RefFunc { function_index } => {
                self.escape(*function_index);
                body.compute(cost::CALL, 0, 1);
            }
            I32Eqz | I64Eqz | I32Clz | I32Ctz | I64Clz | I64Ctz | I32WrapI64 | I64ExtendI32S | I64ExtendI32U
            | I32Extend8S | I32Extend16S | I64Extend8S | I64Extend16S | I64Extend32S | I32ReinterpretF32
            | I64ReinterpretF64 | F32ReinterpretI32 | F64ReinterpretI64 | F32Neg | F64Neg | F32Abs | F64Abs => {
                body.compute(cost::SIMPLE, 1, 1)
            }
            I32Eq | I32Ne | I32LtS | I32LtU | I32GtS | I32GtU | I32LeS | I32LeU | I32GeS | I32GeU | I64Eq | I64Ne
            | I64LtS | I64LtU | I64GtS | I64GtU | I64LeS | I64LeU | I64GeS | I64GeU | F32Eq | F32Ne | F32Lt | F32Gt
            | F32Le | F32Ge | F64Eq | F64Ne | F64Lt | F64Gt | F64Le | F64Ge | I32Add | I32Sub | I32Mul | I32And
            | I32Or | I32Xor | I32Shl | I32ShrS | I32ShrU | I32Rotl | I32Rotr | I64Add | I64Sub | I64Mul | I64And
            | I64Or | I64Xor | I64Shl | I64ShrS | I64ShrU | I64Rotl | I64Rotr => body.compute(cost::SIMPLE, 2, 1),
            F32Add | F32Sub | F32Mul | F32Div | F32Min | F32Max | F64Add | F64Sub | F64Mul | F64Div | F64Min
            | F64Max => {
                body.compute(cost::OTHER, 2, 1)
            }
            Select => body.compute(cost::SIMPLE, 3, 1),
            I32DivS | I32DivU | I32RemS | I32RemU | I64DivS | I64DivU | I64RemS | I64RemU => {
                body.compute(cost::DIVIDE, 2, 1)
            }
            I32Load { memarg } | I64Load { memarg } | F32Load { memarg } | F64Load { memarg } | I32Load8S { memarg }
            | I32Load8U { memarg } | I32Load16S { memarg } | I32Load16U { memarg } | I64Load8S { memarg }
            | I64Load8U { memarg } | I64Load16S { memarg } | I64Load16U { memarg } | I64Load32S { memarg }
            | I64Load32U { memarg } => {
                body.compute(memory_cost(memarg.offset), 1, 1)
            }
            I32Store { memarg } | I64Store { memarg } | F32Store { memarg } | F64Store { memarg }
            | I32Store8 { memarg } | I32Store16 { memarg } | I64Store8 { memarg } | I64Store16 { memarg }
            | I64Store32 { memarg } => {
                body.compute(memory_cost(memarg.offset), 2, 0)
            }
            GlobalGet { .. } => body.compute(cost::MEMORY, 0, 1),
            GlobalSet { .. } => body.compute(cost::MEMORY, 1, 0),
            MemorySize { .. } => body.compute(cost::MEMORY, 0, 1),
            MemoryGrow { .. } => {
                body.blocks += 2;
                body.compute(cost::GROW, 1, 1);
            }
            MemoryCopy { .. } | MemoryFill { .. } | MemoryInit { .. } => {
                match operator {
                    MemoryInit { .. } => add(&mut body.work, cost::HELPER),
                    _ => self.has_bulk = true,
                }
                body.blocks += 2;
                body.compute(cost::FILL, 3, 0);
            }
            DataDrop { .. } | ElemDrop { .. } => body.compute(cost::BULK, 0, 0),
            TableGet { .. } | TableSet { .. } | TableGrow { .. } | TableFill { .. } | TableCopy { .. }
            | TableInit { .. } | TableSize { .. } => {
                body.blocks += 4;
                body.compute(cost::TABLE, 0, 1);
            }
            // Conversions that can trap, roundings, vectors: taken to pop one, so that the stack is never too small.
            _ => body.compute(cost::OTHER, 1, 1),
        }
    }
}

impl Module {
    fn body(&mut self, content: &FunctionBody<'_>, arity: Arity) {
        let mut body = Body { blocks: 2, ..Body::default() };
        let arity_out = Arity { params: 0, ..arity };
        body.frames.push(Frame { is_loop: false, edges: 0, sets: 0, arity: arity_out });
        body.locals = u64::from(arity.params);
        add(&mut body.work, cost::FUNCTION_VALUE.saturating_mul(arity.values()));
        if let Ok(locals) = content.get_locals_reader() {
            for (count, _) in locals.into_iter().flatten() {
                add(&mut body.locals, u64::from(count));
                add(&mut body.work, cost::DEAD + cost::LOCAL.saturating_mul(u64::from(count)));
            }
        }
        if let Ok(mut operators) = content.get_operators_reader() {
            while !operators.eof() && self.work.saturating_add(body.work) <= LOOK_NS {
                let Ok(operator) = operators.read() else { break };
                body.operators += 1;
                self.operator(&mut body, &operator);
            }
        }
        self.operators += body.operators;
        self.loops += body.loops;
        add(&mut self.work, body.total());
    }

    /// A function that can be called from outside of the module, or through a table.
    fn escape(&mut self, index: u32) {
        let Some(function) = self.functions.get_mut(index as usize) else { return };
        if !std::mem::replace(&mut function.escapes, true) {
            let values = function.arity.values();
            add(&mut self.work, cost::ENTRY + cost::ENTRY_VALUE * values);
        }
    }

    /// A constant expression: one operator and its end are a value that is known, unless it comes from elsewhere.
    fn constant(&mut self, expression: &ConstExpr<'_>) -> bool {
        let mut reader = expression.get_operators_reader();
        let mut count = 0;
        let mut is_plain = true;
        while !reader.eof() && self.is_quick() {
            let Ok(operator) = reader.read() else { break };
            match operator {
                Operator::I32Const { .. } | Operator::I64Const { .. } | Operator::F32Const { .. }
                | Operator::F64Const { .. } | Operator::V128Const { .. } | Operator::RefNull { .. }
                | Operator::End => (),
                Operator::RefFunc { function_index } => {
                    self.escape(function_index);
                    is_plain = false;
                }
                _ => is_plain = false,
            }
            count += 1;
            if count > 2 || !is_plain {
                add(&mut self.work, cost::CONST_OPERATOR);
            }
        }
        is_plain && count <= 2
    }
}

impl Module {
    fn type_section(&mut self, reader: wasmparser::TypeSectionReader<'_>) -> wasmparser::Result<()> {
        for group in reader {
            for of in group?.into_types() {
                let arity = match &of.composite_type.inner {
                    CompositeInnerType::Func(f) => {
                        Arity { params: f.params().len() as u32, results: f.results().len() as u32 }
                    }
                    _ => Arity::default(),
                };
                add(&mut self.work, cost::TYPE + cost::TYPE_VALUE * arity.values());
                self.types.push(arity);
            }
            if !self.is_quick() {
                break;
            }
        }
        Ok(())
    }

    fn import_section(&mut self, reader: wasmparser::ImportSectionReader<'_>) -> wasmparser::Result<()> {
        for import in reader.into_imports() {
            let import = import?;
            add(&mut self.work, cost::IMPORT);
            match import.ty {
                TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                    let arity = self.type_at(index);
                    self.functions.push(Function { arity, escapes: false });
                    self.imported += 1;
                }
                TypeRef::Memory(of) => self.memory(of),
                TypeRef::Table(of) => add(&mut self.table_elements, of.initial),
                _ => (),
            }
            if !self.is_quick() {
                break;
            }
        }
        Ok(())
    }

    fn memory(&mut self, of: wasmparser::MemoryType) {
        let page = of.page_size_log2.unwrap_or(16).min(16);
        add(&mut self.memory_bytes, of.initial.saturating_mul(1 << page));
    }

    fn element(&mut self, element: &wasmparser::Element<'_>) -> wasmparser::Result<()> {
        let is_active = matches!(element.kind, ElementKind::Active { .. });
        add(&mut self.work, if is_active { cost::SEGMENT } else { cost::SEGMENT_PASSIVE });
        if let ElementKind::Active { offset_expr, .. } = &element.kind {
            self.constant(offset_expr);
        }
        match element.items.clone() {
            ElementItems::Functions(items) => {
                for index in items {
                    add(&mut self.work, cost::INDEX);
                    self.escape(index?);
                    if !self.is_quick() {
                        break;
                    }
                }
            }
            ElementItems::Expressions(_, items) => {
                for item in items {
                    add(&mut self.work, cost::ITEM);
                    self.constant(&item?);
                    if !self.is_quick() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn data(&mut self, data: &wasmparser::Data<'_>) {
        let DataKind::Active { offset_expr, .. } = &data.kind else {
            return add(&mut self.work, cost::SEGMENT_PASSIVE);
        };
        add(&mut self.work, cost::SEGMENT);
        self.constant(offset_expr);
        if let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() {
            let from = u64::from(value as u32);
            self.image.0 = self.image.0.min(from);
            self.image.1 = self.image.1.max(from + data.data.len() as u64);
        }
    }

    /// Sections other than code. Nothing is read further once the module is not quick.
    fn section(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(reader) if self.is_quick() => self.type_section(reader)?,
            Payload::ImportSection(reader) => self.import_section(reader)?,
            Payload::FunctionSection(reader) => {
                self.defined = u64::from(reader.count());
                add(&mut self.work, cost::FUNCTION.saturating_mul(self.defined));
                if self.is_quick() {
                    for index in reader {
                        let arity = self.type_at(index?);
                        self.functions.push(Function { arity, escapes: false });
                    }
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    let table = table?;
                    add(&mut self.table_elements, table.ty.initial);
                    add(&mut self.work, cost::SEGMENT_PASSIVE);
                    if let TableInit::Expr(expression) = &table.init {
                        self.constant(expression);
                    }
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    self.memory(memory?);
                    add(&mut self.work, cost::SEGMENT_PASSIVE);
                }
            }
            Payload::GlobalSection(reader) if self.is_quick() => {
                for global in reader {
                    add(&mut self.work, cost::GLOBAL);
                    self.constant(&global?.init_expr);
                    if !self.is_quick() {
                        break;
                    }
                }
            }
            Payload::ExportSection(reader) if self.is_quick() => {
                for export in reader {
                    let export = export?;
                    add(&mut self.work, cost::EXPORT);
                    if let ExternalKind::Func | ExternalKind::FuncExact = export.kind {
                        self.escape(export.index);
                    }
                    if !self.is_quick() {
                        break;
                    }
                }
            }
            Payload::ElementSection(reader) if self.is_quick() => {
                for element in reader {
                    self.element(&element?)?;
                    if !self.is_quick() {
                        break;
                    }
                }
            }
            Payload::DataSection(reader) if self.is_quick() => {
                for data in reader {
                    self.data(&data?);
                    if !self.is_quick() {
                        break;
                    }
                }
            }
            Payload::CustomSection(_) => add(&mut self.work, cost::IMPORT),
            _ => (),
        }
        Ok(())
    }

    /// Reads until the end, or until something is not a module.
    fn look(&mut self, data: &[u8]) -> wasmparser::Result<()> {
        let mut parser = Parser::new(0);
        let mut rest = data;
        let mut body = 0;
        add(&mut self.work, cost::MODULE.saturating_add(data.len() as u64 / 8 * cost::BYTE_PER_8));
        loop {
            let (consumed, payload) = match parser.parse(rest, true)? {
                Chunk::Parsed { consumed, payload } => (consumed, payload),
                Chunk::NeedMoreData(_) => return Ok(()),
            };
            rest = &rest[consumed..];
            match payload {
                Payload::End(_) => return Ok(()),
                Payload::CodeSectionStart { size, .. } => {
                    add(&mut self.work, u64::from(size).saturating_mul(cost::CODE_BYTE));
                    if !self.is_quick() {
                        parser.skip_section();
                        rest = rest.get(size as usize..).unwrap_or_default();
                    }
                }
                Payload::CodeSectionEntry(content) => {
                    let function = self.functions.get(self.imported + body).copied().unwrap_or_default();
                    body += 1;
                    if self.is_quick() {
                        self.body(&content, function.arity);
                    }
                }
                payload => self.section(payload)?,
            }
        }
    }

    fn finish(&mut self) {
        if self.has_bulk {
            add(&mut self.work, 2 * cost::HELPER);
        }
        let span = self.image.1.saturating_sub(self.image.0);
        add(&mut self.work, span.min(cost::IMAGE_MAX).saturating_mul(cost::IMAGE_BYTE));
    }

    fn survey(&self) -> adk_engine_survey {
        adk_engine_survey {
            work_ns: if self.is_quick() { self.work } else { u64::MAX },
            memory_bytes: self.memory_bytes,
            table_elements: self.table_elements,
            functions: self.defined,
            operators: self.operators,
            loops: self.loops,
        }
    }
}

/// Looks over a binary module, in time linear to its size; never fails. What does not parse is described as far as it
/// was read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adk_engine_survey_module(data: *const u8, size: usize, ret_survey: &mut adk_engine_survey) {
    let body = || {
        let data = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, size) } };
        let mut module = Module { image: (u64::MAX, 0), ..Module::default() };
        let _ = module.look(data);
        module.finish();
        module.survey()
    };
    *ret_survey = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or(adk_engine_survey { work_ns: u64::MAX, ..adk_engine_survey::default() });
}

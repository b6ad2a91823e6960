//! The Wasm engine: its features, and the weights of instructions.

use std::sync::LazyLock;

use wasmparser::WasmFeatures;
use wasmtime::{Config, Enabled, Engine, OperatorCost, PoolingAllocationConfig};

use crate::wasm::address_type::AddressType;

pub(crate) const MAX_TABLE: usize = 1_000_000;

/// The platform's limits of tables per module, and of entries per table.
pub(crate) const MAX_TABLES: usize = 1;
/// Native stack that a message may use, in bytes. It must fit into the smallest thread that runs
/// one.
const STACK: usize = 1024 * 1024;

/// The engine for modules of this address type. They have different weights and memory limits.
pub(crate) fn engine(address: AddressType) -> &'static Engine {
    static WASM32: LazyLock<Engine> = LazyLock::new(|| build(AddressType::I32));
    static WASM64: LazyLock<Engine> = LazyLock::new(|| build(AddressType::I64));
    match address {
        AddressType::I32 => &WASM32,
        AddressType::I64 => &WASM64,
    }
}

fn build(address: AddressType) -> Engine {
    // Pooled memories save most of the kernel's work for a message. Without enough address space
    // for the pool, each message gets a memory of its own.
    let mut pooled = options(address);
    pooled.allocation_strategy(pool(address));
    let engine = Engine::new(&pooled).or_else(|_| Engine::new(&options(address)));
    // The options are constants that fit together: no input can make this fail.
    engine.expect("the engine's options fit together")
}

/// Messages that can run at the same time; others wait for them.
pub(crate) const SLOTS: u32 = 1_000;
/// Bytes of a memory or table that stay resident in their slot after a message.
const KEPT: usize = 1 << 20;
/// Slots that stay ready for their last module.
const WARM: u32 = 16;

/// A pool whose slots fit instances of all modules that the platform allows.
fn pool(address: AddressType) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(SLOTS)
        .total_memories(SLOTS)
        .total_tables(SLOTS)
        .max_unused_warm_slots(WARM)
        .max_core_instance_size(256 << 20)
        .max_memory_size(address.max_heap() as usize)
        .table_elements(MAX_TABLE)
        .linear_memory_keep_resident(KEPT)
        .table_keep_resident(KEPT)
        .pagemap_scan(Enabled::Auto);
    pool
}

fn options(address: AddressType) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(weights(address))
        .cranelift_opt_level(wasmtime::OptLevel::None)
        // Execution must be deterministic, bit for bit.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_relaxed_simd(false)
        // The platform takes none of these: `wasmtime_validation_config` in `dfinity/ic`
        // rs/embedders/src/wasm_utils/validation.rs.
        .wasm_features(
            WasmFeatures::FUNCTION_REFERENCES | WasmFeatures::GC | WasmFeatures::EXTENDED_CONST,
            false,
        )
        // A module of either address type may have a table with 64-bit indexes.
        .wasm_memory64(true)
        // A slot of the pool is reserved as a whole.
        .memory_reservation(address.max_heap())
        .wasm_multi_memory(false)
        .max_wasm_stack(STACK)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .memory_init_cow(true)
        // The heap is mapped into a memory while its guest grows it.
        .memory_may_move(false);
    config
}

/// The largest weight of one operator.
const MAX_WEIGHT: u8 = 255;
/// The platform's weight of operators that grow memory or drop segments.
const GROW_WEIGHT: usize = 300;
/// Operators of weight 1 before such an operator, which make up for the difference.
pub(crate) const PADDING: usize = GROW_WEIGHT - MAX_WEIGHT as usize;

/// The platform's weights of operators; the default is 1. The source is `instruction_to_cost` in
/// `dfinity/ic` rs/embedders/src/wasm_utils/instrumentation.rs.
fn weights(address: AddressType) -> OperatorCost {
    let mut cost = OperatorCost::new();
    macro_rules! weigh {
        ($($weight:expr => $($operator:ident)*;)*) => { $($(cost.$operator = $weight;)*)* };
    }
    let access = match address {
        AddressType::I32 => 1,
        AddressType::I64 => 2,
    };
    weigh! {
        0 => Block Loop Else End;
        1 => Nop Drop Return Unreachable;
        2 => Br BrIf BrTable If GlobalGet GlobalSet;
        3 => ReturnCall;
        5 => Call TableGet RefIsNull;
        10 => CallIndirect;
        60 => ReturnCallIndirect;
        10 => I32DivS I32DivU I32RemS I32RemU I64DivS I64DivU I64RemS I64RemU;
        20 => MemorySize;
        100 => MemoryCopy MemoryFill MemoryInit TableSize;
        130 => RefFunc;
        MAX_WEIGHT => MemoryGrow DataDrop ElemDrop;

        2 => F32Add F32Sub F32Mul F32Ceil F32Floor F32Trunc F32Nearest F32Copysign;
        2 => F64Add F64Sub F64Mul F64Ceil F64Floor F64Trunc F64Nearest;
        3 => F32Div F64Copysign;
        5 => F64Div F32Sqrt;
        8 => F64Sqrt;
        18 => F32Min F32Max F64Min F64Max;
        3 => F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge;
        3 => F32ConvertI32S F32ConvertI64S F64ConvertI32S F64ConvertI64S;
        16 => F32ConvertI32U F32ConvertI64U F64ConvertI32U F64ConvertI64U;
        20 => I32TruncF32S I32TruncF32U I32TruncF64S I32TruncF64U;
        20 => I64TruncF32S I64TruncF32U I64TruncF64S I64TruncF64U;
        20 => I32TruncSatF32S I32TruncSatF32U I32TruncSatF64S I32TruncSatF64U;
        20 => I64TruncSatF32S I64TruncSatF32U I64TruncSatF64S I64TruncSatF64U;

        2 => I8x16LtU I8x16GtU I16x8LtU I16x8GtU I32x4LtU I32x4GtU;
        2 => I8x16ShrU I16x8Shl I16x8ShrS I16x8ShrU I32x4Shl I32x4ShrS I32x4ShrU I64x2Shl I64x2ShrU;
        2 => I16x8ExtAddPairwiseI8x16U I16x8ExtMulHighI8x16S I16x8ExtMulHighI8x16U I32x4Mul;
        2 => I32x4ExtMulLowI16x8S I32x4ExtMulHighI16x8S I32x4ExtMulLowI16x8U I32x4ExtMulHighI16x8U;
        2 => F32x4Ceil F32x4Floor F32x4Trunc F32x4Nearest F32x4Abs F32x4Neg;
        2 => F32x4Add F32x4Sub F32x4Mul;
        2 => F64x2Ceil F64x2Floor F64x2Trunc F64x2Nearest F64x2Abs F64x2Neg;
        2 => F64x2Add F64x2Sub F64x2Mul;
        2 => I32x4TruncSatF32x4S I32x4TruncSatF64x2SZero;
        3 => I8x16Shuffle I8x16Popcnt I8x16Shl I8x16ShrS I32x4ExtAddPairwiseI16x8U I64x2ShrS;
        3 => I32x4TruncSatF64x2UZero;
        4 => I64x2Mul F32x4Min F32x4Max F64x2Min I32x4TruncSatF32x4U F32x4ConvertI32x4U;
        5 => F32x4Sqrt F64x2Max;
        10 => F32x4Div;
        12 => F64x2Div;
        14 => F64x2Sqrt;

        access => I32Load I64Load F32Load F64Load I32Load8S I32Load8U I32Load16S I32Load16U;
        access => I64Load8S I64Load8U I64Load16S I64Load16U I64Load32S I64Load32U;
        access => I32Store I64Store F32Store F64Store I32Store8 I32Store16;
        access => I64Store8 I64Store16 I64Store32;
        access => V128Load V128Load8x8S V128Load8x8U V128Load16x4S V128Load16x4U;
        access => V128Load32x2S V128Load32x2U V128Load32Zero V128Load64Zero;
        access => V128Load8Splat V128Load16Splat V128Load32Splat V128Load64Splat;
        access => V128Load8Lane V128Load16Lane V128Load32Lane V128Load64Lane;
        access => V128Store V128Store8Lane V128Store16Lane V128Store32Lane V128Store64Lane;
    }
    cost
}

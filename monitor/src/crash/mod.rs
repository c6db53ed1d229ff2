//! Crash reports: what happened, where, in which library, with which registers and callers.

mod cause;
mod symbols;

use std::fmt::Write;

use serde_json::{Value, json};

use crate::abi;
use crate::image::Rights;
use crate::placing::Placed;
use symbols::Symbols;

/// Callers shown.
const CALLERS: usize = 12;
/// Numbers of general registers, for the JSON record and the text.
const NAMES: [&str; 16] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
];

/// One line: the cause and the place.
pub fn headline(placed: &Placed, record: &abi::Crash) -> String {
    let symbols = Symbols::of(placed);
    format!("{} at {}", cause::describe(placed, record), symbols.place(placed, record.rip))
}

/// The report of one crash, for people.
pub fn report(placed: &Placed, record: &abi::Crash) -> String {
    let symbols = Symbols::of(placed);
    let mut text = format!("error: {} crashed: {}\n", placed.image.name, cause::describe(placed, record));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  at {:#x}: {}", record.rip, symbols.place(placed, record.rip));
    for (address, place) in callers(placed, &symbols, record) {
        let _ = writeln!(text, "  perhaps called from {address:#x}: {place}");
    }
    let registers = registers(record);
    for row in registers.chunks(4) {
        let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name:>3}={value:016x}")).collect();
        let _ = writeln!(text, "  {}", cells.join(" "));
    }
    let _ = writeln!(text, "  rip={:016x} rflags={:08x}", record.rip, record.rflags);
    let stack = stack_words(record).into_iter().take(16).collect::<Vec<_>>();
    for (row, words) in stack.chunks(4).enumerate() {
        let cells: Vec<String> = words.iter().map(|word| format!("{word:016x}")).collect();
        let _ = writeln!(text, "  stack {:#x}: {}", record.rsp + row as u64 * 32, cells.join(" "));
    }
    if !symbols.found() {
        text.push_str("  (no symbols: the image's ELF file is missing or cannot be read)\n");
    }
    text
}

/// The record of one crash, for programs. Addresses are hexadecimal strings.
pub fn record(placed: &Placed, record: &abi::Crash) -> Value {
    let symbols = Symbols::of(placed);
    let hex = |value: u64| format!("{value:#x}");
    let registers: serde_json::Map<String, Value> = registers(record)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), hex(value).into()))
        .collect();
    json!({
        "cause": cause::describe(placed, record), "exception": record.exception, "fault_address": hex(record.fault_address),
        "rip": hex(record.rip), "place": symbols.place(placed, record.rip), "library": library_of(placed, record.rip),
        "registers": registers, "rflags": hex(record.rflags),
        "callers": callers(placed, &symbols, record).into_iter().map(|(address, place)| json!({"address": hex(address), "place": place})).collect::<Vec<_>>(),
        "stack": stack_words(record).into_iter().map(hex).collect::<Vec<_>>(),
    })
}

/// Whose code or data an address is: a library, or the app itself.
pub fn library_of(placed: &Placed, address: u64) -> Option<&str> {
    let (extent, _) = placed.find(address)?;
    Some(extent.library.as_deref().unwrap_or(&placed.image.name))
}

fn registers(record: &abi::Crash) -> Vec<(&'static str, u64)> {
    let mut values = vec![
        record.rax, record.rbx, record.rcx, record.rdx, record.rsi, record.rdi, record.rbp, record.rsp,
    ];
    values.extend(record.r);
    NAMES.into_iter().zip(values).collect()
}

fn stack_words(record: &abi::Crash) -> Vec<u64> {
    let bytes = &record.stack[..(record.stack_bytes as usize).min(record.stack.len())];
    bytes
        .chunks_exact(8)
        .map(|word| word.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        .collect()
}

/// Words on the stack that point into code: there are no frame pointers, so some of them may be left from earlier calls.
fn callers(placed: &Placed, symbols: &Symbols, record: &abi::Crash) -> Vec<(u64, String)> {
    let is_code = |address: &u64| {
        placed
            .extents
            .iter()
            .any(|extent| extent.rights == Rights::ReadExecute && extent.contains(address.wrapping_sub(1)))
    };
    let words = stack_words(record).into_iter().filter(is_code).take(CALLERS);
    // A return address is behind its call, which may be the last instruction of its function.
    words.map(|address| (address, symbols.place(placed, address - 1))).collect()
}

//! Page tables for a guest that runs at ring 3 from its first instruction: four levels of 4 KiB pages (Intel SDM vol. 3, 4.5).
//!
//! Pure: from a layout of guest memory to bytes. All tables have their Accessed and Dirty bits set beforehand, so that no processor
//! ever writes to them and all instances of an image share them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::layout::Layout;
use crate::error::Error;
use crate::plan::{PAGE, Plan, Rights};

/// Entries of a table, and the bits of an address that index one.
const ENTRIES: usize = 512;
const INDEX_BITS: u32 = 9;
const PAGE_BITS: u32 = 12;
const LEVELS: u32 = 4;

// Intel SDM vol. 3, table 4-20: present, writable, user, accessed, dirty; 63: execute disable.
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const NO_EXECUTE: u64 = 1 << 63;
const INNER: u64 = PRESENT | WRITABLE | USER | ACCESSED;

/// A stretch of guest virtual pages on guest physical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub virtual_address: u64,
    pub physical_address: u64,
    pub pages: u64,
    pub rights: Rights,
}

/// How many pages the tables for these virtual pages take.
pub fn count(mappings: &[Mapping]) -> u64 {
    let mut tables = std::collections::BTreeSet::new();
    for mapping in mappings {
        let last = mapping.virtual_address + mapping.pages * PAGE - 1;
        for level in 1..LEVELS {
            let shift = PAGE_BITS + INDEX_BITS * level;
            tables.extend((mapping.virtual_address >> shift..=last >> shift).map(|index| (level, index)));
        }
    }
    tables.len() as u64 + 1
}

/// The tables' bytes, for tables that lie at guest physical address 0; the root comes first.
pub fn build(mappings: &[Mapping]) -> Vec<u8> {
    let mut tables = vec![[0_u64; ENTRIES]];
    let mut known = BTreeMap::new();
    for mapping in mappings {
        for page in 0..mapping.pages {
            let address = mapping.virtual_address + page * PAGE;
            let table = leaf_table(&mut tables, &mut known, address);
            let writable = if mapping.rights == Rights::ReadWrite { WRITABLE } else { 0 };
            let no_execute = if mapping.rights == Rights::ReadExecute {
                0
            } else {
                NO_EXECUTE
            };
            tables[table][index(address, 0)] =
                (mapping.physical_address + page * PAGE) | PRESENT | USER | ACCESSED | DIRTY | writable | no_execute;
        }
    }
    tables.iter().flatten().flat_map(|entry| entry.to_le_bytes()).collect()
}

/// The number of the table that holds an address's last entry; missing ones are made on the way down.
fn leaf_table(tables: &mut Vec<[u64; ENTRIES]>, known: &mut BTreeMap<(u32, u64), usize>, address: u64) -> usize {
    let mut table = 0;
    for level in (1..LEVELS).rev() {
        let key = (level, address >> (PAGE_BITS + INDEX_BITS * level));
        table = *known.entry(key).or_insert_with(|| {
            let fresh = tables.len();
            tables.push([0; ENTRIES]);
            tables[table][index(address, level)] = (fresh as u64 * PAGE) | INNER;
            fresh
        });
    }
    table
}

fn index(address: u64, level: u32) -> usize {
    (address >> (PAGE_BITS + INDEX_BITS * level)) as usize % ENTRIES
}

/// Write a plan's tables for its own heap into a file, as pool content. The file appears as a whole.
pub fn write(plan: &Plan, path: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::io(format!("writing {}", path.display()), error);
    let bytes = build(&Layout::new(plan, plan.heap).mappings());
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let written = std::fs::File::create(&fresh).and_then(|mut file| file.write_all(&bytes));
    written.and_then(|()| std::fs::rename(&fresh, path)).map_err(|error| {
        let _ = std::fs::remove_file(&fresh);
        failed(error)
    })
}

#[cfg(test)]
mod tests;

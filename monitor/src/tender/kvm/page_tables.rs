//! Page tables for a guest that runs at ring 3 from its first instruction: four levels of 4 KiB pages (Intel SDM vol. 3, 4.5).
//!
//! Pure: from a layout of guest memory to bytes. All tables have their Accessed and Dirty bits set beforehand, so that no processor
//! changes them. Nested paging asks for the right to write them all the same, with every walk (AMD APM vol. 2, 15.25.6; Intel SDM vol. 3,
//! 28.3.2 about accessed and dirty flags for EPT): so an instance maps them copy-on-write (memory.rs).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::layout::Layout;
use crate::error::Error;
use crate::image::{PAGE, Rights};
use crate::placing::Placed;

/// Entries of a table, and the bits of an address that index one.
const ENTRIES: usize = 512;
const INDEX_BITS: u32 = 9;
/// A page of them.
pub type Table = [u64; ENTRIES];
const PAGE_BITS: u32 = 12;
const LEVELS: u32 = 4;

// Intel SDM vol. 3, table 4-20: present, writable, user, accessed, dirty; 63: execute disable.
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// Of a directory's entry: it is a page itself.
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const INNER: u64 = PRESENT | WRITABLE | USER | ACCESSED;

/// A stretch of guest virtual pages on guest physical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub virtual_address: u64,
    pub physical_address: u64,
    pub pages: u64,
    pub access: Access,
}

/// Who may do what with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Guest(Rights),
    /// The processor reads it, when it needs one of its tables; the guest faults.
    Processor,
}

/// Large pages that the guest may write, each in place of a last table (Intel SDM vol. 3, table 4-18). Both addresses are multiples of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargePages {
    pub virtual_address: u64,
    pub physical_address: u64,
    pub count: u64,
}

/// Bytes of a large page.
pub const LARGE_PAGE: u64 = PAGE << INDEX_BITS;

/// All that the tables say, and where they lie: guest physical address `base`, the root first.
#[derive(Clone, Debug)]
pub struct Plan {
    pub mappings: Vec<Mapping>,
    pub large: LargePages,
    pub base: u64,
}

impl Plan {
    /// How many pages the tables take.
    pub fn count(&self) -> u64 {
        let mut tables = std::collections::BTreeSet::new();
        for mapping in &self.mappings {
            let last = mapping.virtual_address + mapping.pages * PAGE - 1;
            for level in 1..LEVELS {
                tables.extend((mapping.virtual_address >> shift(level)..=last >> shift(level)).map(|index| (level, index)));
            }
        }
        let large = self.large;
        if let Some(further) = large.count.checked_sub(1) {
            let last = large.virtual_address + further * LARGE_PAGE;
            for level in 2..LEVELS {
                tables.extend((large.virtual_address >> shift(level)..=last >> shift(level)).map(|index| (level, index)));
            }
        }
        tables.len() as u64 + 1
    }

    /// Write the tables into as many pages of zeros. They are a processor's, which is this host's: little-endian.
    pub fn build(&self, pages: &mut [Table]) {
        let mut tables = Tables {
            pages,
            count: 1,
            known: BTreeMap::new(),
            base: self.base,
        };
        for mapping in &self.mappings {
            for page in 0..mapping.pages {
                let address = mapping.virtual_address + page * PAGE;
                let table = tables.find(address, 1);
                tables.pages[table][index(address, 0)] = entry(mapping.physical_address + page * PAGE, mapping.access);
            }
        }
        for offset in (0..self.large.count).map(|number| number * LARGE_PAGE) {
            let address = self.large.virtual_address + offset;
            let table = tables.find(address, 2);
            tables.pages[table][index(address, 1)] =
                LARGE | entry(self.large.physical_address + offset, Access::Guest(Rights::ReadWrite));
        }
    }

    /// The tables' bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut pages = vec![[0; ENTRIES]; self.count() as usize];
        self.build(&mut pages);
        bytemuck::cast_slice(&pages).to_vec()
    }
}

fn entry(physical_address: u64, access: Access) -> u64 {
    let rights = match access {
        Access::Guest(Rights::ReadWrite) => USER | WRITABLE | NO_EXECUTE,
        Access::Guest(Rights::Read) => USER | NO_EXECUTE,
        Access::Guest(Rights::ReadExecute) => USER,
        Access::Processor => NO_EXECUTE,
    };
    physical_address | PRESENT | ACCESSED | DIRTY | rights
}

/// Tables in the making, of which the first `count` pages are in use.
struct Tables<'a> {
    pages: &'a mut [Table],
    count: usize,
    known: BTreeMap<(u32, u64), usize>,
    base: u64,
}

impl Tables<'_> {
    /// The number of the table of a level that holds an address's entry; missing ones are made on the way down.
    fn find(&mut self, address: u64, level: u32) -> usize {
        let mut table = 0;
        for level in (level..LEVELS).rev() {
            let key = (level, address >> shift(level));
            table = match self.known.get(&key) {
                Some(known) => *known,
                None => {
                    let fresh = self.count;
                    self.count += 1;
                    self.pages[table][index(address, level)] = (self.base + fresh as u64 * PAGE) | INNER;
                    self.known.insert(key, fresh);
                    fresh
                }
            };
        }
        table
    }
}

/// The lowest bit of an address that indexes a table of a level: what one entry of it reaches.
fn shift(level: u32) -> u32 {
    PAGE_BITS + INDEX_BITS * level
}

fn index(address: u64, level: u32) -> usize {
    (address >> shift(level)) as usize % ENTRIES
}

/// Write an image's tables for its own heap into a file, as pool content. The file appears as a whole.
pub fn write(placed: &Placed, path: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::io(format!("writing {}", path.display()), error);
    let bytes = Layout::new(placed, placed.image.heap).tables().bytes();
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let written = std::fs::File::create(&fresh).and_then(|mut file| file.write_all(&bytes));
    written.and_then(|()| std::fs::rename(&fresh, path)).map_err(|error| {
        let _ = std::fs::remove_file(&fresh);
        failed(error)
    })
}

#[cfg(test)]
mod tests;

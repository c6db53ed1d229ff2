//! The heap's page tables under the layout aslr: the same pages in all instances, wherever their heaps lie.
//!
//! The heap's guest physical pages are fixed, and its guest virtual address is drawn so that a page-table page holds nothing else. So
//! entry `n` always names page `n`, and only the page directory of an instance says where in its addresses that is. The first table is
//! not among them: it begins with addresses below the heap, and these must lead nowhere, so each instance has one of its own.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::page_tables;
use crate::error::Error;
use crate::image::PAGE;
use crate::memory::sealed;
use crate::placing::draw::TABLE_PAGES;

/// Guest physical address of what the first entry of the first table would name: above every compact piece.
const HEAP_PHYSICAL: u64 = 1 << 30;

/// Made so far, by their number of pages: images mostly have heaps of one size. None are needed for a heap that its first table reaches.
static MADE: Mutex<Vec<HeapTables>> = Mutex::new(Vec::new());

/// Some heap's page tables but the first.
#[derive(Clone, Debug)]
pub struct HeapTables {
    pub pages: u64,
    file: Option<Arc<File>>,
}

impl HeapTables {
    /// Those of a heap, made before or not yet.
    pub fn new(heap_start: u64, heap: u64) -> Self {
        let pages = ((heap_start / PAGE) % TABLE_PAGES + heap / PAGE)
            .div_ceil(TABLE_PAGES)
            .saturating_sub(1);
        let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = made.iter().find(|one| one.pages >= pages).and_then(|one| one.file.clone());
        Self { pages, file }
    }

    /// The file with these pages, or more of them.
    pub fn file(&self) -> Result<Arc<File>, Error> {
        match &self.file {
            Some(file) => Ok(Arc::clone(file)),
            None => make(self.pages),
        }
    }
}

/// Make the tables of heaps of this size, wherever they begin, for all instances that are forked from now on.
pub fn prepare(heap: u64) -> Result<(), Error> {
    let last = HeapTables::new((TABLE_PAGES - 1) * PAGE, heap);
    if last.file.is_some() || last.pages == 0 {
        return Ok(());
    }
    let file = make(last.pages)?;
    MADE.lock().unwrap_or_else(PoisonError::into_inner).push(HeapTables {
        pages: last.pages,
        file: Some(file),
    });
    Ok(())
}

/// How much of a heap the first of its tables reaches, in pages.
pub fn first_table_pages(heap_start: u64, heap: u64) -> u64 {
    (heap / PAGE).min(TABLE_PAGES - (heap_start / PAGE) % TABLE_PAGES)
}

/// Where a heap that begins at a guest virtual address lies in guest physical memory.
pub fn physical_address(heap_start: u64) -> u64 {
    HEAP_PHYSICAL + heap_start % (TABLE_PAGES * PAGE)
}

fn make(pages: u64) -> Result<Arc<File>, Error> {
    let bytes: Vec<u8> = (TABLE_PAGES..(pages + 1) * TABLE_PAGES)
        .flat_map(|page| page_tables::writable_entry(HEAP_PHYSICAL + page * PAGE).to_le_bytes())
        .collect();
    sealed::file("unishare-heap-tables", |file| file.write_all(&bytes)).map(Arc::new)
}

//! Symbols and source lines from the image's ELF file. It may be missing or damaged: then there are none.

use addr2line::Loader;

use super::library_of;
use crate::plan::Plan;

pub struct Symbols(Option<Loader>);

impl Symbols {
    pub fn of(plan: &Plan) -> Self {
        Self(plan.elf.as_ref().and_then(|path| Loader::new(path).ok()))
    }

    pub fn found(&self) -> bool {
        self.0.is_some()
    }

    /// An address as `symbol (library) file:line`, as far as known.
    pub fn place(&self, plan: &Plan, address: u64) -> String {
        let symbol = self.0.as_ref().and_then(|loader| loader.find_symbol(address));
        let line = self
            .0
            .as_ref()
            .and_then(|loader| loader.find_location(address).ok().flatten());
        let mut text = symbol.unwrap_or("an unknown place").to_owned();
        if let Some(library) = library_of(plan, address) {
            text += &format!(" in {library}");
        }
        if let Some((file, number)) = line.and_then(|line| Some((line.file?, line.line?))) {
            text += &format!(" ({file}:{number})");
        }
        text
    }
}

//! Symbols and source lines from the image's ELF files. They may be missing or damaged: then there are none.

use addr2line::Loader;

use super::library_of;
use crate::placing::Placed;

/// One loader for the image, or one a module under the layout aslr.
pub struct Symbols(Vec<Option<Loader>>);

impl Symbols {
    pub fn of(placed: &Placed) -> Self {
        let load = |path: &std::path::PathBuf| Loader::new(path).ok();
        if placed.image.modules.is_empty() {
            return Self(vec![placed.image.elf.as_ref().and_then(load)]);
        }
        Self(
            placed
                .image
                .modules
                .iter()
                .map(|module| module.elf.as_ref().and_then(load))
                .collect(),
        )
    }

    pub fn found(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// An address as `symbol in library (file:line)`, as far as known.
    pub fn place(&self, placed: &Placed, address: u64) -> String {
        let module = placed.find(address).map_or(0, |(extent, _)| extent.module);
        let base = placed.draw.bases[module];
        let loader = self.0.get(module).and_then(Option::as_ref);
        let within = address.wrapping_sub(base);
        let symbol = loader.and_then(|loader| loader.find_symbol(within));
        let line = loader.and_then(|loader| loader.find_location(within).ok().flatten());
        let mut text = symbol.unwrap_or("an unknown place").to_owned();
        if let Some(library) = library_of(placed, address) {
            text += &format!(" in {library}");
        }
        if let Some((file, number)) = line.and_then(|line| Some((line.file?, line.line?))) {
            text += &format!(" ({file}:{number})");
        }
        text
    }
}

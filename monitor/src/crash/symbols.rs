//! Symbols and source lines from the image's ELF files. They may be missing or damaged: then there are none.

use std::fs;
use std::path::Path;

use addr2line::Loader;

use super::code::{Call, call_before};
use crate::image::{Outline, pool};

/// One file for the image, or one a module under the layout aslr.
#[derive(Default)]
pub struct Symbols(Vec<Option<Module>>);

struct Module {
    loader: Loader,
    elf: Vec<u8>,
}

impl Symbols {
    /// Of the files beside the manifest, which is in `folder`. The app's own must be the one that the manifest describes.
    pub fn of(outline: &Outline, folder: &Path) -> Result<Self, String> {
        let elf = folder.join(&outline.elf);
        if let Ok(bytes) = fs::read(&elf) {
            if pool::digest(&bytes) != outline.elf_digest {
                return Err(format!("{} is not the file that the manifest describes", elf.display()));
            }
        }
        let load = |path: &Path| {
            let file = folder.join(path);
            let loader = Loader::new(&file).ok()?;
            Some(Module {
                loader,
                elf: fs::read(&file).ok()?,
            })
        };
        if !outline.image.is_random() {
            return Ok(Self(vec![load(&outline.elf)]));
        }
        let modules = outline.image.modules.iter();
        Ok(Self(
            modules
                .map(|module| module.elf.as_deref().map(Path::new).and_then(load))
                .collect(),
        ))
    }

    pub fn found(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// The symbol and the `file:line` of an address within a module.
    pub fn find(&self, module: usize, address: u64) -> (Option<&str>, Option<String>) {
        let Some(Module { loader, .. }) = self.0.get(module).and_then(Option::as_ref) else {
            return (None, None);
        };
        let line = loader.find_location(address).ok().flatten();
        let line = line.and_then(|line| Some(format!("{}:{}", line.file?, line.line?)));
        (loader.find_symbol(address), line)
    }

    /// The call instruction that ends at an address within a module.
    pub fn call_before(&self, module: usize, address: u64) -> Option<Call> {
        call_before(&self.0.get(module)?.as_ref()?.elf, address)
    }
}

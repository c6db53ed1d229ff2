//! What a manifest must fulfil beyond its form: nothing overlaps, nothing lies outside its place, nothing is writable and executable.

use std::path::Path;

use super::{Extent, Fault, Header, Layout, Manifest, RightsText, fault};
use crate::abi;
use crate::image::{self, PAGE};

const MAX_EXTENTS: usize = 16384;
const MAX_NAME: usize = 128;
const MAX_MODULES: usize = 1024;
/// 256 MiB.
const MAX_FRAMES: usize = 1 << 16;
/// Of an extent of a module; those of fixed layouts lie in regions of less.
const MAX_PAGES: u64 = 1 << 20;
/// 512 MiB.
const MAX_MODULE_PAGES: u64 = 1 << 17;
const FORMAT: &str = "unishare-manifest";
const VERSION: u32 = 1;

impl Manifest {
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.name.is_empty() || self.name.len() > MAX_NAME || self.name.chars().any(char::is_control) {
            return fault("name", format!("is not 1 to {MAX_NAME} printable characters"));
        }
        if self.abi >> 16 != abi::VERSION >> 16 || self.abi > abi::VERSION {
            return fault(
                "abi",
                format!(
                    "{} is not what this monitor offers ({})",
                    version(self.abi),
                    version(abi::VERSION)
                ),
            );
        }
        self.check_files()?;
        self.check_sizes()?;
        self.check_strings()?;
        self.check_modules()?;
        self.check_extents()?;
        self.check_frames()?;
        if !self
            .extents
            .iter()
            .any(|extent| extent.is_of_image() && extent.rights == RightsText::ReadExecute && extent.contains(self.entry.0))
        {
            return fault("entry", format!("{:?} is not inside an r-x extent", self.entry));
        }
        if !self
            .extents
            .iter()
            .any(|extent| extent.is_of_image() && extent.contains(self.image_table.0))
        {
            return fault("image_table", format!("{:?} is not inside an extent", self.image_table));
        }
        match &self.page_tables {
            Some(tables) if tables.pages == 0 => fault("page_tables.pages", "is 0"),
            _ => Ok(()),
        }
    }

    /// Files are beside the manifest.
    fn check_files(&self) -> Result<(), Fault> {
        let modules = self.modules.iter().map(|module| &module.file);
        match std::iter::once(&self.elf.file).chain(modules).find(|file| !is_beside(file)) {
            Some(file) => fault("file", format!("{file:?} is not a file in the image's own folder")),
            None => Ok(()),
        }
    }

    fn check_sizes(&self) -> Result<(), Fault> {
        for (field, size) in [("stack", self.stack), ("heap", self.heap)] {
            if size % PAGE != 0 {
                return fault(field, format!("{size} is not a multiple of {PAGE}"));
            }
        }
        if self.stack == 0 {
            return fault("stack", "is 0");
        }
        match image::heap_limit(self.stack, self.layout == Layout::Aslr) {
            None => fault("stack", format!("{} does not fit into the instance region", self.stack)),
            Some(limit) if self.heap > limit => fault(
                "heap",
                format!("{} bytes are more than the layout leaves for it ({limit})", self.heap),
            ),
            Some(_) => Ok(()),
        }
    }

    fn check_strings(&self) -> Result<(), Fault> {
        for (index, argument) in self.argv.iter().enumerate() {
            if argument.contains('\0') {
                return fault(format!("argv[{index}]"), "holds a NUL character");
            }
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return fault(
                    "env",
                    format!("{name:?} is no name of a variable, or its value holds a NUL character"),
                );
            }
        }
        Ok(())
    }

    /// A fixed image's extents lie in abi.h's regions, an aslr image's in their modules.
    fn check_place(&self, extent: &Extent) -> Result<(), Fault> {
        if self.layout != Layout::Aslr {
            return match extent {
                Extent { module: Some(_), .. } | Extent { frame: Some(_), .. } => fault("module", "is for the layout aslr"),
                _ => check_range(extent),
            };
        }
        let module = extent.module.and_then(|number| self.modules.get(number as usize));
        let Some(module) = module else {
            return fault(
                "module",
                format!("{:?} is not one of {} modules", extent.module, self.modules.len()),
            );
        };
        if extent.address.0 % PAGE != 0 || extent.pages == 0 {
            return fault(
                "address",
                format!("{:?} is not the start of a page, or pages is 0", extent.address),
            );
        }
        match (extent.address.0 / PAGE).checked_add(extent.pages) {
            Some(end) if end <= module.pages && extent.pages <= MAX_PAGES => Ok(()),
            _ => fault(
                "pages",
                format!("{} from {:?} are past module {}", extent.pages, extent.address, module.name),
            ),
        }
    }

    fn check_modules(&self) -> Result<(), Fault> {
        let own = [!self.modules.is_empty(), self.relocations.is_some(), self.frames.is_some()];
        if own != [self.layout == Layout::Aslr; 3] {
            return fault("modules", "relocations and frames belong to the layout aslr, all or none");
        }
        if self.frame_count() > MAX_FRAMES {
            return fault("frames", format!("{} are more than {MAX_FRAMES}", self.frame_count()));
        }
        if self.modules.len() > MAX_MODULES {
            return fault("modules", format!("{} are more than {MAX_MODULES}", self.modules.len()));
        }
        match self
            .modules
            .iter()
            .position(|module| module.pages == 0 || module.pages > MAX_MODULE_PAGES)
        {
            Some(number) => fault(format!("modules[{number}].pages"), format!("is not 1 to {MAX_MODULE_PAGES}")),
            None => Ok(()),
        }
    }

    fn frame_count(&self) -> usize {
        self.frames.as_ref().map_or(0, Vec::len)
    }

    /// Frames exist, and none is read-only here and writable there.
    fn check_frames(&self) -> Result<(), Fault> {
        let mut rights = vec![None; self.frame_count()];
        for (index, extent) in self.extents.iter().enumerate() {
            let Some(first) = extent.frame else { continue };
            let at = |field: &str| format!("extents[{index}].{field}");
            if extent.run.is_some() {
                return fault(at("frame"), "goes with run null");
            }
            let shown = usize::try_from(first)
                .ok()
                .zip(first.checked_add(extent.pages))
                .and_then(|(first, end)| rights.get_mut(first..usize::try_from(end).ok()?));
            let Some(shown) = shown else {
                return fault(at("frame"), format!("{} from {first} are more than there are", extent.pages));
            };
            for known in shown {
                if *known.get_or_insert(extent.rights) != extent.rights {
                    return fault(at("rights"), "differ from those that another extent gives the same frame");
                }
            }
        }
        Ok(())
    }

    fn check_extents(&self) -> Result<(), Fault> {
        if self.extents.len() > MAX_EXTENTS {
            return fault("extents", format!("{} are more than {MAX_EXTENTS}", self.extents.len()));
        }
        for (index, extent) in self.extents.iter().enumerate() {
            let at = |field: &str| format!("extents[{index}].{field}");
            self.check_place(extent).map_err(|(field, what)| (at(&field), what))?;
            let previous = index.checked_sub(1).map(|previous| &self.extents[previous]);
            if let Some(previous) = previous.filter(|previous| extent.module < previous.module) {
                return fault(at("module"), format!("{:?} comes after {:?}", extent.module, previous.module));
            }
            if let Some(previous) = previous.filter(|previous| extent.module == previous.module) {
                if extent.address < previous.address {
                    return fault(
                        at("address"),
                        format!("{:?} is below extents[{}]'s", extent.address, index - 1),
                    );
                }
                if extent.address.0 < previous.end() {
                    return fault(at("address"), format!("overlaps extents[{}]", index - 1));
                }
            }
            let allowed = extent.frame.is_some() && extent.rights == RightsText::Read;
            if extent.run.is_none() && !allowed && extent.rights != RightsText::ReadWrite {
                return fault(at("rights"), "zero pages (run: null) can only be rw-");
            }
            if extent.run.is_none() && extent.first != 0 {
                return fault(at("first"), format!("is {}, but run is null", extent.first));
            }
            if let Some(name) = extent
                .library
                .as_ref()
                .filter(|name| !self.libraries.iter().any(|known| known.name == **name))
            {
                return fault(at("library"), format!("{name:?} is not among libraries"));
            }
        }
        Ok(())
    }
}

impl Header {
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.format != FORMAT {
            return fault("format", format!("{:?} is not {FORMAT:?}", self.format));
        }
        if self.version != VERSION {
            return fault(
                "version",
                format!("{} is not {VERSION}, the only one that this monitor reads", self.version),
            );
        }
        Ok(())
    }
}

/// Page-aligned, not empty, wholly inside the app's or the libraries' region.
fn check_range(extent: &Extent) -> Result<(), Fault> {
    let address = extent.address.0;
    if address % PAGE != 0 {
        return fault("address", format!("{:?} is not a multiple of {PAGE}", extent.address));
    }
    let regions = [(abi::APP_BASE, abi::APP_END), (abi::LIBRARY_BASE, abi::LIBRARY_END)];
    let Some((_, end)) = regions.into_iter().find(|(base, end)| (*base..*end).contains(&address)) else {
        return fault(
            "address",
            format!("{:?} is outside the app region and the library region", extent.address),
        );
    };
    if extent.pages == 0 {
        return fault("pages", "is 0");
    }
    if extent.pages > (end - address) / PAGE {
        return fault("pages", format!("{} reach past the region's end at {end:#x}", extent.pages));
    }
    Ok(())
}

fn is_beside(file: &Path) -> bool {
    let text = file.as_os_str().as_encoded_bytes();
    !text.is_empty()
        && !text.contains(&0)
        && !text.starts_with(b"/")
        && !text.split(|byte| *byte == b'/').any(|part| part == b"..")
}

fn version(abi: u32) -> String {
    format!("{}.{}", abi >> 16, abi & 0xffff)
}

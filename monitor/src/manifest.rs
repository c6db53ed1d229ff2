//! The manifest's mirror (docs/formats/manifest.md): JSON text in, a checked `Manifest` out. Called by `Plan::load`.
//!
//! Nothing here opens another file: whether the runs exist and are long enough is for pool.rs to find out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};

use crate::abi;
use crate::error::Error;
use crate::placement::Placement;
use crate::plan::{PAGE, Rights};

/// No manifest that a build writes comes near: more is a mistake or an attack.
pub const MAX_BYTES: u64 = 4 << 20;
const MAX_EXTENTS: usize = 16384;
const MAX_NAME: usize = 128;
const MAX_MODULES: usize = 1024;
/// 256 MiB.
const MAX_FRAMES: usize = 1 << 16;
/// 512 MiB.
const MAX_MODULE_PAGES: u64 = 1 << 17;
const FORMAT: &str = "unishare-manifest";
const VERSION: u32 = 1;

/// A SHA-256 in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(is_hex) {
            Ok(Self(text))
        } else {
            Err(de::Error::custom("is not a SHA-256 (64 lower-case hexadecimal digits)"))
        }
    }
}

/// An address as text, `"0x20000000"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u64);

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // from_str_radix alone would take a sign.
        text.strip_prefix("0x")
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| de::Error::custom("is not a hexadecimal address such as \"0x400000\""))
    }
}

/// What is read before the rest, so that another version is named as such.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Layout {
    Default,
    Dce,
    Aligned,
    Aslr,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elf {
    pub file: PathBuf,
    #[serde(rename = "sha256")]
    _sha256: Digest,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Library {
    name: String,
    #[serde(rename = "version")]
    _version: String,
    #[serde(rename = "hash")]
    _hash: Digest,
}

/// `rights` as the manifest spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum RightsText {
    #[serde(rename = "r-x")]
    ReadExecute,
    #[serde(rename = "r--")]
    Read,
    #[serde(rename = "rw-")]
    ReadWrite,
}

impl From<RightsText> for Rights {
    fn from(text: RightsText) -> Self {
        match text {
            RightsText::ReadExecute => Self::ReadExecute,
            RightsText::Read => Self::Read,
            RightsText::ReadWrite => Self::ReadWrite,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Under the layout aslr: the module that `address` is an offset in.
    #[serde(default)]
    pub module: Option<u32>,
    address: Address,
    pub pages: u64,
    rights: RightsText,
    pub run: Option<Digest>,
    pub first: u64,
    pub library: Option<String>,
    pub section: String,
    /// Under the layout aslr: the first of the instance's own frames that it shows.
    #[serde(default)]
    pub frame: Option<u64>,
}

impl Extent {
    pub fn address(&self) -> u64 {
        self.address.0
    }

    pub fn rights(&self) -> Rights {
        self.rights.into()
    }

    /// The first address behind it. Only after `check_range`, which rules out an overflow.
    fn end(&self) -> u64 {
        self.address.0 + self.pages * PAGE
    }

    /// Whether it belongs to the app's own module, or there are none.
    fn is_of_image(&self) -> bool {
        self.module.unwrap_or(0) == 0
    }

    fn contains(&self, address: u64) -> bool {
        (self.address.0..self.end()).contains(&address)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageTables {
    pub run: Digest,
    pub pages: u64,
}

/// A module of an aslr image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    pub name: String,
    #[serde(rename = "hash")]
    _hash: Digest,
    pub pages: u64,
    pub file: PathBuf,
}

/// The relocations of an aslr image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relocations {
    pub run: Digest,
    pub count: u64,
}

/// A manifest that was checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: u32,
    pub name: String,
    layout: Layout,
    abi: u32,
    entry: Address,
    pub elf: Elf,
    image_table: Address,
    pub stack: u64,
    pub heap: u64,
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    libraries: Vec<Library>,
    pub extents: Vec<Extent>,
    #[serde(default)]
    pub page_tables: Option<PageTables>,
    #[serde(default)]
    pub modules: Vec<Module>,
    #[serde(default)]
    pub relocations: Option<Relocations>,
    /// What each of the instance's own frames holds at first: a run of one page, or zeros.
    #[serde(default)]
    pub frames: Option<Vec<Option<Digest>>>,
}

/// What is wrong, and in which field.
type Fault = (String, String);

fn fault<T>(field: impl Into<String>, what: impl Into<String>) -> Result<T, Fault> {
    Err((field.into(), what.into()))
}

impl Manifest {
    /// Parse and check `text`; `path` is named in errors.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, Error> {
        let named = |(field, what): Fault| {
            let field = if field.is_empty() { field } else { format!("{field}: ") };
            Error::BadManifest {
                what: format!("{}: {field}{what}", path.display()),
            }
        };
        let header: Header = decode(text).map_err(named)?;
        header.check().map_err(named)?;
        let manifest: Self = decode(text).map_err(named)?;
        manifest.check().map_err(named)?;
        Ok(manifest)
    }

    pub fn entry(&self) -> u64 {
        self.entry.0
    }

    fn check(&self) -> Result<(), Fault> {
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

    fn check_sizes(&self) -> Result<(), Fault> {
        for (field, size) in [("stack", self.stack), ("heap", self.heap)] {
            if size % PAGE != 0 {
                return fault(field, format!("{size} is not a multiple of {PAGE}"));
            }
        }
        if self.stack == 0 {
            return fault("stack", "is 0");
        }
        match Placement::heap_limit(self.stack) {
            None => fault("stack", format!("{} does not fit into the instance region", self.stack)),
            Some(limit) if self.heap > limit => fault(
                "heap",
                format!("{} is more than the instance region leaves ({limit} bytes)", self.heap),
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
            Some(end) if end <= module.pages => Ok(()),
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
    fn check(&self) -> Result<(), Fault> {
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

fn decode<'text, T: Deserialize<'text>>(text: &'text [u8]) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        (if field == "." { String::new() } else { field }, error.inner().to_string())
    })?;
    json.end().map_err(|error| (String::new(), error.to_string()))?;
    Ok(value)
}

fn version(abi: u32) -> String {
    format!("{}.{}", abi >> 16, abi & 0xffff)
}

#[cfg(test)]
mod tests;

//! The manifest's mirror (docs/formats/manifest.md): JSON text in, a checked `Manifest` out. Called by `Image::load`.
//!
//! Nothing here opens another file: whether the runs exist and are long enough is for pool.rs to find out.

mod check;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Error;
use crate::image::{PAGE, Rights};

/// No manifest that a build writes comes near: more is a mistake or an attack.
pub const MAX_BYTES: u64 = 4 << 20;

/// A SHA-256, which texts have in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("is not a SHA-256 (64 lower-case hexadecimal digits)"))
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

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // from_str_radix alone would take a sign.
        text.strip_prefix("0x")
            .filter(|digits| digits.len() <= 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| de::Error::custom("is not a hexadecimal address such as \"0x400000\""))
    }
}

/// A map whose keys come once: serde takes the last of several.
fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Pairs;

    impl<'de> de::Visitor<'de> for Pairs {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map of texts")
        }

        fn visit_map<M: de::MapAccess<'de>>(self, mut pairs: M) -> Result<Self::Value, M::Error> {
            let mut found = BTreeMap::new();
            while let Some((name, value)) = pairs.next_entry::<String, String>()? {
                if found.insert(name.clone(), value).is_some() {
                    return Err(de::Error::custom(format!("duplicate field `{name}`")));
                }
            }
            Ok(found)
        }
    }

    deserializer.deserialize_map(Pairs)
}

/// The modules of an aslr image: other images have no such field.
fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Module>, D::Error> {
    let modules = Vec::<Module>::deserialize(deserializer)?;
    if modules.is_empty() {
        return Err(de::Error::custom("is empty"));
    }
    Ok(modules)
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
    pub sha256: Digest,
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

/// What a function keeps between requests, where the manifest says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateText {
    None,
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
    // The functions make a field that is missing an error: serde takes it for null.
    #[serde(deserialize_with = "Option::deserialize")]
    pub run: Option<Digest>,
    pub first: u64,
    #[serde(deserialize_with = "Option::deserialize")]
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
    #[serde(deserialize_with = "each_once")]
    pub env: BTreeMap<String, String>,
    /// `none`: the function keeps nothing between requests.
    #[serde(default)]
    pub state: Option<StateText>,
    libraries: Vec<Library>,
    pub extents: Vec<Extent>,
    #[serde(default)]
    pub page_tables: Option<PageTables>,
    #[serde(default, deserialize_with = "not_empty")]
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

#[cfg(test)]
mod tests;

//! From a manifest and a pool to an image. Called once per image and process, whatever the number of instances.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::image::manifest::{self, Manifest};
use crate::image::names;
use crate::image::pool::{self, Pool};
use crate::image::{Content, EntryRuns, Extent, Frame, Image, Module};

impl Image {
    /// Check the manifest at `path`, open and verify the runs it names.
    pub fn load(path: &Path, pool: &Pool) -> Result<Self, Error> {
        // Before it is opened: opening a FIFO waits.
        let file = open(path)?;
        Self::read(file, path, pool)
    }

    /// The same of an open manifest, of which `path` is the name.
    pub fn read(file: File, path: &Path, pool: &Pool) -> Result<Self, Error> {
        let text = read(file, path)?;
        Self::verify(&Manifest::parse(&text, path)?, pool::digest(&text), path, pool)
    }

    /// What the manifest at `path` says of an image, without its runs: for reports.
    pub fn outline(path: &Path) -> Result<Outline, Error> {
        let text = read(open(path)?, path)?;
        let manifest = Manifest::parse(&text, path)?;
        let extents = manifest
            .extents
            .iter()
            .map(|extent| extent_of(extent, Content::Zero))
            .collect();
        Ok(Outline {
            elf: manifest.elf.file.clone(),
            elf_digest: manifest.elf.sha256.to_string(),
            image: Self {
                extents,
                ..Self::bare(&manifest, pool::digest(&text))
            },
        })
    }

    /// All but what lies in the pool.
    fn bare(manifest: &Manifest, identity: String) -> Self {
        let modules = manifest
            .modules
            .iter()
            .map(|module| Module {
                name: names::shared(&module.name),
                pages: module.pages,
                elf: module.file.to_str().map(names::shared),
            })
            .collect();
        Self {
            name: manifest.name.clone(),
            identity,
            entry: manifest.entry(),
            stack: manifest.stack,
            heap: manifest.heap,
            argv: manifest.argv.clone(),
            env: manifest.env.clone(),
            is_stateless: manifest.state.is_some(),
            extents: Arc::new([]),
            page_tables: manifest.page_tables.clone(),
            elf: Some(manifest.elf.file.clone()),
            modules,
            frames: Box::default(),
            relocations: None,
            entry_runs: Arc::new(entry_runs(manifest)),
        }
    }

    fn verify(manifest: &Manifest, identity: String, path: &Path, pool: &Pool) -> Result<Self, Error> {
        let lies = |field: String, what: String| Error::BadManifest {
            what: format!("{}: {field}: {what}", path.display()),
        };
        let mut extents = Vec::with_capacity(manifest.extents.len());
        for (index, extent) in manifest.extents.iter().enumerate() {
            let content = match (&extent.run, extent.frame) {
                (None, Some(first)) => Content::Frames { first: first as u32 },
                (None, None) => Content::Zero,
                (Some(digest), _) => {
                    let run = pool.run(digest)?;
                    if extent.first.checked_add(extent.pages).is_none_or(|end| end > run.pages) {
                        let what = format!(
                            "{} + {} pages are more than the run's {}",
                            extent.first, extent.pages, run.pages
                        );
                        return Err(lies(format!("extents[{index}].first"), what));
                    }
                    Content::Run {
                        file: run.file,
                        first: extent.first as u32,
                    }
                }
            };
            extents.push(extent_of(extent, content));
        }
        let image = Self {
            frames: frames(manifest, &extents).into(),
            extents: extents.into(),
            ..Self::bare(manifest, identity)
        };
        image.whole(pool).map_err(|error| match error {
            Error::BadManifest { what } => Error::BadManifest {
                what: format!("{}: {what}", path.display()),
            },
            other => other,
        })
    }
}

/// An image without its pages, and its ELF file.
pub struct Outline {
    pub image: Image,
    pub elf: PathBuf,
    pub elf_digest: String,
}

fn extent_of(extent: &manifest::Extent, content: Content) -> Extent {
    Extent {
        module: extent.module.unwrap_or(0) as u16,
        offset: extent.address(),
        pages: extent.pages as u32,
        rights: extent.rights(),
        content,
        part: names::part(extent.library.as_deref(), &extent.section),
    }
}

fn entry_runs(manifest: &Manifest) -> EntryRuns {
    let frames = manifest.frames.iter().flatten().enumerate();
    EntryRuns {
        frames: frames.filter_map(|(frame, digest)| Some((frame, (*digest)?))).collect(),
        relocations: manifest.relocations.as_ref().map(|named| (named.run, named.count)),
    }
}

/// The frames of an aslr image, not yet their contents.
fn frames(manifest: &Manifest, extents: &[Extent]) -> Vec<Frame> {
    let mut frames = vec![Frame::default(); manifest.frames.as_ref().map_or(0, Vec::len)];
    let mut seen = vec![false; frames.len()];
    for extent in extents {
        if let Content::Frames { first } = extent.content {
            for frame in first as usize..(first + extent.pages) as usize {
                frames[frame].aliased = std::mem::replace(&mut seen[frame], true);
            }
        }
    }
    frames
}

fn open(path: &Path) -> Result<File, Error> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Error::NotFound {
            what: format!("there is no manifest {}", path.display()),
        },
        _ => Error::io(format!("reading {}", path.display()), error),
    };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(not_regular(path));
    }
    File::open(path).map_err(failed)
}

fn not_regular(path: &Path) -> Error {
    Error::BadManifest {
        what: format!("{} is not a regular file", path.display()),
    }
}

fn read(file: File, path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::io(format!("reading {}", path.display()), error);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(not_regular(path));
    }
    let mut text = Vec::new();
    file.take(manifest::MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > manifest::MAX_BYTES {
        return Err(Error::BadManifest {
            what: format!("{} has more than {} bytes", path.display(), manifest::MAX_BYTES),
        });
    }
    Ok(text)
}

//! From a manifest and a pool to an image. Called once per image and process, whatever the number of instances.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::image::manifest::{self, Manifest};
use crate::image::names;
use crate::image::pool::{self, Pool};
use crate::image::relocations::Relocations;
use crate::image::{Content, Extent, Frame, Image, Module};

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
            elf_digest: manifest.elf.sha256.as_str().into(),
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
                elf: Some(module.file.clone()),
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
            extents: Vec::new(),
            page_tables: manifest.page_tables.clone(),
            elf: Some(manifest.elf.file.clone()),
            modules,
            frames: Vec::new(),
            relocations: None,
        }
    }

    fn verify(manifest: &Manifest, identity: String, path: &Path, pool: &Pool) -> Result<Self, Error> {
        let lies = |field: String, what: String| Error::BadManifest {
            what: format!("{}: {field}: {what}", path.display()),
        };
        let mut extents = Vec::with_capacity(manifest.extents.len());
        for (index, extent) in manifest.extents.iter().enumerate() {
            let content = match (&extent.run, extent.frame) {
                (None, Some(first)) => Content::Frames { first },
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
                        first: extent.first,
                    }
                }
            };
            extents.push(extent_of(extent, content));
        }
        let mut frames = frames(manifest, pool, &extents)?;
        let relocations = match &manifest.relocations {
            None => None,
            Some(named) => {
                let run = pool.run(&named.run)?;
                let checked = Relocations::check(run, named.count, manifest.modules.len(), &mut frames);
                Some(checked.map_err(|what| lies("relocations".into(), what))?)
            }
        };
        Ok(Self {
            extents,
            frames,
            relocations,
            ..Self::bare(manifest, identity)
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
        module: extent.module.unwrap_or(0) as usize,
        offset: extent.address(),
        pages: extent.pages,
        rights: extent.rights(),
        content,
        library: extent.library.as_deref().map(names::shared),
        section: names::shared(&extent.section),
    }
}

/// The frames of an aslr image, their first contents verified.
fn frames(manifest: &Manifest, pool: &Pool, extents: &[Extent]) -> Result<Vec<Frame>, Error> {
    let mut frames = Vec::new();
    for digest in manifest.frames.iter().flatten() {
        let content = digest.as_ref().map(|digest| pool.run(digest)).transpose()?;
        frames.push(Frame {
            content: content.map(|run| run.file),
            ..Frame::default()
        });
    }
    let mut seen = vec![false; frames.len()];
    for extent in extents {
        if let Content::Frames { first } = extent.content {
            for frame in first as usize..(first + extent.pages) as usize {
                frames[frame].aliased = std::mem::replace(&mut seen[frame], true);
            }
        }
    }
    Ok(frames)
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

//! From a manifest and a pool to an image. Called once per image and process, whatever the number of instances.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::Error;
use crate::image::manifest::{self, Manifest};
use crate::image::pool::{self, Pool};
use crate::image::{Content, Extent, Frame, Image, Module, PAGE, Record};

/// Bytes of a relocation record and of what it writes, and the target that stands for none (docs/formats/aslr.md).
const RECORD: u64 = 16;
const ADDRESS: u64 = 8;
const ABSOLUTE: u64 = u32::MAX as u64;

impl Image {
    /// Check the manifest at `path`, open and verify the runs it names.
    pub fn load(path: &Path, pool: &Pool) -> Result<Self, Error> {
        let text = read(path)?;
        let manifest = Manifest::parse(&text, path)?;
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
            extents.push(Extent {
                module: extent.module.unwrap_or(0) as usize,
                offset: extent.address(),
                pages: extent.pages,
                rights: extent.rights(),
                content,
                library: extent.library.clone(),
                section: extent.section.clone(),
            });
        }
        let page_tables = match &manifest.page_tables {
            None => None,
            Some(tables) => {
                let run = pool.run(&tables.run)?;
                if run.pages != tables.pages {
                    return Err(lies(
                        "page_tables.pages".into(),
                        format!("is {}, the run has {}", tables.pages, run.pages),
                    ));
                }
                Some(run.file)
            }
        };
        let mut frames = frames(&manifest, pool, &extents)?;
        let records = records(&manifest, pool, &mut frames).map_err(|what| lies("relocations".into(), what))?;
        let beside = |file: &Path| path.parent().map(|folder| folder.join(file)).filter(|elf| elf.is_file());
        let modules = manifest
            .modules
            .iter()
            .map(|module| Module {
                name: module.name.clone(),
                pages: module.pages,
                elf: beside(&module.file),
            })
            .collect();
        let elf = path
            .parent()
            .map(|folder| folder.join(&manifest.elf.file))
            .filter(|elf| elf.is_file());
        Ok(Self {
            entry: manifest.entry(),
            name: manifest.name,
            identity: pool::digest(&text),
            stack: manifest.stack,
            heap: manifest.heap,
            argv: manifest.argv,
            env: manifest.env,
            is_stateless: manifest.state.is_some(),
            extents,
            page_tables,
            elf,
            modules,
            frames,
            records,
        })
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

/// The relocations that the manifest names. Marks the frames that they write to.
fn records(manifest: &Manifest, pool: &Pool, frames: &mut [Frame]) -> Result<Vec<Record>, String> {
    let Some(relocations) = &manifest.relocations else {
        return Ok(Vec::new());
    };
    let run = pool.run(&relocations.run).map_err(|error| error.to_string())?;
    let length = relocations
        .count
        .checked_mul(RECORD)
        .filter(|length| *length <= run.pages * PAGE);
    let mut bytes = vec![0; length.ok_or("count: more than the run holds")? as usize];
    run.file.read_exact_at(&mut bytes, 0).map_err(|error| error.to_string())?;
    parse_records(&bytes, manifest.modules.len() as u64, frames)
}

/// Records in order, each wholly inside a frame, none over another.
fn parse_records(bytes: &[u8], modules: u64, frames: &mut [Frame]) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::with_capacity(bytes.len() / RECORD as usize);
    let mut free = 0;
    for (index, record) in bytes.chunks_exact(RECORD as usize).enumerate() {
        let word = |at: usize| {
            u64::from(u32::from_le_bytes([
                record[at],
                record[at + 1],
                record[at + 2],
                record[at + 3],
            ]))
        };
        let (place, target, addend) = (word(0), word(4), (word(8) | word(12) << 32) as i64);
        let frame = frames
            .get_mut((place / PAGE) as usize)
            .filter(|_| place >= free && place % PAGE <= PAGE - ADDRESS);
        let Some(frame) = frame.filter(|_| target == ABSOLUTE || target < modules) else {
            return Err(format!("record {index} is out of place: byte {place:#x}, target {target}"));
        };
        frame.relocated = true;
        free = place + ADDRESS;
        records.push(Record {
            place,
            target: (target != ABSOLUTE).then_some(target as usize),
            addend,
        });
    }
    Ok(records)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Error::NotFound {
            what: format!("there is no manifest {}", path.display()),
        },
        _ => Error::io(format!("reading {}", path.display()), error),
    };
    // Before it is opened: opening a FIFO waits.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::BadManifest {
            what: format!("{} is not a regular file", path.display()),
        });
    }
    let file = File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(manifest::MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > manifest::MAX_BYTES {
        return Err(Error::BadManifest {
            what: format!("{} has more than {} bytes", path.display(), manifest::MAX_BYTES),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

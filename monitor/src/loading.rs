//! From a manifest and a pool to a plan. Called once per image and process, whatever the number of instances.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::Error;
use crate::manifest::{self, Manifest};
use crate::plan::{Content, Extent, Module, PAGE, Plan, PooledPageTables, Record};
use crate::pool::Pool;

/// Bytes of a relocation record, and the target that stands for none (docs/formats/aslr.md).
const RECORD: u64 = 24;
const ABSOLUTE: u64 = u32::MAX as u64;

impl Plan {
    /// Check the manifest at `path`, open and verify the runs it names.
    pub fn load(path: &Path, pool: &Pool) -> Result<Self, Error> {
        let manifest = Manifest::parse(&read(path)?, path)?;
        let lies = |field: String, what: String| Error::BadManifest {
            what: format!("{}: {field}: {what}", path.display()),
        };
        let mut extents = Vec::with_capacity(manifest.extents.len());
        for (index, extent) in manifest.extents.iter().enumerate() {
            let content = match &extent.run {
                None => Content::Zero,
                Some(digest) => {
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
                address: extent.address(),
                pages: extent.pages,
                rights: extent.rights(),
                content,
                library: extent.library.clone(),
                section: extent.section.clone(),
                module: extent.module.unwrap_or(0) as usize,
                relocated: extent.relocated,
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
                Some(PooledPageTables {
                    file: run.file,
                    pages: run.pages,
                })
            }
        };
        let records = records(&manifest, pool, &extents)
            .map_err(|what| lies("relocations".into(), what))?
            .into();
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
            stack: manifest.stack,
            heap: manifest.heap,
            argv: manifest.argv,
            env: manifest.env,
            extents,
            page_tables,
            elf,
            kvm_tables: std::sync::OnceLock::new(),
            modules,
            records,
            drawn: None,
        })
    }
}

/// The relocations: sorted, each wholly inside a page of an extent that the loader writes, none over another.
fn records(manifest: &Manifest, pool: &Pool, extents: &[Extent]) -> Result<Vec<Record>, String> {
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
    let modules = manifest.modules.len();
    let mut records: Vec<Record> = Vec::with_capacity(bytes.len() / RECORD as usize);
    for (index, record) in bytes.chunks_exact(RECORD as usize).enumerate() {
        let word = |at: usize| {
            u64::from(u32::from_le_bytes([
                record[at],
                record[at + 1],
                record[at + 2],
                record[at + 3],
            ]))
        };
        let (module, target, offset) = (word(0) as usize, word(4), word(8) | word(12) << 32);
        let addend = (word(16) | word(20) << 32) as i64;
        let after = records
            .last()
            .is_none_or(|last| (last.module, last.offset.saturating_add(8)) <= (module, offset) || last.module < module);
        let inside = extents
            .iter()
            .any(|extent| extent.relocated && extent.module == module && extent.contains(offset) && offset % PAGE <= PAGE - 8);
        if module >= modules || (target != ABSOLUTE && target >= modules as u64) || !after || !inside {
            return Err(format!(
                "record {index} is out of place: module {module}, offset {offset:#x}, target {target}"
            ));
        }
        records.push(Record {
            module,
            offset,
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

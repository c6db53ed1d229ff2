//! From a manifest and a pool to a plan. Called once per image and process, whatever the number of instances.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::Error;
use crate::manifest::{self, Manifest};
use crate::plan::{Content, Extent, Plan, PooledPageTables};
use crate::pool::Pool;

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
        })
    }
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

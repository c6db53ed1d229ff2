//! `unishare-monitor draw`: the bases that many starts of an image would get, for statistics. Nothing is started.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::image::Image;
use crate::image::pool::Pool;
use crate::placing::Placed;
use crate::placing::draw::{self, Source};
use crate::placing::seed;
use crate::tender::kvm;

#[derive(clap::Args)]
pub struct Arguments {
    /// The image's manifest.
    manifest: PathBuf,
    #[arg(long)]
    pool: PathBuf,
    /// How many starts.
    #[arg(long)]
    count: u32,
    /// Draw from this number instead of the kernel's random source.
    #[arg(long)]
    seed: Option<u64>,
    /// Pages between an instance's parts in all.
    #[arg(long, default_value_t = draw::DEFAULT_GAPS)]
    gaps: u64,
}

/// Write the modules' names, then a line for each start: the bases, and how many page-table pages the KVM tender would make for it alone.
/// Separated by tabs.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let image = Arc::new(Image::load(&arguments.manifest, &Pool::open(&arguments.pool)?)?);
    seed::check(&image.name, image.is_random())?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut line =
        |cells: Vec<String>| writeln!(output, "{}", cells.join("\t")).map_err(|error| Error::io("writing the bases", error));
    line(image.modules.iter().map(|module| module.name.to_string()).collect())?;
    for index in 0..arguments.count {
        let mut source = match arguments.seed {
            Some(seed) => Source::Seed(seed::of_instance(seed, index)),
            None => Source::Kernel,
        };
        let draw = draw::draw(&image, image.heap, arguments.gaps, &mut source)?;
        let tables = kvm::own_table_pages(&Placed::new(&image, &draw));
        let bases = draw.bases.iter().map(|base| format!("{base:#x}"));
        line(bases.chain([tables.to_string()]).collect())?;
    }
    output.flush().map_err(|error| Error::io("writing the bases", error))
}

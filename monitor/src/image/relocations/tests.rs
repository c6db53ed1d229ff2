//! Relocation records: a good list is read, any other bytes are refused or give records that cannot write outside their frames.

use std::io::Write;

use super::*;
use crate::fuzz::{self, Random};

const FRAMES: usize = 3;
const MODULES: usize = 4;

fn record(place: u32, target: u32, addend: i64) -> Vec<u8> {
    [&place.to_le_bytes()[..], &target.to_le_bytes(), &addend.to_le_bytes()].concat()
}

fn parse(bytes: &[u8]) -> Result<(Vec<Record>, Vec<Frame>), String> {
    let mut frames = vec![Frame::default(); FRAMES];
    let mut file = tempfile::tempfile().map_err(|error| error.to_string())?;
    file.write_all(bytes).map_err(|error| error.to_string())?;
    let run = Run {
        file: Arc::new(file),
        pages: (bytes.len() as u64).div_ceil(PAGE),
    };
    let relocations = Relocations::check(run, (bytes.len() / RECORD) as u64, MODULES, &mut frames)?;
    let mut records = Vec::new();
    let read = relocations.each(|record| {
        records.push(record);
        Ok::<_, String>(())
    });
    read.map_err(|error| error.to_string())??;
    Ok((records, frames))
}

#[test]
fn records_are_read_and_their_frames_marked() {
    let bytes = [record(8, 1, -4), record(16, u32::MAX, 7), record(0x2ff8, 3, 1)].concat();
    let (records, frames) = parse(&bytes).expect("good records");
    let seen: Vec<_> = records.iter().map(|one| (one.place, one.target, one.addend)).collect();
    assert_eq!(seen, [(8, Some(1), -4), (16, None, 7), (0x2ff8, Some(3), 1)]);
    assert_eq!(
        frames.iter().map(|frame| frame.relocated).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn records_out_of_place_are_refused_with_their_number() {
    let lies = [
        ("across a page", record(0xffc, 0, 0)),
        ("behind the last frame", record(0x3000, 0, 0)),
        ("over the one before", record(4, 0, 0)),
        ("a module that is not there", record(8, 4, 0)),
    ];
    for (what, lie) in lies {
        let error = parse(&[record(0, 0, 0), lie].concat()).expect_err(what);
        assert!(error.starts_with("record 1 is out of place"), "{what}: {error}");
    }
}

#[test]
fn any_records_stay_inside_their_frames() {
    let good: Vec<u8> = (0..40)
        .flat_map(|number| record(number * 300, number % 4, i64::from(number)))
        .collect();
    let pieces = [&record(u32::MAX, u32::MAX, i64::MIN)[..], &[0xff; 7], &[0; 16]];
    let mut random = Random::new(1);
    let mut understood = 0;
    for _ in 0..fuzz::rounds() {
        let Ok((records, frames)) = parse(&random.change(&good, &pieces)) else {
            continue;
        };
        understood += 1;
        let mut free = 0;
        for one in records {
            assert!(one.place >= free && one.place % PAGE <= PAGE - ADDRESS && one.target.is_none_or(|target| target < 4));
            assert!(frames[(one.place / PAGE) as usize].relocated);
            free = one.place + ADDRESS;
        }
    }
    assert!(understood > 0, "every input was refused: the test tests nothing");
}

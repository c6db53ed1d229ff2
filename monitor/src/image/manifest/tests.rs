use serde_json::{Value, json};

use super::*;
use crate::abi;

fn good() -> Value {
    let hash = "ab".repeat(32);
    json!({
        "format": "unishare-manifest", "version": 1, "name": "gzip", "layout": "aligned", "abi": 65536,
        "entry": "0x401000", "elf": {"file": "image.elf", "sha256": hash}, "image_table": "0x400000",
        "stack": 262144, "heap": 16777216, "argv": ["gzip"], "env": {"TZ": "UTC"},
        "libraries": [{"name": "zlib", "version": "1.2.13", "hash": hash}],
        "extents": [
            {"address": "0x400000", "pages": 1, "rights": "r--", "run": hash, "first": 0, "library": null, "section": "table"},
            {"address": "0x401000", "pages": 2, "rights": "r-x", "run": hash, "first": 1, "library": null, "section": "text"},
            {"address": "0x20000000", "pages": 12, "rights": "r-x", "run": hash, "first": 0, "library": "zlib", "section": "text"},
            {"address": "0x20200000", "pages": 40, "rights": "rw-", "run": null, "first": 0, "library": null, "section": "bss"},
        ],
        "page_tables": {"run": hash, "pages": 9},
    })
}

fn parse(manifest: &Value) -> Result<Manifest, Error> {
    Manifest::parse(manifest.to_string().as_bytes(), Path::new("m.json"))
}

#[test]
fn the_documented_example_is_good() {
    let manifest = parse(&good()).expect("a good manifest");
    assert_eq!(manifest.entry(), 0x40_1000);
    assert_eq!(manifest.extents[2].rights(), Rights::ReadExecute);
    let mut without = good();
    without.as_object_mut().expect("an object").remove("page_tables");
    assert!(parse(&without).expect("a good manifest").page_tables.is_none());
}

#[test]
fn what_is_wrong_is_named_with_its_field() {
    let cases = [
        ("/format", json!("elf"), "m.json: format: \"elf\" is not"),
        ("/version", json!(2), "m.json: version: 2 is not 1"),
        (
            "/layout",
            json!("aslr"),
            "m.json: modules: relocations and frames belong to the layout aslr",
        ),
        ("/layout", json!("round"), "m.json: layout: unknown variant"),
        ("/name", json!(""), "m.json: name: "),
        ("/name", json!("a\u{1b}[2J"), "m.json: name: "),
        ("/abi", json!(0x0002_0000), "m.json: abi: 2.0 is not"),
        ("/abi", json!(0x0001_0002), "m.json: abi: 1.2 is not"),
        (
            "/entry",
            json!("0x400000"),
            "m.json: entry: 0x400000 is not inside an r-x extent",
        ),
        ("/entry", json!(4_198_400), "m.json: entry: invalid type"),
        (
            "/image_table",
            json!("0x500000"),
            "m.json: image_table: 0x500000 is not inside",
        ),
        ("/stack", json!(100), "m.json: stack: 100 is not a multiple"),
        ("/stack", json!(0), "m.json: stack: is 0"),
        ("/stack", json!(1_u64 << 40), "m.json: stack: "),
        ("/heap", json!(1_u64 << 40), "m.json: heap: "),
        ("/heap", json!(-4096), "m.json: heap: invalid value"),
        ("/argv/0", json!("a\u{0}"), "m.json: argv[0]: "),
        ("/env", json!({"A=B": "c"}), "m.json: env: "),
        ("/elf/sha256", json!("AB"), "m.json: elf.sha256: is not a SHA-256"),
        (
            "/libraries/0/hash",
            json!("AB"),
            "m.json: libraries[0].hash: is not a SHA-256",
        ),
        (
            "/extents/1/run",
            json!("../../../etc/passwd"),
            "m.json: extents[1].run: is not a SHA-256",
        ),
        ("/extents/1/run", Value::Null, "m.json: extents[1].rights: zero pages"),
        (
            "/extents/1/rights",
            json!("rwx"),
            "m.json: extents[1].rights: unknown variant `rwx`",
        ),
        (
            "/extents/1/rights",
            json!("-wx"),
            "m.json: extents[1].rights: unknown variant",
        ),
        ("/extents/1/pages", json!(0), "m.json: extents[1].pages: is 0"),
        (
            "/extents/1/pages",
            json!(u64::MAX),
            "m.json: extents[1].pages: 18446744073709551615 reach past",
        ),
        (
            "/extents/1/pages",
            json!(0x7c00),
            "m.json: extents[1].pages: 31744 reach past the region's end at 0x8000000",
        ),
        (
            "/extents/1/address",
            json!("0x400000"),
            "m.json: extents[1].address: overlaps extents[0]",
        ),
        (
            "/extents/1/address",
            json!("0x401001"),
            "m.json: extents[1].address: 0x401001 is not a multiple",
        ),
        (
            "/extents/1/address",
            json!("0x8000000"),
            "m.json: extents[1].address: 0x8000000 is outside",
        ),
        (
            "/extents/1/address",
            json!("0x0"),
            "m.json: extents[1].address: 0x0 is outside",
        ),
        (
            "/extents/1/address",
            json!("0xfffffffffffff000"),
            "m.json: extents[1].address: 0xfffffffffffff000 is outside",
        ),
        (
            "/extents/1/address",
            json!("401000"),
            "m.json: extents[1].address: is not a hexadecimal address",
        ),
        (
            "/extents/1/address",
            json!("0x+401000"),
            "m.json: extents[1].address: is not a hexadecimal address",
        ),
        (
            "/extents/3/address",
            json!("0x1ffff000"),
            "m.json: extents[3].address: 0x1ffff000 is outside",
        ),
        (
            "/extents/3/address",
            json!("0x700000"),
            "m.json: extents[3].address: 0x700000 is below extents[2]'s",
        ),
        (
            "/extents/2/library",
            json!("lua"),
            "m.json: extents[2].library: \"lua\" is not among libraries",
        ),
        ("/page_tables/pages", json!(0), "m.json: page_tables.pages: is 0"),
    ];
    for (pointer, value, expected) in cases {
        let mut manifest = good();
        *manifest.pointer_mut(pointer).expect("a field") = value;
        let message = parse(&manifest).expect_err(pointer).to_string();
        assert!(message.starts_with(expected), "{pointer}: {message}");
    }
}

#[test]
fn unknown_missing_and_repeated_keys_are_refused() {
    let mut manifest = good();
    manifest["extents"][1]["surprise"] = json!(0);
    assert!(
        parse(&manifest)
            .expect_err("unknown")
            .to_string()
            .starts_with("m.json: extents[1].surprise: unknown field")
    );
    let mut manifest = good();
    manifest.as_object_mut().expect("an object").remove("heap");
    assert!(
        parse(&manifest)
            .expect_err("missing")
            .to_string()
            .contains("missing field `heap`")
    );
    let text = good().to_string().replacen("\"stack\":", "\"stack\":4096,\"stack\":", 1);
    let error = Manifest::parse(text.as_bytes(), Path::new("m.json")).expect_err("repeated");
    assert!(error.to_string().contains("duplicate field `stack`"), "{error}");
}

#[test]
fn what_is_not_json_is_refused() {
    let text = good().to_string();
    let cases: [&[u8]; 5] = [
        b"",
        b"[]",
        b"\xff\xfe",
        &text.as_bytes()[..text.len() - 1],
        &[text.as_bytes(), b"x"].concat(),
    ];
    for bytes in cases {
        let error = Manifest::parse(bytes, Path::new("m.json")).expect_err("no manifest");
        assert_eq!(error.exit_code(), 65);
    }
    assert!(Manifest::parse("[".repeat(100_000).as_bytes(), Path::new("m.json")).is_err());
}

/// Whatever is in the file, the outcome is a manifest whose extents are where they may be, or an error that names the file.
#[test]
fn random_changes_never_panic() {
    let text = good().to_string().into_bytes();
    let pieces: [&[u8]; 8] = [
        b"0x",
        b"-1",
        b"18446744073709551615",
        b"null",
        b"\"rw-\"",
        b"0x7ffff000",
        b"}",
        b"\"\\ud800\"",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: usize| {
        // xorshift: the same changes in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    for _ in 0..20_000 {
        let mut changed = text.clone();
        for _ in 0..=next(3) {
            let at = next(changed.len());
            match next(4) {
                0 => changed[at] = next(256) as u8,
                1 => drop(changed.drain(at..(at + next(12)).min(changed.len()))),
                2 => drop(changed.splice(at..at, pieces[next(pieces.len())].iter().copied())),
                _ => changed[at] = b"0123456789abcdefx"[next(17)],
            }
        }
        match Manifest::parse(&changed, Path::new("m.json")) {
            Ok(manifest) => manifest.extents.iter().for_each(|extent| {
                let regions = [abi::APP_BASE..abi::APP_END, abi::LIBRARY_BASE..abi::LIBRARY_END];
                assert!(
                    regions
                        .iter()
                        .any(|region| region.contains(&extent.address()) && extent.end() <= region.end)
                );
            }),
            Err(error) => assert!(error.to_string().starts_with("m.json: "), "{error}"),
        }
    }
}

/// The good manifest as one of the layout aslr: an app and a library that share frame 1.
fn randomised() -> serde_json::Value {
    let digest = "ab".repeat(32);
    let mut manifest = good();
    let fields = manifest.as_object_mut().expect("an object");
    fields.remove("page_tables");
    fields.insert("layout".into(), json!("aslr"));
    fields.insert("entry".into(), json!("0x10"));
    fields.insert("image_table".into(), json!("0x1000"));
    fields.insert(
        "modules".into(),
        json!([{"name": "gzip", "hash": digest, "pages": 3, "file": "image.elf"},
               {"name": "zlib", "hash": digest, "pages": 3, "file": "modules/zlib.so"}]),
    );
    fields.insert("relocations".into(), json!({"run": digest, "count": 0}));
    fields.insert("frames".into(), json!([null, digest]));
    let extent = |module: u32, address: &str, rights: &str, run: Option<&str>, frame: Option<u64>| {
        json!({"module": module, "address": address, "pages": 1, "rights": rights, "run": run, "first": 0, "frame": frame,
               "library": null, "section": "x"})
    };
    fields.insert(
        "extents".into(),
        json!([
            extent(0, "0x0", "r-x", Some(&digest), None),
            extent(0, "0x1000", "r--", None, Some(1)),
            extent(0, "0x2000", "rw-", None, Some(0)),
            extent(1, "0x0", "r-x", Some(&digest), None),
            extent(1, "0x1000", "r--", None, Some(1)),
        ]),
    );
    manifest
}

#[test]
fn frames_may_be_seen_twice_but_with_the_same_rights_and_never_as_code() {
    parse(&randomised()).expect("a good manifest");
    let cases = [
        ("/extents/4/rights", json!("rw-"), "m.json: extents[4].rights: differ"),
        ("/extents/4/rights", json!("r-x"), "m.json: extents[4].rights: zero pages"),
        ("/extents/4/frame", json!(2), "m.json: extents[4].frame: 1 from 2 are more"),
        ("/extents/4/frame", json!(u64::MAX), "m.json: extents[4].frame: 1 from"),
        (
            "/extents/4/run",
            json!("ab".repeat(32)),
            "m.json: extents[4].frame: goes with run null",
        ),
        ("/frames", json!(null), "m.json: modules: relocations and frames"),
    ];
    for (pointer, value, expected) in cases {
        let mut manifest = randomised();
        *manifest.pointer_mut(pointer).expect("a field") = value;
        let message = parse(&manifest).expect_err(pointer).to_string();
        assert!(message.starts_with(expected), "{pointer}: {message}");
    }
}

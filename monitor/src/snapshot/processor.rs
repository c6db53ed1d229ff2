//! Which instructions a guest may have seen: libraries choose code by them when they begin, so a snapshot holds the choice.

macro_rules! detected {
    ($($name:tt),+ $(,)?) => { [$(($name, is_x86_feature_detected!($name))),+] };
}

/// The features that user code can ask for, of this processor.
pub fn features() -> Vec<&'static str> {
    let known = detected![
        "adx",
        "aes",
        "avx",
        "avx2",
        "avx512bitalg",
        "avx512bw",
        "avx512cd",
        "avx512dq",
        "avx512f",
        "avx512ifma",
        "avx512vbmi",
        "avx512vbmi2",
        "avx512vl",
        "avx512vnni",
        "avx512vpopcntdq",
        "bmi1",
        "bmi2",
        "cmpxchg16b",
        "f16c",
        "fma",
        "gfni",
        "lzcnt",
        "movbe",
        "pclmulqdq",
        "popcnt",
        "rdrand",
        "rdseed",
        "sha",
        "sse3",
        "sse4.1",
        "sse4.2",
        "ssse3",
        "vaes",
        "vpclmulqdq",
        "xsave",
    ];
    known.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect()
}

/// Those that a snapshot's processor had and this one lacks.
pub fn missing(wanted: &[String]) -> Vec<&str> {
    let here = features();
    wanted
        .iter()
        .map(String::as_str)
        .filter(|name| !here.contains(name))
        .collect()
}

//! Requests whose form is right and whose values are not, thousands of them, to a launcher that runs: it refuses them and lives.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::client::{Launcher, frame};

/// xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn one_of(&mut self, values: &[Value]) -> Value {
        values[self.below(values.len())].clone()
    }
}

fn numbers() -> Vec<Value> {
    let edges = [
        0,
        1,
        2,
        511,
        4095,
        4096,
        1 << 20,
        (1 << 31) - 1,
        1 << 32,
        1 << 53,
        (1 << 63) - 1,
        1 << 63,
        u64::MAX - 511,
        u64::MAX,
    ];
    let mut values: Vec<Value> = edges.into_iter().map(Value::from).collect();
    values.extend([json!(-1), json!(i64::MIN), json!(1.5), json!(1e300)]);
    values
}

fn oddities() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(""),
        json!("empty-1"),
        json!("../../etc/passwd"),
        json!("a\u{0}b"),
        json!("\u{1b}[31m"),
        json!("x".repeat(5000)),
        json!([]),
        json!(["a", "\u{0}", 7]),
        json!({"A": "b", "": "c"}),
        json!({"A=B": "\u{0}"}),
    ]
}

/// A request of one operation, some of its fields right and some anything.
fn request(random: &mut Random, logs: &str) -> Map<String, Value> {
    let (numbers, oddities) = (numbers(), oddities());
    let operations = [
        "hello", "start", "start", "start", "invoke", "list", "stats", "bases", "crash", "stop",
    ];
    let op = operations[random.below(operations.len())];
    let mut fields = Map::new();
    let right: Vec<(&str, Value)> = match op {
        // The floor guest, and few of them: what is fuzzed is the launcher.
        "start" => vec![
            ("empty", json!(true)),
            ("tender", json!("process")),
            ("count", json!(1)),
            ("memory", json!(65536)),
            ("gaps", json!(512)),
            ("time_limit_ms", json!(1000)),
            ("cpu_limit_s", json!(10)),
            ("log_limit", json!(1 << 20)),
            ("logs", json!(logs)),
            ("name", json!("fuzzed")),
            ("argv", json!(["a"])),
            ("env", json!({"A": "b"})),
            ("sharing", json!("pool")),
        ],
        "invoke" => vec![("instance", json!("empty-1")), ("time_limit_ms", json!(1000))],
        "stop" => vec![("instance", json!("fuzzed-1"))],
        "hello" | "list" => vec![],
        _ => vec![("instance", json!("empty-1"))],
    };
    for (name, value) in right {
        let value = match random.below(12) {
            0 => continue,
            1 | 2 if name != "count" => random.one_of(&numbers),
            1 | 2 => random.one_of(&[
                json!(0),
                json!(-1),
                json!(2),
                json!(1_u64 << 32),
                json!(u64::MAX),
                json!(1e300),
            ]),
            // A folder of logs is created in by the launcher: only one that is not there, or ours.
            3 if name != "logs" => random.one_of(&oddities),
            3 => json!("/nonexistent"),
            _ => value,
        };
        fields.insert(name.into(), value);
    }
    if random.below(20) == 0 {
        fields.insert("surprise".into(), random.one_of(&oddities));
    }
    let seq = if random.below(20) == 0 {
        random.one_of(&numbers)
    } else {
        json!(7)
    };
    fields.insert("op".into(), json!(op));
    fields.insert("seq".into(), seq);
    fields
}

#[test]
fn any_values_are_answered_and_the_launcher_lives() {
    let rounds = std::env::var("UNISHARE_FUZZ_ROUNDS").map_or(1500, |text| text.parse().expect("a number"));
    let launcher = Launcher::new();
    let mut good = launcher.connect();
    // One that the fuzzed requests name, and may end, and one that they do not.
    good.start_empty("process", 1);
    good.good("start", json!({"empty": true, "tender": "process", "name": "steady"}));
    let logs = launcher.path("logs");
    std::fs::create_dir(&logs).expect("a folder");
    let mut random = Random(0x5eed);
    let (mut accepted, mut refused) = (0, 0);
    let mut fuzzing = launcher.connect();
    for round in 0..rounds {
        let fields = request(&mut random, &logs.to_string_lossy());
        let body = Value::Object(fields.clone()).to_string();
        fuzzing.stream.write_all(&frame(body.as_bytes(), b"")).expect("sent");
        let (answer, _) = fuzzing.receive();
        match answer["ok"].as_bool().expect("an answer") {
            true => accepted += 1,
            false => refused += 1,
        }
        assert_ne!(answer["error"]["code"], "defect", "{body}: {answer}");
        if round % 50 == 49 {
            good.good("hello", json!({}));
            assert_eq!(good.invoke("steady-1", b"still there").0["status"], 0, "after {body}");
            for (name, state) in good.states() {
                if !["empty-1", "steady-1"].contains(&name.as_str()) && state == "ready" {
                    good.good("stop", json!({"instance": name}));
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

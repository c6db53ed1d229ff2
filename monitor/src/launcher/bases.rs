//! Where an instance's modules lie: for debuggers and for those who check that addresses differ.

use serde_json::{Value, json};

use super::member::Member;

/// The answer to `bases`. A fixed layout is one module, the whole image, at its linked addresses.
pub fn of(member: &Member) -> Value {
    let (identity, image) = (&member.identity, &member.identity.image);
    let hex = |value: u64| format!("{value:#x}");
    let modules: Vec<Value> = match image.is_random() {
        false => vec![json!({"module": image.summary.name, "base": hex(0), "file": image.beside(image.summary.elf.as_ref())})],
        true => image
            .summary
            .modules
            .iter()
            .zip(&identity.draw.bases)
            .map(|((name, file), base)| json!({"module": name, "base": hex(*base), "file": image.beside(file.as_ref().map(|name| &*name.0))}))
            .collect(),
    };
    json!({
        "random": image.is_random(), "seed": identity.seed, "hypercall": hex(identity.draw.placement.hypercall),
        "modules": modules,
    })
}

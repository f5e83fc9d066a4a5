//! The committed interface, for tests that nothing of it was forgotten here.

/// Names of what the interface lists under `section`, sorted.
pub fn names(section: &str) -> Vec<String> {
    let idl: serde_json::Value = serde_json::from_str(include_str!("../../../idl/io_network.json"))
        .expect("the committed IDL is JSON");
    let entries = idl[section].as_array().expect("the IDL has this section");
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| {
            entry["name"]
                .as_str()
                .expect("entries have names")
                .to_owned()
        })
        .collect();
    assert!(!names.is_empty(), "the IDL lists no {section}");
    names.sort();
    names
}

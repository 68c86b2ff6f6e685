//! How a test of the reference is called here.

/// The Go name without `Test`, in snake case, `JetStream` as one word:
/// `TestJetStreamKVDelete` is `jetstream_kv_delete`.
pub(crate) fn rust_name(go: &str) -> String {
    let name = go.strip_prefix("Test").unwrap_or(go).replace("JetStream", "Jetstream");
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(i + 1);
        let starts_word = before.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
            || (before.is_some_and(|c| c.is_uppercase())
                && after.is_some_and(|c| c.is_lowercase()));
        if letter.is_uppercase() && starts_word {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

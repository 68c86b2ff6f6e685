//! Tokens in files: between lines that say what they are.

/// The token in a file, which may stand between decorating lines, such as `-----BEGIN ...-----`;
/// otherwise the whole text (`ParseDecoratedJWT`).
pub fn undecorated(contents: &str) -> &str {
    let mut lines = contents.lines().map(str::trim_end);
    let is_rule = |line: &str| {
        let line = line.trim_start();
        line.len() >= 6 && line.starts_with("---") && line.ends_with("---")
    };
    let is_token = |line: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.=".contains(&byte);
        !line.is_empty() && line.bytes().all(allowed)
    };
    let mut before = lines.next();
    let mut candidate = lines.next();
    for after in lines {
        if before.is_some_and(is_rule)
            && let Some(token) = candidate
            && is_token(token)
            && is_rule(after)
        {
            return token;
        }
        before = candidate;
        candidate = Some(after);
    }
    contents
}

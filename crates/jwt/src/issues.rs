//! What is wrong with claims.

/// What is wrong with claims that decode, in the reference's words (`ValidationResults`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issues {
    all: Vec<(Weight, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Error,
    Time,
    Warning,
}

impl Issues {
    pub(crate) fn error(&mut self, text: impl Into<String>) {
        self.all.push((Weight::Error, text.into()));
    }

    pub(crate) fn time(&mut self, text: &str) {
        self.all.push((Weight::Time, text.to_owned()));
    }

    pub(crate) fn warning(&mut self, text: &str) {
        self.all.push((Weight::Warning, text.to_owned()));
    }

    /// Whether the claims cannot be used at all, now or ever.
    pub fn are_blocking(&self) -> bool {
        self.all.iter().any(|(weight, _)| *weight == Weight::Error)
    }

    /// Whether the claims cannot be used now.
    pub fn are_blocking_now(&self) -> bool {
        self.all.iter().any(|(weight, _)| *weight != Weight::Warning)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|(_, text)| text.as_str())
    }

    /// Those that no time mends.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|(weight, _)| *weight == Weight::Error).map(|(_, text)| &**text)
    }
}

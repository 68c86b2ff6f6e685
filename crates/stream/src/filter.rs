//! A consumer's filter, compiled once and asked for every message.

/// Which subjects a consumer wants.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    kind: Kind,
    store: store::Filter,
}

#[derive(Clone, Debug)]
enum Kind {
    All,
    One(Pattern),
    Many(Vec<Pattern>),
}

#[derive(Clone, Debug)]
enum Pattern {
    /// No wildcards.
    Exact(Box<[u8]>),
    /// `prefix.>` without further wildcards; the dot is kept.
    Below(Box<[u8]>),
    /// Anything else.
    Wild(Box<[u8]>),
}

impl Pattern {
    fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        if !subject::has_wildcards(bytes) {
            return Pattern::Exact(bytes.into());
        }
        match bytes.strip_suffix(b">") {
            Some(prefix) if prefix.ends_with(b".") && !subject::has_wildcards(prefix) => {
                Pattern::Below(prefix.into())
            }
            _ => Pattern::Wild(bytes.into()),
        }
    }

    fn matches(&self, literal: &[u8]) -> bool {
        match self {
            Pattern::Exact(want) => **want == *literal,
            Pattern::Below(prefix) => literal.len() > prefix.len() && literal.starts_with(prefix),
            Pattern::Wild(pattern) => subject::matches(literal, pattern),
        }
    }
}

impl Matcher {
    /// Compiles filter subjects; none, or `>` among them, is all subjects.
    pub(crate) fn new(filters: &[&str]) -> Self {
        let store = store::Filter::any_of(filters.iter().copied());
        let kind = if store.is_all() {
            Kind::All
        } else {
            let mut patterns: Vec<Pattern> = filters.iter().map(|f| Pattern::new(f)).collect();
            match (patterns.len(), patterns.pop()) {
                (1, Some(only)) => Kind::One(only),
                (_, Some(last)) => {
                    patterns.push(last);
                    Kind::Many(patterns)
                }
                (_, None) => Kind::All,
            }
        };
        Matcher { kind, store }
    }

    /// Whether every subject matches.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self.kind, Kind::All)
    }

    /// Whether this subject matches.
    #[inline]
    pub(crate) fn matches(&self, literal: &[u8]) -> bool {
        match &self.kind {
            Kind::All => true,
            Kind::One(pattern) => pattern.matches(literal),
            Kind::Many(patterns) => patterns.iter().any(|p| p.matches(literal)),
        }
    }

    /// The same filter for the store.
    pub(crate) fn store(&self) -> &store::Filter {
        &self.store
    }

    /// The patterns as they were given; empty is all.
    pub(crate) fn patterns(&self) -> &[String] {
        self.store.patterns()
    }
}

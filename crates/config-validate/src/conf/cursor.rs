//! A position in config text that counts lines and columns.

/// Stands for the end of the text. A NUL character counts as the end too, as in the reference.
pub(super) const END: char = '\0';

/// Reads text character by character; bytes that are not UTF-8 read as U+FFFD.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    /// Offset of the line feed before the current line, or 0 in the first line.
    line_start: usize,
}

/// Where an item starts, to compute its column when it ends.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) at: usize,
    line_start: usize,
}

impl Mark {
    pub(super) fn column(self) -> usize {
        self.at.saturating_sub(self.line_start)
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Cursor { text, at: 0, line: 1, line_start: 0 }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, line_start: self.line_start }
    }

    /// The bytes from `from` to here.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// The next character, which stays where it is.
    pub(super) fn peek(&self) -> char {
        self.decode().0
    }

    /// The byte after the next one, as a character; the end if there is none.
    pub(super) fn peek_second(&self) -> char {
        self.text.get(self.at + 1).copied().map_or(END, char::from)
    }

    /// Takes the next character.
    pub(super) fn bump(&mut self) -> char {
        let (c, width) = self.decode();
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
        self.at += width;
        c
    }

    fn decode(&self) -> (char, usize) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(first) = rest.first() else { return (END, 0) };
        if first.is_ascii() {
            return (char::from(*first), 1);
        }
        // A character has at most four bytes; a valid prefix of them is enough to decode it.
        let window = rest.get(..4).unwrap_or(rest);
        let valid = match std::str::from_utf8(window) {
            Ok(text) => text,
            Err(error) => window
                .get(..error.valid_up_to())
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .unwrap_or_default(),
        };
        valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8()))
    }
}

/// Blank inside a line.
pub(super) fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// End of a line.
pub(super) fn is_newline(c: char) -> bool {
    c == '\n' || c == '\r'
}

/// Between a key and its value.
pub(super) fn is_separator(c: char) -> bool {
    c == '=' || c == ':'
}

/// A character as messages show it.
pub(super) fn shown(c: char) -> String {
    if c == '\n' { "\\n".to_owned() } else { c.to_string() }
}

//! Keys, scalars and include names: the words of the config format.
//!
//! Wire source: `conf/lex.go`. What ends a word depends on its kind only, never on where it stands.

use super::cursor::{Cursor, END, Mark, is_blank, is_newline, is_separator, shown};
use super::error::ConfError;

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// Outside of every map.
    Top,
    /// In a map.
    Map,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ValuePlace {
    /// In an array.
    Array,
    /// Behind a key.
    Key,
}

/// What was read where a key is expected.
pub(super) enum KeyWord {
    /// A key.
    Key(Word),
    /// The word `include`.
    Include,
    /// A lone quote at the end of the text.
    End,
}

/// A piece of text and where it stands.
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value as written.
pub(super) enum Lexeme {
    /// Text that was quoted, escaped, or can be nothing else.
    Text,
    /// `true` and its like.
    Bool,
    /// `$name`; the word is the name.
    Variable,
    /// Whole number with an optional suffix.
    Integer,
    /// Number with a decimal point.
    Float,
    /// Date and time.
    Date,
    /// `[`
    ArrayStart,
    /// `{`
    MapStart,
    /// The text ends right after an opening quote.
    End,
}

/// Reads words off a text.
pub(super) struct Lexer<'a> {
    pub(super) cursor: Cursor<'a>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Lexer { cursor: Cursor::new(text) }
    }

    /// An error at the current line.
    pub(super) fn error(&self, text: impl Into<String>) -> ConfError {
        ConfError::Parse { line: self.cursor.line(), text: text.into() }
    }

    /// Reads on to the end of the line.
    pub(super) fn skip_comment(&mut self) {
        while !is_newline(self.cursor.peek()) && self.cursor.peek() != END {
            self.cursor.bump();
        }
    }

    pub(super) fn skip_space(&mut self) {
        while self.cursor.peek().is_whitespace() {
            self.cursor.bump();
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.cursor.peek()) {
            self.cursor.bump();
        }
    }

    /// Reads a key, without what separates it from its value.
    pub(super) fn key(&mut self, place: KeyPlace) -> Result<KeyWord, ConfError> {
        let quote = self.cursor.peek();
        if quote == '"' || quote == '\'' {
            self.cursor.bump();
            return self.quoted_key(place, quote);
        }
        let start = self.cursor.mark();
        self.cursor.bump();
        loop {
            let c = self.cursor.peek();
            if c == END && place == KeyPlace::Map {
                return Err(self.error("Unexpected EOF processing map key."));
            }
            // Only a space makes `include` a command; `include: x` is a key like any other.
            if c.is_whitespace() && self.cursor.since(start.at).eq_ignore_ascii_case(b"include") {
                return Ok(KeyWord::Include);
            }
            if c.is_whitespace() || is_separator(c) || c == END {
                return Ok(KeyWord::Key(self.word(start)));
            }
            self.cursor.bump();
        }
    }

    fn quoted_key(&mut self, place: KeyPlace, quote: char) -> Result<KeyWord, ConfError> {
        let start = self.cursor.mark();
        loop {
            match self.cursor.peek() {
                c if c == quote => {
                    let word = self.word(start);
                    self.cursor.bump();
                    return Ok(KeyWord::Key(word));
                }
                END if place == KeyPlace::Map && quote == '"' => {
                    return Err(self.error("Unexpected EOF processing double quoted map key."));
                }
                END if place == KeyPlace::Map => {
                    return Err(self.error("Unexpected EOF processing quoted map key."));
                }
                END if self.cursor.at() > start.at => return Err(self.error("Unexpected EOF.")),
                END => return Ok(KeyWord::End),
                _ => {
                    self.cursor.bump();
                }
            }
        }
    }

    /// Reads the name of the file after `include`.
    pub(super) fn include_name(&mut self) -> Result<Word, ConfError> {
        self.skip_blanks();
        let wrong = match self.cursor.peek() {
            '\'' => return self.quoted_include('\'', "Unexpected EOF in quoted include"),
            '"' => return self.quoted_include('"', "Unexpected EOF in double quoted include"),
            '[' => "start of an array",
            '{' => "start of a map",
            '(' => "start of a block",
            '-' => "start of a number",
            '\\' => "escape sequence",
            c if c.is_ascii_digit() => "start of a number",
            c if is_newline(c) => "new line",
            _ => return Ok(self.bare_include()),
        };
        self.cursor.bump();
        Err(self.error(format!("Expected include value but found {wrong}")))
    }

    fn quoted_include(&mut self, quote: char, at_end: &str) -> Result<Word, ConfError> {
        self.cursor.bump();
        let start = self.cursor.mark();
        loop {
            match self.cursor.peek() {
                c if c == quote => {
                    let word = self.word(start);
                    self.cursor.bump();
                    return Ok(word);
                }
                END => return Err(self.error(at_end)),
                _ => {
                    self.cursor.bump();
                }
            }
        }
    }

    fn bare_include(&mut self) -> Word {
        let start = self.cursor.mark();
        loop {
            match self.cursor.peek() {
                '\'' => {
                    let word = self.word(start);
                    self.cursor.bump();
                    return word;
                }
                c if is_newline(c) || is_blank(c) || matches!(c, END | ';' | '}') => {
                    return self.word(start);
                }
                _ => {
                    self.cursor.bump();
                }
            }
        }
    }

    /// Reads a value; of a container only its start.
    pub(super) fn value(&mut self, place: ValuePlace) -> Result<(Lexeme, Word), ConfError> {
        self.skip_blanks();
        let start = self.cursor.mark();
        match self.cursor.peek() {
            '[' => {
                self.cursor.bump();
                Ok((Lexeme::ArrayStart, self.empty_word()))
            }
            '{' => {
                self.cursor.bump();
                Ok((Lexeme::MapStart, self.empty_word()))
            }
            '\'' => self.single_quoted(),
            '"' => {
                self.cursor.bump();
                let start = self.cursor.mark();
                self.text(start, Some('"'))
            }
            '(' => self.block(),
            '-' => {
                self.cursor.bump();
                self.first_digit()?;
                self.negative_number(start)
            }
            c if c.is_ascii_digit() => {
                self.first_digit()?;
                self.number(start, place)
            }
            '.' => {
                self.cursor.bump();
                Err(self.error("Floats must start with a digit"))
            }
            c if is_newline(c) => {
                self.cursor.bump();
                Err(self.error("Expected value but found new line"))
            }
            _ => self.text(start, None),
        }
    }

    fn single_quoted(&mut self) -> Result<(Lexeme, Word), ConfError> {
        self.cursor.bump();
        let start = self.cursor.mark();
        loop {
            match self.cursor.peek() {
                '\'' => {
                    let word = self.word(start);
                    self.cursor.bump();
                    return Ok((Lexeme::Text, word));
                }
                END if self.cursor.at() > start.at => return Err(self.error("Unexpected EOF.")),
                END => return Ok((Lexeme::End, self.empty_word())),
                _ => {
                    self.cursor.bump();
                }
            }
        }
    }

    /// Reads text in which escapes count: up to the quote, or bare up to what ends a bare word.
    fn text(&mut self, start: Mark, quote: Option<char>) -> Result<(Lexeme, Word), ConfError> {
        let mut bytes = Vec::new();
        let mut escaped = false;
        let mut part = start.at;
        loop {
            let c = self.cursor.peek();
            if c == '\\' {
                bytes.extend_from_slice(self.cursor.since(part));
                self.cursor.bump();
                self.escape(&mut bytes)?;
                escaped = true;
                part = self.cursor.at();
            } else if quote == Some(c) || (quote.is_none() && c == '\'') {
                bytes.extend_from_slice(self.cursor.since(part));
                self.cursor.bump();
                return Ok((Lexeme::Text, self.word_of(start, &bytes)));
            } else if quote.is_some() && c == END {
                return if self.cursor.at() > part {
                    Err(self.error("Unexpected EOF."))
                } else {
                    Ok((Lexeme::End, self.empty_word()))
                };
            } else if quote.is_none() && ends_bare_text(c) {
                bytes.extend_from_slice(self.cursor.since(part));
                return Ok(self.bare(start, bytes, escaped));
            } else {
                self.cursor.bump();
            }
        }
    }

    fn bare(&self, start: Mark, bytes: Vec<u8>, escaped: bool) -> (Lexeme, Word) {
        let mut word = self.word_of(start, &bytes);
        if escaped {
            return (Lexeme::Text, word);
        }
        let lower = word.text.to_lowercase();
        if matches!(lower.as_str(), "true" | "false" | "on" | "off" | "yes" | "no") {
            return (Lexeme::Bool, word);
        }
        match word.text.strip_prefix('$') {
            Some(name) => {
                word.text = name.to_owned();
                word.column += 1;
                (Lexeme::Variable, word)
            }
            None => (Lexeme::Text, word),
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), ConfError> {
        let byte = match self.cursor.bump() {
            'x' => return self.hex_escape(out),
            't' => b'\t',
            'n' => b'\n',
            'r' => b'\r',
            '"' => b'"',
            '\\' => b'\\',
            c => {
                return Err(self.error(format!(
                    "Invalid escape character '{}'. Only the following escape characters are \
                     allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.",
                    shown(c)
                )));
            }
        };
        out.push(byte);
        Ok(())
    }

    fn hex_escape(&mut self, out: &mut Vec<u8>) -> Result<(), ConfError> {
        for _ in 0..2 {
            if is_newline(self.cursor.bump()) {
                return Err(
                    self.error("Expected two hexadecimal digits after '\\x', but hit end of line")
                );
            }
        }
        let digits = self.cursor.since(self.cursor.at().saturating_sub(2));
        let byte = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|text| u8::from_str_radix(text, 16).ok());
        match byte {
            Some(byte) => out.push(byte),
            None => {
                return Err(self.error(format!(
                    "Expected two hexadecimal digits after '\\x', but got '{}'",
                    String::from_utf8_lossy(digits)
                )));
            }
        }
        Ok(())
    }

    /// Reads `( ... )`, which ends with a `)` alone in a line.
    fn block(&mut self) -> Result<(Lexeme, Word), ConfError> {
        self.cursor.bump();
        let start = self.cursor.mark();
        let mut previous = '(';
        loop {
            let before = self.cursor.mark();
            let c = self.cursor.bump();
            if c == END {
                return Err(self.error("Unexpected EOF processing block."));
            }
            if c == ')' && previous == '\n' && matches!(self.cursor.peek(), '\n' | END) {
                let all = self.cursor.since(start.at);
                let inner = all.get(..before.at - start.at).unwrap_or_default();
                return Ok((Lexeme::Text, self.word_of(start, inner)));
            }
            previous = c;
        }
    }

    fn first_digit(&mut self) -> Result<(), ConfError> {
        match self.cursor.bump() {
            c if c.is_ascii_digit() => Ok(()),
            '.' => Err(self.error("Floats must start with a digit, not '.'.")),
            c => Err(self.error(format!("Expected a digit but got '{}'.", shown(c)))),
        }
    }

    /// Goes on after the first digit: a number, a date, an address, or text after all.
    fn number(&mut self, start: Mark, place: ValuePlace) -> Result<(Lexeme, Word), ConfError> {
        loop {
            match self.cursor.peek() {
                '-' => {
                    self.cursor.bump();
                    if self.cursor.at() - start.at != "2016-".len() {
                        return Err(self.error("All ISO8601 dates must be in full Zulu form."));
                    }
                    return self.date(start);
                }
                '.' => {
                    self.cursor.bump();
                    return self.fraction(start);
                }
                c if c.is_ascii_digit() => {
                    self.cursor.bump();
                }
                c if is_suffix(c) => {
                    self.cursor.bump();
                    return self.suffix(start);
                }
                c if ends_number(c) => return Ok((Lexeme::Integer, self.word(start))),
                // The reference takes every bracket into the word, so that `[1]` is an error there.
                ']' if place == ValuePlace::Array
                    && (ends_bare_text(self.cursor.peek_second())
                        || matches!(self.cursor.peek_second(), '#' | '/')) =>
                {
                    return Ok((Lexeme::Integer, self.word(start)));
                }
                _ => {
                    self.cursor.bump();
                    return self.text(start, None);
                }
            }
        }
    }

    fn negative_number(&mut self, start: Mark) -> Result<(Lexeme, Word), ConfError> {
        loop {
            match self.cursor.peek() {
                '.' => {
                    self.cursor.bump();
                    return self.fraction(start);
                }
                c if c.is_ascii_digit() => {
                    self.cursor.bump();
                }
                c if is_suffix(c) => {
                    self.cursor.bump();
                    return self.suffix(start);
                }
                _ => return Ok((Lexeme::Integer, self.word(start))),
            }
        }
    }

    fn suffix(&mut self, start: Mark) -> Result<(Lexeme, Word), ConfError> {
        while matches!(self.cursor.peek(), 'b' | 'B' | 'i' | 'I') {
            self.cursor.bump();
        }
        let c = self.cursor.peek();
        if ends_number(c) || c.is_ascii_digit() {
            Ok((Lexeme::Integer, self.word(start)))
        } else {
            self.text(start, None)
        }
    }

    fn fraction(&mut self, start: Mark) -> Result<(Lexeme, Word), ConfError> {
        let c = self.cursor.bump();
        if !c.is_ascii_digit() {
            return Err(self.error(format!(
                "Floats must have a digit after the '.', but got '{}' instead.",
                shown(c)
            )));
        }
        while self.cursor.peek().is_ascii_digit() {
            self.cursor.bump();
        }
        if self.cursor.peek() != '.' {
            return Ok((Lexeme::Float, self.word(start)));
        }
        while self.cursor.peek().is_ascii_digit() || matches!(self.cursor.peek(), '.' | ':' | '-') {
            self.cursor.bump();
        }
        Ok((Lexeme::Text, self.word(start)))
    }

    fn date(&mut self, start: Mark) -> Result<(Lexeme, Word), ConfError> {
        for expected in "00-00T00:00:00Z".chars() {
            let c = self.cursor.bump();
            if expected == '0' {
                if !c.is_ascii_digit() {
                    return Err(self.error(format!(
                        "Expected digit in ISO8601 datetime, but found '{}' instead.",
                        shown(c)
                    )));
                }
            } else if c != expected {
                return Err(self.error(format!(
                    "Expected '{expected}' in ISO8601 datetime, but found '{}' instead.",
                    shown(c)
                )));
            }
        }
        Ok((Lexeme::Date, self.word(start)))
    }

    fn word(&self, start: Mark) -> Word {
        self.word_of(start, self.cursor.since(start.at))
    }

    fn word_of(&self, start: Mark, bytes: &[u8]) -> Word {
        Word {
            text: String::from_utf8_lossy(bytes).into_owned(),
            line: self.cursor.line(),
            column: start.column(),
        }
    }

    fn empty_word(&self) -> Word {
        Word { text: String::new(), line: self.cursor.line(), column: self.cursor.mark().column() }
    }
}

fn ends_bare_text(c: char) -> bool {
    is_newline(c) || is_blank(c) || matches!(c, END | ';' | ',' | ']' | '}')
}

fn ends_number(c: char) -> bool {
    is_newline(c) || is_blank(c) || matches!(c, END | ';' | ',' | '}')
}

fn is_suffix(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 'k' | 'm' | 'g' | 't' | 'p' | 'e')
}

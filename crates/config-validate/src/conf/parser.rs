//! Puts words together to maps and arrays, and resolves variables and includes.
//!
//! Wire source: `conf/parse.go`, and the states between words in `conf/lex.go`. Open containers
//! are on an explicit stack, so that text cannot make the parser recurse.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::cursor::{END, is_blank, is_newline, is_separator, shown};
use super::environment::{Environment, include_path, read_failure};
use super::error::ConfError;
use super::lexer::{KeyPlace, KeyWord, Lexeme, Lexer, ValuePlace, Word};
use super::scalar;
use super::value::{Array, Extent, Map, Node, Pos, Value};

/// Deepest nesting of maps and arrays, variables followed.
const MAX_DEPTH: usize = 100;
/// Most values in a config, variables followed.
const MAX_VALUES: usize = 1_000_000;
/// Deepest nesting of included files.
const MAX_INCLUDES: usize = 32;
/// Deepest chain of environment variables that refer to each other.
const MAX_VARIABLES: usize = 32;
/// A bare word `$2a$...` is a bcrypt hash, not a variable.
const BCRYPT: &str = "2a$";
/// Key under which the text of an environment variable is parsed.
const ENV_KEY: &str = "pk";

/// Parses a config file.
///
/// # Errors
/// The file cannot be read, or its text does not follow the format.
pub fn parse_file(path: &str, environment: &dyn Environment) -> Result<Map, ConfError> {
    parse_file_at(path, environment, 0)
}

/// Parses config text that is in no file; includes are relative to the working directory.
///
/// # Errors
/// The text does not follow the format.
pub fn parse_text(text: &str, environment: &dyn Environment) -> Result<Map, ConfError> {
    Parser::new(text.as_bytes(), "", environment, 0, &mut HashSet::new()).run()
}

fn parse_file_at(
    path: &str,
    environment: &dyn Environment,
    includes: usize,
) -> Result<Map, ConfError> {
    if includes > MAX_INCLUDES {
        return Err(ConfError::IncludeDepth(MAX_INCLUDES));
    }
    let text = environment
        .read_file(Path::new(path))
        .map_err(|error| ConfError::Io(read_failure(path, &error)))?;
    Parser::new(&text, path, environment, includes, &mut HashSet::new()).run()
}

/// A map or array that is not complete yet.
enum Open {
    Map(Map),
    Array(Array),
}

/// What may come next.
#[derive(Clone, Copy)]
enum State {
    /// A key outside of every map.
    Top,
    /// The end of such a key's value.
    AfterTop,
    /// A key inside braces around the whole config.
    Braces,
    /// The end of such a key's value.
    AfterBraces,
    /// The closing brace.
    CloseBraces,
    /// A key in a map.
    Map,
    /// The end of its value.
    AfterMap,
    /// A value in an array.
    Array,
    /// The end of it.
    AfterArray,
    /// Nothing.
    Done,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    file: Arc<str>,
    environment: &'a dyn Environment,
    includes: usize,
    /// Environment variables that are being resolved.
    resolving: &'a mut HashSet<String>,
    top: Map,
    open: Vec<Open>,
    /// Keys that wait for their value: one for each open container, and the current one.
    keys: Vec<Word>,
    /// Braces around the whole config that are open.
    braces: usize,
}

impl<'a> Parser<'a> {
    fn new(
        text: &'a [u8],
        file: &str,
        environment: &'a dyn Environment,
        includes: usize,
        resolving: &'a mut HashSet<String>,
    ) -> Self {
        Parser {
            lexer: Lexer::new(text),
            file: file.into(),
            environment,
            includes,
            resolving,
            top: Map::default(),
            open: Vec::new(),
            keys: Vec::new(),
            braces: 0,
        }
    }

    fn run(mut self) -> Result<Map, ConfError> {
        let mut state = State::Top;
        loop {
            state = match state {
                State::Top | State::Braces => self.top_key(state)?,
                State::AfterTop => self.after_top()?,
                State::AfterBraces => self.after_braces()?,
                State::CloseBraces => self.close_braces()?,
                State::Map => self.map_key()?,
                State::AfterMap => self.after_map()?,
                State::Array => self.array_value()?,
                State::AfterArray => self.after_array()?,
                State::Done => return Ok(self.top),
            };
        }
    }

    /// Takes a comment if there is one. A slash that starts none is taken too: `Some(false)`.
    fn comment(&mut self) -> Option<bool> {
        match self.lexer.cursor.peek() {
            '#' => {}
            '/' => {
                self.lexer.cursor.bump();
                if self.lexer.cursor.peek() != '/' {
                    return Some(false);
                }
            }
            _ => return None,
        }
        self.lexer.skip_comment();
        Some(true)
    }

    fn top_key(&mut self, state: State) -> Result<State, ConfError> {
        self.lexer.skip_space();
        match self.comment() {
            Some(true) => return Ok(state),
            Some(false) => return Err(self.lexer.error("Unexpected EOF.")),
            None => {}
        }
        let at = self.lexer.cursor.at();
        match self.lexer.cursor.peek() {
            '{' => {
                self.lexer.cursor.bump();
                self.braces += 1;
                return Ok(State::Braces);
            }
            '}' if matches!(state, State::Braces) => return Ok(State::CloseBraces),
            END => {
                self.lexer.cursor.bump();
                let is_nul = self.lexer.cursor.at() > at;
                return if is_nul {
                    Err(self.lexer.error("Unexpected EOF."))
                } else {
                    Ok(State::Done)
                };
            }
            c if is_separator(c) => {
                return Err(self.lexer.error(format!("Unexpected key separator '{c}'")));
            }
            _ => {}
        }
        match self.lexer.key(KeyPlace::Top)? {
            KeyWord::Key(key) => self.keys.push(key),
            KeyWord::Include => {
                self.include()?;
                return Ok(self.after_value());
            }
            KeyWord::End => return Ok(State::Done),
        }
        self.lexer.skip_space();
        if is_separator(self.lexer.cursor.peek()) {
            self.lexer.cursor.bump();
        } else if self.lexer.cursor.peek() == END {
            return self.end_after_key();
        }
        self.value()
    }

    /// The text ends where a value should be. A brace too many at the end is tolerated.
    fn end_after_key(&self) -> Result<State, ConfError> {
        if self.keys.last().is_some_and(|key| key.text == "}") {
            return Ok(State::Done);
        }
        Err(ConfError::KeyWithoutValue {
            file: self.file.clone(),
            line: self.lexer.cursor.line(),
            column: self.lexer.cursor.mark().column(),
        })
    }

    fn after_top(&mut self) -> Result<State, ConfError> {
        loop {
            match self.comment() {
                Some(true) => return Ok(State::Top),
                Some(false) => continue,
                None => {}
            }
            match self.lexer.cursor.bump() {
                c if is_blank(c) => {}
                c if is_newline(c) || matches!(c, END | ';' | ',' | '}') => return Ok(State::Top),
                c => {
                    return Err(self.lexer.error(format!(
                        "Expected a top-level value to end with a new line, comment or EOF, but \
                         got '{}' instead.",
                        shown(c)
                    )));
                }
            }
        }
    }

    fn after_braces(&mut self) -> Result<State, ConfError> {
        loop {
            if self.comment().is_some() {
                continue;
            }
            if self.lexer.cursor.peek() == '}' {
                return Ok(State::CloseBraces);
            }
            match self.lexer.cursor.bump() {
                c if is_blank(c) => {}
                c if is_newline(c) || matches!(c, ';' | ',') => return Ok(State::Braces),
                c => {
                    return Err(self.lexer.error(format!(
                        "Expected a block-level value to end with a new line, comment or EOF, but \
                         got '{}' instead.",
                        shown(c)
                    )));
                }
            }
        }
    }

    fn close_braces(&mut self) -> Result<State, ConfError> {
        loop {
            match self.comment() {
                Some(true) => return Ok(State::Braces),
                Some(false) => continue,
                None => {}
            }
            match self.lexer.cursor.bump() {
                c if is_blank(c) || is_newline(c) => {}
                ';' | ',' => return Ok(State::Braces),
                '}' => {
                    self.braces = self.braces.saturating_sub(1);
                    return Ok(if self.braces == 0 { State::Top } else { State::CloseBraces });
                }
                c => {
                    return Err(self.lexer.error(format!(
                        "Expected a block-level to end with a '}}', but got '{}' instead.",
                        shown(c)
                    )));
                }
            }
        }
    }

    fn map_key(&mut self) -> Result<State, ConfError> {
        self.lexer.skip_space();
        match self.lexer.cursor.peek() {
            c if is_separator(c) => {
                return Err(self.lexer.error(format!("Unexpected key separator '{c}'.")));
            }
            ']' => return Err(self.lexer.error("Unexpected array end ']' processing map.")),
            '}' => {
                self.lexer.cursor.bump();
                return self.close();
            }
            END => return Err(self.lexer.error("Unexpected EOF processing map.")),
            _ => {}
        }
        if self.comment() == Some(true) {
            return Ok(State::Map);
        }
        match self.lexer.key(KeyPlace::Map)? {
            KeyWord::Key(key) => self.keys.push(key),
            KeyWord::Include => {
                self.include()?;
                return Ok(State::AfterMap);
            }
            KeyWord::End => return Err(self.lexer.error("Unexpected EOF processing map.")),
        }
        self.lexer.skip_space();
        if is_separator(self.lexer.cursor.peek()) {
            self.lexer.cursor.bump();
            self.lexer.skip_space();
        }
        match self.lexer.cursor.peek() {
            ',' => {
                self.lexer.cursor.bump();
                Err(self.lexer.error("Unexpected map value terminator \",\"."))
            }
            '}' => {
                let key = self.keys.pop().map(|key| key.text).unwrap_or_default();
                Err(self.lexer.error(format!(
                    "Expected a value for key '{key}' but found the end of the map."
                )))
            }
            _ => self.value(),
        }
    }

    fn after_map(&mut self) -> Result<State, ConfError> {
        loop {
            match self.comment() {
                Some(true) => continue,
                Some(false) => return Ok(State::Map),
                None => {}
            }
            match self.lexer.cursor.bump() {
                c if is_blank(c) => {}
                c if is_newline(c) || matches!(c, ';' | ',') => return Ok(State::Map),
                '}' => return self.close(),
                c => {
                    return Err(self.lexer.error(format!(
                        "Expected a map value terminator \",\" or a map terminator \"}}\", but got \
                         '{}' instead.",
                        shown(c)
                    )));
                }
            }
        }
    }

    fn array_value(&mut self) -> Result<State, ConfError> {
        self.lexer.skip_space();
        match self.comment() {
            Some(true) => return Ok(State::Array),
            Some(false) => return Err(self.lexer.error("Unexpected array value terminator ','.")),
            None => {}
        }
        match self.lexer.cursor.peek() {
            ',' => Err(self.lexer.error("Unexpected array value terminator ','.")),
            ']' => {
                self.lexer.cursor.bump();
                self.close()
            }
            _ => self.value(),
        }
    }

    fn after_array(&mut self) -> Result<State, ConfError> {
        loop {
            match self.comment() {
                Some(true) => continue,
                Some(false) => return Ok(State::Array),
                None => {}
            }
            match self.lexer.cursor.bump() {
                c if is_blank(c) => {}
                c if is_newline(c) || c == ',' => return Ok(State::Array),
                ']' => return self.close(),
                c => {
                    return Err(self.lexer.error(format!(
                        "Expected an array value terminator \",\" or an array terminator \"]\", but \
                         got '{}' instead.",
                        shown(c)
                    )));
                }
            }
        }
    }

    /// Reads a value into the innermost open container.
    fn value(&mut self) -> Result<State, ConfError> {
        let place = match self.open.last() {
            Some(Open::Array(_)) => ValuePlace::Array,
            _ => ValuePlace::Key,
        };
        let (lexeme, word) = self.lexer.value(place)?;
        let value = match lexeme {
            Lexeme::ArrayStart => return self.open(Open::Array(Array::default()), State::Array),
            Lexeme::MapStart => return self.open(Open::Map(Map::default()), State::Map),
            Lexeme::End if self.open.is_empty() => return self.end_after_key(),
            Lexeme::End => return Err(self.lexer.error("Unexpected EOF.")),
            Lexeme::Text => Value::Str(word.text.as_str().into()),
            Lexeme::Bool => scalar::boolean(&word.text),
            Lexeme::Integer => scalar::integer(&word.text)?,
            Lexeme::Float => scalar::float(&word.text)?,
            Lexeme::Date => scalar::date(&word.text)?,
            Lexeme::Variable => self.variable(&word)?,
        };
        self.put(value, word.line, word.column)?;
        Ok(self.after_value())
    }

    fn after_value(&self) -> State {
        match self.open.last() {
            Some(Open::Map(_)) => State::AfterMap,
            Some(Open::Array(_)) => State::AfterArray,
            None if self.braces > 0 => State::AfterBraces,
            None => State::AfterTop,
        }
    }

    fn open(&mut self, container: Open, next: State) -> Result<State, ConfError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.open.push(container);
        Ok(next)
    }

    fn too_deep(&self) -> ConfError {
        ConfError::Nesting { line: self.lexer.cursor.line(), limit: MAX_DEPTH }
    }

    /// Completes the innermost open container.
    fn close(&mut self) -> Result<State, ConfError> {
        let value = match self.open.pop() {
            Some(Open::Map(map)) => Value::Map(Arc::new(map)),
            Some(Open::Array(array)) => Value::Array(Arc::new(array)),
            None => return Err(self.lexer.error("Unexpected end of a map or array.")),
        };
        let (line, column) = (self.lexer.cursor.line(), self.lexer.cursor.mark().column());
        self.put(value, line, column)?;
        Ok(self.after_value())
    }

    /// Stores a value: in a map under the waiting key, whose place it takes on.
    fn put(&mut self, value: Value, line: usize, column: usize) -> Result<(), ConfError> {
        let pos = |line, column| Pos { file: self.file.clone(), line, column };
        if let Some(Open::Array(array)) = self.open.last_mut() {
            let node = Node { value, pos: pos(line, column), used_as_variable: false };
            let extent = array.push(node);
            return self.check_extent(extent);
        }
        let Some(key) = self.keys.pop() else {
            return Err(self.lexer.error("Unexpected value without a key."));
        };
        let node = Node { value, pos: pos(key.line, key.column), used_as_variable: false };
        self.insert(key.text.as_str().into(), node)
    }

    fn insert(&mut self, key: Arc<str>, node: Node) -> Result<(), ConfError> {
        let extent = match self.open.last_mut() {
            Some(Open::Map(map)) => map.insert(key, node),
            Some(Open::Array(array)) => array.push(node),
            None => self.top.insert(key, node),
        };
        self.check_extent(extent)
    }

    fn check_extent(&self, extent: Extent) -> Result<(), ConfError> {
        if extent.depth > MAX_DEPTH {
            return Err(self.too_deep());
        }
        if extent.weight > MAX_VALUES {
            let line = self.lexer.cursor.line();
            return Err(ConfError::Expansion { line, limit: MAX_VALUES });
        }
        Ok(())
    }

    fn include(&mut self) -> Result<(), ConfError> {
        let name = self.lexer.include_name()?.text;
        let path = include_path(&self.file, &name);
        let included = parse_file_at(&path, self.environment, self.includes + 1)
            .map_err(|cause| ConfError::Include { name, cause: Box::new(cause) })?;
        for (key, node) in included.iter() {
            self.insert(key.into(), node.clone())?;
        }
        Ok(())
    }

    /// The value of `$name`: of a key set before in an open map, innermost first, or of the
    /// environment.
    fn variable(&mut self, word: &Word) -> Result<Value, ConfError> {
        let name = word.text.as_str();
        if name.starts_with(BCRYPT) {
            return Ok(Value::Str(format!("${name}").into()));
        }
        let maps = self.open.iter_mut().rev().filter_map(|open| match open {
            Open::Map(map) => Some(map),
            Open::Array(_) => None,
        });
        for map in maps.chain([&mut self.top]) {
            if let Some(node) = map.get_mut(name) {
                node.used_as_variable = true;
                return Ok(node.value.clone());
            }
        }
        let failure = |cause| ConfError::Variable {
            name: name.to_owned(),
            line: word.line,
            cause: Box::new(cause),
        };
        match self.environment_value(name).map_err(failure)? {
            Some(value) => Ok(value),
            None => Err(ConfError::VariableMissing { name: name.to_owned(), line: word.line }),
        }
    }

    fn environment_value(&mut self, name: &str) -> Result<Option<Value>, ConfError> {
        if self.resolving.contains(name) {
            return Err(ConfError::VariableCycle(name.to_owned()));
        }
        if self.resolving.len() >= MAX_VARIABLES {
            return Err(ConfError::VariableDepth(MAX_VARIABLES));
        }
        let Some(text) = self.environment.variable(name) else { return Ok(None) };
        self.resolving.insert(name.to_owned());
        let text = format!("{ENV_KEY}={text}");
        let parsed =
            Parser::new(text.as_bytes(), "", self.environment, self.includes, &mut *self.resolving)
                .run();
        self.resolving.remove(name);
        Ok(parsed?.get(ENV_KEY).map(|node| node.value.clone()))
    }
}

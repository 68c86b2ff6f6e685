//! The tokens of a transform's destination: text, placeholders and functions.

use super::TransformError;
use crate::grammar::{SEPARATOR, token_at};

/// One destination token. Before [`Part::resolve`] an index counts the wildcards of the source
/// from 1; after it, the tokens of the source from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Text(String),
    /// `>`
    Rest,
    Token(Index),
    /// Hash of the named tokens, or of the whole subject when there are none, modulo `buckets`.
    Partition {
        buckets: i32,
        tokens: Vec<Index>,
    },
    Split {
        token: Index,
        delimiter: String,
    },
    /// The functions that cut one token at a number of bytes.
    Cut {
        how: Cut,
        token: Index,
        size: i32,
    },
    Random {
        ceiling: i32,
    },
}

type Index = i64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

/// A destination token of the form `{{name(arguments)}}`.
pub(super) struct Call<'a> {
    name: Name,
    arguments: Vec<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Wildcard,
    Partition,
    Split,
    Random,
    Cut(Cut),
}

/// Function names, and at which letters either case is accepted (the first, and those here).
const NAMES: [(&str, Name); 10] = [
    ("Wildcard", Name::Wildcard),
    ("Partition", Name::Partition),
    ("SplitFromLeft", Name::Cut(Cut::SplitFromLeft)),
    ("SplitFromRight", Name::Cut(Cut::SplitFromRight)),
    ("SliceFromLeft", Name::Cut(Cut::SliceFromLeft)),
    ("SliceFromRight", Name::Cut(Cut::SliceFromRight)),
    ("Left", Name::Cut(Cut::Left)),
    ("Right", Name::Cut(Cut::Right)),
    ("Split", Name::Split),
    ("Random", Name::Random),
];

impl<'a> Call<'a> {
    pub(super) fn looks_like(token: &str) -> bool {
        token.len() > 4 && token.starts_with("{{") && token.ends_with("}}")
    }

    /// `None` when the function is unknown or the parentheses are missing.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let inner = token.strip_prefix("{{")?.strip_suffix("}}")?.trim();
        let (word, arguments) = inner.strip_suffix(')')?.split_once('(')?;
        let word = word.trim_end();
        let (_, name) = NAMES.iter().find(|(known, _)| same_name(known, word))?;
        let mut arguments: Vec<&str> = arguments.split(',').collect();
        for later in arguments.iter_mut().skip(1) {
            *later = later.trim_start();
        }
        Some(Self { name: *name, arguments })
    }

    /// Whether account mappings know the function.
    pub(super) fn is_for_mappings(&self) -> bool {
        !matches!(self.name, Name::Cut(Cut::Left | Cut::Right))
    }
}

/// Capital letters of the known name may be written small; all others are as they are.
fn same_name(known: &str, word: &str) -> bool {
    known.len() == word.len()
        && known.chars().zip(word.chars()).all(|(want, have)| {
            have == want || want.is_ascii_uppercase() && have == want.to_ascii_lowercase()
        })
}

fn integer<T: std::str::FromStr>(token: &str, argument: &str) -> Result<T, TransformError> {
    argument
        .trim_matches(' ')
        .parse()
        .map_err(|_| TransformError::InvalidArgument(token.to_owned()))
}

/// The index of a placeholder (`$1` or `{{wildcard(1)}}`), for reversing.
pub(super) fn placeholder(token: &str) -> Option<Index> {
    match Part::parse(token) {
        Ok(Part::Token(index)) => Some(index),
        _ => None,
    }
}

impl Part {
    /// Reads a destination token (server/subject_transform.go `indexPlaceHolders`).
    pub(super) fn parse(token: &str) -> Result<Self, TransformError> {
        if token == ">" {
            return Ok(Self::Rest);
        }
        if let Some(digits) = token.strip_prefix('$') {
            // Other subjects start with `$` too.
            return Ok(digits.parse().map_or_else(|_| Self::Text(token.into()), Self::Token));
        }
        if !Call::looks_like(token) {
            return Ok(Self::Text(token.into()));
        }
        let unknown = || TransformError::UnknownFunction(token.to_owned());
        let call = Call::parse(token).ok_or_else(unknown)?;
        let too_few = || TransformError::NotEnoughArguments(token.to_owned());
        let too_many = || TransformError::TooManyArguments(token.to_owned());
        match (call.name, call.arguments.as_slice()) {
            (Name::Wildcard, [""]) => Err(too_few()),
            (Name::Wildcard, [index]) => Ok(Self::Token(integer(token, index)?)),
            (Name::Wildcard, _) => Err(too_many()),
            (Name::Partition, [buckets, tokens @ ..]) => Ok(Self::Partition {
                buckets: integer(token, buckets)?,
                tokens: tokens
                    .iter()
                    .map(|index| integer(token, index))
                    .collect::<Result<_, _>>()?,
            }),
            (Name::Random, [ceiling]) => Ok(Self::Random { ceiling: integer(token, ceiling)? }),
            (Name::Random | Name::Partition, _) => Err(too_few()),
            (Name::Split, [index, delimiter]) => {
                let index = integer(token, index)?;
                if delimiter.contains([' ', '.']) {
                    return Err(TransformError::InvalidArgument(token.to_owned()));
                }
                Ok(Self::Split { token: index, delimiter: (*delimiter).to_owned() })
            }
            (Name::Cut(how), [index, size]) => {
                Ok(Self::Cut { how, token: integer(token, index)?, size: integer(token, size)? })
            }
            (Name::Split | Name::Cut(_), [] | [_]) => Err(too_few()),
            (Name::Split | Name::Cut(_), _) => Err(too_many()),
        }
    }

    pub(super) fn is_reversible(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Rest | Self::Token(_))
    }

    /// How many wildcards of the source it uses.
    pub(super) fn indexes(&self) -> usize {
        match self {
            Self::Text(_) | Self::Rest | Self::Random { .. } => 0,
            Self::Token(_) | Self::Split { .. } | Self::Cut { .. } => 1,
            Self::Partition { tokens, .. } => tokens.len(),
        }
    }

    /// Turns wildcard indexes into token indexes. `wildcards` are the positions of `*` in the
    /// source, from 0. An index below 1 means the first token, as in the reference.
    pub(super) fn resolve(
        mut self,
        token: &str,
        wildcards: &[usize],
        literal_source: bool,
    ) -> Result<Self, TransformError> {
        let out_of_range = |index: Index| {
            let token = if literal_source { token.into() } else { format!("{token}: [{index}]") };
            TransformError::IndexOutOfRange(token)
        };
        let resolve = |index: &mut Index| {
            if literal_source {
                return Err(out_of_range(*index));
            }
            let position = match usize::try_from(*index).ok().and_then(|at| at.checked_sub(1)) {
                None => 0,
                Some(at) => *wildcards.get(at).ok_or_else(|| out_of_range(*index))?,
            };
            *index = position as Index + 1;
            Ok(())
        };
        match &mut self {
            Self::Text(_) | Self::Rest | Self::Random { .. } => {}
            Self::Token(index)
            | Self::Split { token: index, .. }
            | Self::Cut { token: index, .. } => {
                resolve(index)?;
            }
            // Without wildcards in the source there is only the whole subject to hash.
            Self::Partition { tokens, .. } if literal_source => tokens.clear(),
            Self::Partition { tokens, .. } => tokens.iter_mut().try_for_each(resolve)?,
        }
        Ok(self)
    }

    /// Appends what this part makes of `subject`.
    pub(super) fn write(&self, subject: &[u8], random: &mut dyn FnMut() -> u32, out: &mut Vec<u8>) {
        let token = |index: &Index| token_at(subject, usize::try_from(*index).unwrap_or(0));
        match self {
            Self::Rest => {}
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Token(index) => out.extend_from_slice(token(index)),
            Self::Partition { buckets, tokens } => {
                let hash = if tokens.is_empty() {
                    fnv1a(subject)
                } else {
                    fnv1a(tokens.iter().flat_map(token))
                };
                // A negative count wraps, as it does in the reference.
                let bucket = hash.checked_rem(*buckets as u32).unwrap_or(0);
                out.extend_from_slice(bucket.to_string().as_bytes());
            }
            Self::Random { ceiling } => {
                let draw = (random() >> 1) as i32;
                let draw = draw.checked_rem(*ceiling).unwrap_or(0);
                out.extend_from_slice(draw.to_string().as_bytes());
            }
            Self::Split { token: index, delimiter } => split(token(index), delimiter, out),
            Self::Cut { how, token: index, size } => how.write(token(index), *size, out),
        }
    }
}

impl Cut {
    fn write(self, token: &[u8], size: i32, out: &mut Vec<u8>) {
        let cut = usize::try_from(size)
            .ok()
            .filter(|&size| size > 0 && size < token.len())
            .and_then(|size| {
                let from_right = token.len() - size;
                Some((size, token.split_at_checked(size)?, token.split_at_checked(from_right)?))
            });
        let Some((size, (head, tail), (front, back))) = cut else {
            // Too short to cut.
            return out.extend_from_slice(token);
        };
        match self {
            Self::Left => out.extend_from_slice(head),
            Self::Right => out.extend_from_slice(back),
            Self::SplitFromLeft => join([head, tail], out),
            Self::SplitFromRight => join([front, back], out),
            Self::SliceFromLeft => join(token.chunks(size), out),
            Self::SliceFromRight => {
                let odd = token.len() % size;
                let (first, rest) = token.split_at_checked(odd).unwrap_or((&[], token));
                let first = Some(first).filter(|first| !first.is_empty());
                join(first.into_iter().chain(rest.chunks(size)), out);
            }
        }
    }
}

fn join<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (at, piece) in pieces.into_iter().enumerate() {
        if at > 0 {
            out.push(SEPARATOR);
        }
        out.extend_from_slice(piece);
    }
}

/// Puts dots in place of delimiters; runs of them, and those at the ends, leave no empty tokens.
fn split(token: &[u8], delimiter: &str, out: &mut Vec<u8>) {
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut rest = token;
    if delimiter.is_empty() {
        pieces.extend(token.chunks(1));
    } else {
        let delimiter = delimiter.as_bytes();
        while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter) {
            pieces.extend(rest.get(..at));
            rest = rest.get(at + delimiter.len()..).unwrap_or_default();
        }
        pieces.push(rest);
    }
    join(pieces.into_iter().filter(|piece| !piece.is_empty()), out);
}

/// FNV-1a with 32 bits, by which partitions are assigned.
fn fnv1a<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    bytes
        .into_iter()
        .fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

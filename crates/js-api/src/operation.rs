//! What a request subject asks for.

use types::api::reply_type;

/// A request, by its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    Info,
    StreamNames,
    StreamList,
    Stream(StreamOp, &'a str),
    ConsumerNames(&'a str),
    ConsumerList(&'a str),
    ConsumerCreate(ConsumerForm<'a>),
    Consumer(ConsumerOp, &'a str, &'a str),
    /// Something that only a cluster can do, with the type of its reply.
    Clustered(&'static str),
}

/// What is asked of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamOp {
    Create,
    Update,
    Info,
    Delete,
    Purge,
    Snapshot,
    Restore,
    MsgGet,
    MsgDelete,
}

/// What is asked of one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerOp {
    Info,
    Delete,
    Pause,
    Unpin,
    Reset,
}

/// The three subjects that create consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerForm<'a> {
    /// `CONSUMER.CREATE.<stream>`: the server names it.
    Ephemeral { stream: &'a str },
    /// `CONSUMER.DURABLE.CREATE.<stream>.<consumer>`; without consumer where the subject has
    /// not the right length.
    Durable { stream: &'a str, consumer: Option<&'a str> },
    /// `CONSUMER.CREATE.<stream>.<consumer>[.<filter>]`
    Named { stream: &'a str, consumer: &'a str, filter: Option<&'a str> },
}

impl<'a> ConsumerForm<'a> {
    pub(crate) fn stream(self) -> &'a str {
        match self {
            ConsumerForm::Ephemeral { stream }
            | ConsumerForm::Durable { stream, .. }
            | ConsumerForm::Named { stream, .. } => stream,
        }
    }
}

impl<'a> Operation<'a> {
    /// Reads a subject; `None` where the API has nothing on it.
    pub(crate) fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = std::str::from_utf8(subject).ok()?.strip_prefix("$JS.API.")?;
        let mut tokens = [""; 8];
        let mut count = 0;
        for token in rest.split('.') {
            *tokens.get_mut(count)? = token;
            count += 1;
            // What follows is a filter subject of any length.
            if count == 4 && tokens.starts_with(&["CONSUMER", "CREATE"]) {
                break;
            }
        }
        let tokens = tokens.get(..count)?;
        Some(match *tokens {
            ["INFO"] => Operation::Info,
            ["STREAM", "NAMES"] => Operation::StreamNames,
            ["STREAM", "LIST"] => Operation::StreamList,
            ["STREAM", verb, stream] => Operation::Stream(stream_op(verb)?, stream),
            ["STREAM", "MSG", "GET", stream] => Operation::Stream(StreamOp::MsgGet, stream),
            ["STREAM", "MSG", "DELETE", stream] => Operation::Stream(StreamOp::MsgDelete, stream),
            ["STREAM", "PEER", "REMOVE", _] => Operation::Clustered(reply_type::STREAM_REMOVE_PEER),
            ["STREAM", "LEADER", "STEPDOWN", _] => {
                Operation::Clustered(reply_type::STREAM_LEADER_STEPDOWN)
            }
            ["CONSUMER", "NAMES", stream] => Operation::ConsumerNames(stream),
            ["CONSUMER", "LIST", stream] => Operation::ConsumerList(stream),
            ["CONSUMER", "CREATE", stream] => {
                Operation::ConsumerCreate(ConsumerForm::Ephemeral { stream })
            }
            ["CONSUMER", "CREATE", stream, consumer] => {
                let filter = rest.splitn(5, '.').nth(4);
                Operation::ConsumerCreate(ConsumerForm::Named { stream, consumer, filter })
            }
            ["CONSUMER", "DURABLE", "CREATE", stream, ref more @ ..] => {
                let consumer = if let [only] = more { Some(*only) } else { None };
                Operation::ConsumerCreate(ConsumerForm::Durable { stream, consumer })
            }
            ["CONSUMER", "LEADER", "STEPDOWN", _, _] => {
                Operation::Clustered(reply_type::CONSUMER_LEADER_STEPDOWN)
            }
            ["CONSUMER", verb, stream, consumer] => {
                Operation::Consumer(consumer_op(verb)?, stream, consumer)
            }
            _ => return None,
        })
    }

    /// The `type` of its reply.
    pub(crate) fn reply_type(self) -> &'static str {
        match self {
            Operation::Info => reply_type::ACCOUNT_INFO,
            Operation::StreamNames => reply_type::STREAM_NAMES,
            Operation::StreamList => reply_type::STREAM_LIST,
            Operation::Stream(op, _) => match op {
                StreamOp::Create => reply_type::STREAM_CREATE,
                StreamOp::Update => reply_type::STREAM_UPDATE,
                StreamOp::Info => reply_type::STREAM_INFO,
                StreamOp::Delete => reply_type::STREAM_DELETE,
                StreamOp::Purge => reply_type::STREAM_PURGE,
                StreamOp::Snapshot => reply_type::STREAM_SNAPSHOT,
                StreamOp::Restore => reply_type::STREAM_RESTORE,
                StreamOp::MsgGet => reply_type::MSG_GET,
                StreamOp::MsgDelete => reply_type::MSG_DELETE,
            },
            Operation::ConsumerNames(_) => reply_type::CONSUMER_NAMES,
            Operation::ConsumerList(_) => reply_type::CONSUMER_LIST,
            Operation::ConsumerCreate(_) => reply_type::CONSUMER_CREATE,
            Operation::Consumer(op, ..) => match op {
                ConsumerOp::Info => reply_type::CONSUMER_INFO,
                ConsumerOp::Delete => reply_type::CONSUMER_DELETE,
                ConsumerOp::Pause => reply_type::CONSUMER_PAUSE,
                ConsumerOp::Unpin => reply_type::CONSUMER_UNPIN,
                ConsumerOp::Reset => reply_type::CONSUMER_RESET,
            },
            Operation::Clustered(kind) => kind,
        }
    }
}

fn stream_op(verb: &str) -> Option<StreamOp> {
    Some(match verb {
        "CREATE" => StreamOp::Create,
        "UPDATE" => StreamOp::Update,
        "INFO" => StreamOp::Info,
        "DELETE" => StreamOp::Delete,
        "PURGE" => StreamOp::Purge,
        "SNAPSHOT" => StreamOp::Snapshot,
        "RESTORE" => StreamOp::Restore,
        _ => return None,
    })
}

fn consumer_op(verb: &str) -> Option<ConsumerOp> {
    Some(match verb {
        "INFO" => ConsumerOp::Info,
        "DELETE" => ConsumerOp::Delete,
        "PAUSE" => ConsumerOp::Pause,
        "UNPIN" => ConsumerOp::Unpin,
        "RESET" => ConsumerOp::Reset,
        _ => return None,
    })
}

//! From bytes to what they ask for.

use std::sync::atomic::Ordering;

use wire::{CloseReason, Frame, ParseError};

use crate::connect;
use crate::info::PROTO_INFO;
use crate::session::{InfoKind, Session, Stage};

/// How far [`Session::process`] came.
pub(crate) struct Processed {
    /// Bytes that were used up.
    pub(crate) consumed: usize,
    pub(crate) stop: Option<Stop>,
}

/// Why the rest of the bytes has to wait, or does not matter any more.
pub(crate) enum Stop {
    /// CONNECT with this body must be handled first.
    Connect(Vec<u8>),
    /// The session is over.
    Close(CloseReason),
}

impl Session {
    /// Handles the frames in `data`, in order.
    pub(crate) fn process(&mut self, data: &[u8]) -> Processed {
        let mut consumed = 0;
        let stop = loop {
            let rest = data.get(consumed..).unwrap_or_default();
            match self.parser.next(rest) {
                Ok(None) => break None,
                Ok(Some((length, frame))) => {
                    consumed += length;
                    if let Err(stop) = self.dispatch(frame) {
                        break Some(stop);
                    }
                }
                Err(ParseError::AuthorizationViolation) if self.stage == Stage::New => {
                    match self.admit_without_connect() {
                        Ok(()) => {}
                        Err(reason) => break Some(Stop::Close(reason)),
                    }
                }
                Err(error) => break Some(Stop::Close(self.on_parse_error(&error))),
            }
        };
        Processed { consumed, stop }
    }

    #[inline]
    fn dispatch(&mut self, frame: Frame<'_>) -> Result<(), Stop> {
        if self.tracing {
            self.trace_in(&frame);
        }
        match frame {
            Frame::Pub { subject, reply, payload } => {
                self.publish(subject, reply.unwrap_or_default(), b"", payload);
                Ok(())
            }
            Frame::HPub { subject, reply, headers, payload } => {
                self.publish(subject, reply.unwrap_or_default(), headers, payload);
                Ok(())
            }
            frame => self.dispatch_other(frame),
        }
    }

    fn dispatch_other(&mut self, frame: Frame<'_>) -> Result<(), Stop> {
        match frame {
            Frame::Sub { subject, queue, sid } => self.subscribe(subject, queue, sid),
            Frame::Unsub { sid, max } => self.unsubscribe(sid, max),
            Frame::Ping => self.on_ping(),
            Frame::Pong => self.on_pong(),
            Frame::Connect(body) => return Err(Stop::Connect(body.to_vec())),
            Frame::Info(body) => {
                // Nobody needs it; like the reference, only its syntax matters.
                if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body) {
                    self.log_error(&error.to_string());
                    return Err(Stop::Close(CloseReason::ProtocolViolation));
                }
            }
            Frame::Err(text) => {
                self.log_error(&format!("Client Error {}", String::from_utf8_lossy(text)));
                return Err(Stop::Close(CloseReason::ParseError));
            }
            Frame::Ok | Frame::Pub { .. } | Frame::HPub { .. } => {}
        }
        Ok(())
    }

    fn on_ping(&mut self) {
        self.send(wire::encode::pong);
        self.counts.heard = true;
        if self.stage != Stage::Connected {
            return;
        }
        self.stage = Stage::Confirmed;
        if self.connect.protocol >= PROTO_INFO {
            self.conn.takes_info.store(true, Ordering::Release);
            self.send_info(InfoKind::Connected);
        }
    }

    fn on_pong(&mut self) {
        if let Some(rtt_ns) = self.pings.pong(self.now_ns) {
            self.conn.rtt_ns.store(rtt_ns, Ordering::Relaxed);
        }
    }

    #[cold]
    fn on_parse_error(&mut self, error: &ParseError) -> CloseReason {
        self.log_error(&error.to_string());
        if let Some(text) = error.wire_text() {
            self.send_err(text);
        }
        error.close_reason()
    }

    #[cold]
    fn trace_in(&self, frame: &Frame<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let line = match *frame {
            Frame::Connect(body) => format!("[CONNECT {}]", connect::redacted(body)),
            Frame::Pub { subject, reply, payload } => format!(
                "[PUB {} {} {}] MSG_PAYLOAD: [{:?}]",
                text(subject),
                text(reply.unwrap_or_default()),
                payload.len(),
                text(payload)
            ),
            Frame::HPub { subject, reply, headers, payload } => format!(
                "[HPUB {} {} {} {}] MSG_PAYLOAD: [{:?}]",
                text(subject),
                text(reply.unwrap_or_default()),
                headers.len(),
                headers.len() + payload.len(),
                text(payload)
            ),
            Frame::Sub { subject, queue, sid } => {
                format!("[SUB {} {} {}]", text(subject), text(queue.unwrap_or_default()), text(sid))
            }
            Frame::Unsub { sid, max } => format!("[UNSUB {} {}]", text(sid), max.unwrap_or(0)),
            Frame::Ping => "[PING]".to_owned(),
            Frame::Pong => "[PONG]".to_owned(),
            Frame::Info(body) => format!("[INFO {}]", text(body)),
            Frame::Err(body) => format!("[-ERR {}]", text(body)),
            Frame::Ok => "[+OK]".to_owned(),
        };
        tracing::trace!("{} - <<- {line}", self.label);
    }
}

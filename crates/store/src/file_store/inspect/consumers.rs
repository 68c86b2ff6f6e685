//! Looking at a stream's consumers.

use std::io;

use super::super::consumer_file::{self, STATE};
use super::super::consumer_found::Found;
use super::super::crypt::Asset;
use super::super::meta;
use super::super::open_consumers::consumer_names;
use super::metas::{self, Stored};
use super::{ConsumerReport, Inspection};

impl Inspection<'_> {
    pub(super) fn look_at_consumers(&mut self) -> io::Result<()> {
        let obs = self.obs();
        for name in consumer_names(self.disk, &obs)? {
            let dir = obs.join(&name);
            let part = |file: &str| format!("obs/{name}/{file}");
            let mut report = ConsumerReport { name: name.clone(), config: None, state: None };
            let stream = self.report.name.clone();
            match metas::consumer(self.disk, &dir, &stream, &name)? {
                Stored::Sound(_, config) => report.config = Some(config),
                Stored::CutShort(_, config) => {
                    report.config = Some(config);
                    let text = "a change of the configuration was cut short";
                    self.note(part(meta::SUM), text);
                }
                Stored::BadSum(_, config) => {
                    report.config = Some(config);
                    let text = "it does not match the checksum in meta.sum";
                    self.damage(part(meta::META), text);
                }
                Stored::Encrypted => {
                    self.report.encrypted = true;
                    self.report.consumers.push(report);
                    continue;
                }
                // One that is deleted right now has no configuration any more.
                Stored::Unreadable(reason) => self.damage(part(meta::META), reason),
            }
            let hasher = consumer_file::hasher_of(&stream, &name);
            let found = Found::read(self.disk, &dir, &Asset::default(), &hasher)?;
            report.state = found.state().cloned();
            if let Some(damage) = found.damage() {
                self.damage(part(STATE), damage);
            }
            self.report.consumers.push(report);
        }
        self.judge_progress();
        Ok(())
    }

    /// No consumer can have been given what the stream never had.
    fn judge_progress(&mut self) {
        if self.report.encrypted {
            return;
        }
        let last = self.report.last_seq;
        let ahead: Vec<(String, u64)> = self
            .report
            .consumers
            .iter()
            .filter_map(|consumer| Some((consumer.name.clone(), consumer.state.as_ref()?)))
            .filter(|(_, state)| state.delivered.stream > last)
            .map(|(name, state)| (name, state.delivered.stream))
            .collect();
        for (name, seq) in ahead {
            // On a server that runs the blocks were read first.
            let text = format!("delivered up to sequence {seq}, but the stream ends at {last}");
            self.note(format!("obs/{name}/{STATE}"), text);
        }
    }
}

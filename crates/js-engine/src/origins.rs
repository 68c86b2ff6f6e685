//! Finding the streams that others read: in the account, or by what it imports in another one.

use std::sync::Arc;

use routing::SubjectSpace;
use types::{ApiError, ExternalStream, StreamConfig, errors};

use crate::account::JsAccount;
use crate::registry::StreamEntry;

/// What every API subject begins with.
const API: &str = "$JS.API";
/// Where a reader without a prefix of its own would have its messages delivered.
const DELIVER: &str = "$JS";

impl JsAccount {
    /// Configuration of a stream, for checks that look at other streams.
    pub(crate) fn config_of(&self, name: &str) -> Option<Arc<StreamConfig>> {
        self.find(name).ok().map(|entry| entry.config())
    }

    /// A stream that another one of the account reads; with `external` by the subjects of its API
    /// and its deliveries as this account knows them.
    ///
    /// # Errors
    /// 10059 where it is not there now, 10194 where it is out of service.
    pub(crate) fn origin(
        &self,
        name: &str,
        external: Option<&ExternalStream>,
    ) -> Result<Arc<StreamEntry>, ApiError> {
        match external {
            None => self.find(name),
            Some(external) if self.is_own_api(&external.api) => self.find(name),
            Some(external) => self.find_elsewhere(name, external),
        }
    }

    /// Whether an API subject is that of this very account, by the server's domain.
    fn is_own_api(&self, prefix: &str) -> bool {
        let domain = &self.core().settings.domain;
        let own = prefix.strip_prefix("$JS.").and_then(|rest| rest.strip_suffix(".API"));
        !domain.is_empty() && own == Some(domain)
    }

    /// A stream of another account: this one must import the API to make a consumer there, and
    /// the subjects on which that would deliver, as it must in the reference.
    fn find_elsewhere(
        &self,
        name: &str,
        external: &ExternalStream,
    ) -> Result<Arc<StreamEntry>, ApiError> {
        let missing = || errors::STREAM_NOT_FOUND.err();
        let exporter = self.serving(name, external).ok_or_else(missing)?;
        let prefix = if external.deliver.is_empty() { DELIVER } else { &external.deliver };
        let delivered = format!("{prefix}.S.x");
        if !self.space().imports_from(&exporter, delivered.as_bytes()) {
            let text = format!("{prefix}.> is not imported from the account of the origin");
            return Err(errors::SOURCE_CONSUMER_SETUP_FAILED.with(text));
        }
        let account = self.core().account_of(&exporter).ok_or_else(missing)?;
        account.find(name)
    }

    /// The account whose API a prefix leads to.
    fn serving(&self, name: &str, external: &ExternalStream) -> Option<Arc<SubjectSpace>> {
        let asked = format!("{}.CONSUMER.CREATE.{name}", external.api);
        let (space, subject) = self.space().served_by(asked.as_bytes())?;
        (subject == format!("{API}.CONSUMER.CREATE.{name}").as_bytes()).then_some(space)
    }

    /// Refuses origins that this server cannot reach.
    ///
    /// # Errors
    /// 10052 with the API subject.
    pub(crate) fn check_origins(&self, config: &StreamConfig) -> Result<(), ApiError> {
        for origin in config.mirror.iter().chain(&config.sources) {
            let Some(external) = &origin.external else { continue };
            if !self.is_own_api(&external.api) && self.serving(&origin.name, external).is_none() {
                let text = format!("external origin {:?} leads to no account here", external.api);
                return Err(errors::STREAM_INVALID_CONFIG.with(text));
            }
        }
        Ok(())
    }
}

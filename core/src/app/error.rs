//! How a story ends when it does not succeed.

use crate::adapters::keys::KeyFault;
use crate::adapters::passwords::PasswordFault;
use crate::adapters::seal::NotOpened;
use crate::storage::{self, Aborts};
use igny8_contract::refusal::Refusal;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is wrong, field by field, in sentences for people.
pub type Fields = BTreeMap<String, String>;

/// Why a story did not succeed. In every case nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// A rule says no.
    #[error("refused: {}", .0.code())]
    Refused(Refusal),
    /// A rule says no, and which fields to change.
    #[error("refused: {}", .0.code())]
    RefusedFields(Refusal, Fields),
    /// Somebody has no attempts left, and has one again after so many seconds.
    #[error("refused: throttled")]
    Throttled(i64),
    /// The database says no.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// What several requests together came to.
    #[error(transparent)]
    Shared(Arc<StoryError>),
    /// Something that cannot happen did.
    #[error("fault: {0}")]
    Fault(String),
}

impl StoryError {
    /// A refusal that names one field.
    #[must_use]
    pub fn field(refusal: Refusal, field: &str, sentence: impl Into<String>) -> Self {
        Self::RefusedFields(refusal, Fields::from([(field.to_owned(), sentence.into())]))
    }

    /// What the client is told.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) | Self::RefusedFields(refusal, _) => *refusal,
            Self::Throttled(_) => Refusal::Throttled,
            Self::Shared(error) => error.refusal(),
            Self::Storage(storage::Error::Unavailable(_) | storage::Error::Conflict(_) | storage::Error::Raced) => {
                Refusal::StorageUnavailable
            }
            Self::Storage(storage::Error::Refused(_) | storage::Error::Unexpected(_) | storage::Error::Setup(_))
            | Self::Fault(_) => Refusal::Internal,
        }
    }
}

impl From<Refusal> for StoryError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PasswordFault> for StoryError {
    fn from(fault: PasswordFault) -> Self {
        Self::Fault(fault.to_string())
    }
}

impl From<NotOpened> for StoryError {
    fn from(fault: NotOpened) -> Self {
        Self::Fault(fault.to_string())
    }
}

impl From<KeyFault> for StoryError {
    fn from(fault: KeyFault) -> Self {
        Self::Fault(fault.to_string())
    }
}

impl Aborts for StoryError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_conflict())
    }
}

//! Identifiers. The database makes them; on the wire they are JSON numbers.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// The tenant: owns a plan, credits, a subscription, users and API keys.
    AccountId
);
id!(
    /// A person, belonging to one account.
    UserId
);
id!(
    /// An API key of an account.
    ApiKeyId
);
id!(
    /// A plan of the catalogue.
    PlanId
);
id!(
    /// A subscription of an account.
    SubscriptionId
);

//! From a request to what a story is asked.

use super::idempotency::Keyed;
use super::passage::RequestId;
use crate::app::change::Ask;
use crate::app::identify::Identity;
use crate::storage::trail::Actor;
use igny8_contract::ids::AccountId;

/// A user asks something of their own account.
pub fn of_own<T>(keyed: &Keyed<T>, identity: Identity, request_id: RequestId) -> Ask {
    Ask {
        account_id: identity.account_id,
        actor: identity.actor(),
        request_id: request_id.0,
        key: keyed.request_key(identity),
    }
}

/// A user asks something of their own account that may be repeated without a key.
pub fn in_person(identity: Identity, request_id: RequestId) -> Ask {
    Ask {
        account_id: identity.account_id,
        actor: identity.actor(),
        request_id: request_id.0,
        key: None,
    }
}

/// A member of staff asks something of a customer's account.
pub fn of_customer<T>(keyed: &Keyed<T>, staff: Identity, account_id: i64, request_id: RequestId) -> Ask {
    Ask {
        account_id: AccountId(account_id),
        actor: Actor::Staff(staff.user_id),
        request_id: request_id.0,
        key: keyed.request_key(staff),
    }
}

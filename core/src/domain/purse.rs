//! An account's credits: the head of its ledger, the buckets that the balance lies in, and the holds on them.
//!
//! Every change of the balance is an entry; the entries made here wait in [`Purse::journal`] until they are stored.
//! An operation that is refused has changed nothing.

use super::ledger::{LedgerHead, Movement, TransactionType};
use igny8_contract::credits::Credits;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;

/// The most holds that an account may have open at once.
pub const MAX_OPEN_HOLDS: usize = 1000;

/// Where the credits of a bucket came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketKind {
    /// Granted with a period; reset with the next grant.
    Plan,
    Bonus,
    Purchased,
}

impl BucketKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Plan, Self::Bonus, Self::Purchased];

    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Bonus => "bonus",
            Self::Purchased => "purchased",
        }
    }

    /// The kind of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Buckets of a lower number are drawn from first: what is lost soonest goes first.
    #[must_use]
    pub const fn priority(self) -> i64 {
        match self {
            Self::Plan => 10,
            Self::Bonus => 20,
            Self::Purchased => 30,
        }
    }
}

/// Which grant of which period a plan bucket is. There is one bucket for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantKey {
    /// The subscription's number within its account.
    pub subscription: i64,
    /// The period's sequence within the subscription.
    pub period: i64,
    /// The grant's number within the period.
    pub grant: i64,
}

/// A part of the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// 1 for the first bucket of an account, then one more each time.
    pub number: i64,
    pub kind: BucketKind,
    pub priority: i64,
    /// What is in it, held credits included.
    pub remaining: Credits,
    /// What holds have set aside of it.
    pub held: Credits,
    /// From then on nothing is drawn from it, and what is not held expires.
    pub expires_at: Option<Timestamp>,
    /// For a plan bucket alone.
    pub grant: Option<GrantKey>,
}

impl Bucket {
    /// What is in it and not held.
    #[must_use]
    pub const fn free(&self) -> Credits {
        Credits(self.remaining.0 - self.held.0)
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    fn draw_order(&self) -> (i64, i64, i64) {
        let end = self.expires_at.map_or(i64::MAX, |end| end.0);
        (self.priority, end, self.number)
    }
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldEnd {
    Confirmed,
    Released,
    Expired,
}

impl HoldEnd {
    /// Every end.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Released, Self::Expired];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// Credits that are set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// 1 for the first hold of an account, then one more each time.
    pub number: i64,
    pub expires_at: Timestamp,
    /// Bucket number and amount, in the order in which they are drawn.
    pub parts: Vec<(i64, Credits)>,
}

impl Hold {
    /// What is set aside.
    #[must_use]
    pub fn amount(&self) -> Credits {
        Credits(self.parts.iter().map(|(_, amount)| amount.0).sum())
    }
}

/// A hold that was made since the purse was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    pub hold: Hold,
    pub description: String,
    /// A JSON object.
    pub metadata: String,
}

/// A hold that has ended since the purse was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedHold {
    pub number: i64,
    pub end: HoldEnd,
    /// What was drawn; 0 unless it was confirmed.
    pub confirmed: Credits,
    pub at: Timestamp,
}

/// What an entry says beside its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub transaction_type: TransactionType,
    pub description: String,
    /// A JSON object.
    pub metadata: String,
}

impl Reason {
    /// A reason without metadata.
    #[must_use]
    pub fn plain(transaction_type: TransactionType, description: impl Into<String>) -> Self {
        Self {
            transaction_type,
            description: description.into(),
            metadata: "{}".into(),
        }
    }
}

/// What has happened to a purse since it was loaded, each in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    pub entries: Vec<(Movement, Reason)>,
    /// As they were when they were new.
    pub buckets: Vec<Bucket>,
    pub holds: Vec<NewHold>,
    pub ended_holds: Vec<EndedHold>,
}

/// An account's credits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    pub head: LedgerHead,
    /// Every bucket that is not empty, in the order of their numbers.
    pub buckets: Vec<Bucket>,
    /// The number of the last bucket.
    pub bucket_count: i64,
    /// Every open hold, in the order of their numbers.
    pub holds: Vec<Hold>,
    /// The number of the last hold.
    pub hold_count: i64,
    /// What is not stored yet.
    pub journal: Journal,
}

impl Purse {
    /// What can be used: the balance less what is held.
    #[must_use]
    pub fn available(&self) -> Credits {
        Credits(self.head.balance.0 - self.held().0)
    }

    /// What holds have set aside.
    #[must_use]
    pub fn held(&self) -> Credits {
        Credits(self.buckets.iter().map(|bucket| bucket.held.0).sum())
    }

    /// When time itself next changes something here: a hold or a bucket expires.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let holds = self.holds.iter().map(|hold| hold.expires_at);
        let buckets = self.buckets.iter().filter(|bucket| bucket.free() > Credits::ZERO);
        holds.chain(buckets.filter_map(|bucket| bucket.expires_at)).min()
    }

    fn enter(&mut self, amount: Credits, reason: Reason) -> Result<(), Refusal> {
        let movement = self.head.append(amount)?;
        self.head = LedgerHead {
            balance: movement.balance_after,
            sequence: movement.sequence,
        };
        self.journal.entries.push((movement, reason));
        Ok(())
    }

    /// Indexes of buckets with free credits, in the order in which they are drawn from, and how much of `amount` each gives.
    fn drawn(&self, amount: Credits, now: Timestamp) -> Result<Vec<(usize, Credits)>, Refusal> {
        if amount <= Credits::ZERO {
            return Err(Refusal::Internal);
        }
        let mut order: Vec<usize> = (0..self.buckets.len())
            .filter(|index| {
                let bucket = &self.buckets[*index];
                bucket.free() > Credits::ZERO && !bucket.has_expired(now)
            })
            .collect();
        order.sort_by_key(|index| self.buckets[*index].draw_order());
        let (mut parts, mut missing) = (Vec::new(), amount);
        for index in order {
            let part = missing.min(self.buckets[index].free());
            parts.push((index, part));
            missing.0 -= part.0;
            if missing == Credits::ZERO {
                return Ok(parts);
            }
        }
        Err(Refusal::InsufficientCredits)
    }

    /// Draws `amount` (more than 0).
    ///
    /// # Errors
    /// `insufficient_credits`.
    pub fn consume(&mut self, amount: Credits, reason: Reason, now: Timestamp) -> Result<(), Refusal> {
        let parts = self.drawn(amount, now)?;
        self.enter(Credits(-amount.0), reason)?;
        for (index, part) in parts {
            self.buckets[index].remaining.0 -= part.0;
        }
        self.forget_empty();
        Ok(())
    }

    /// Adds a bucket with `amount` (more than 0) in it.
    ///
    /// # Errors
    /// `internal` for an amount that is not more than 0 or leaves the range of 64 bits.
    pub fn add(
        &mut self,
        kind: BucketKind,
        amount: Credits,
        expires_at: Option<Timestamp>,
        reason: Reason,
    ) -> Result<(), Refusal> {
        self.add_bucket(kind, amount, expires_at, None, reason)
    }

    fn add_bucket(
        &mut self,
        kind: BucketKind,
        amount: Credits,
        expires_at: Option<Timestamp>,
        grant: Option<GrantKey>,
        reason: Reason,
    ) -> Result<(), Refusal> {
        if amount <= Credits::ZERO {
            return Err(Refusal::Internal);
        }
        self.enter(amount, reason)?;
        self.bucket_count += 1;
        let bucket = Bucket {
            number: self.bucket_count,
            kind,
            priority: kind.priority(),
            remaining: amount,
            held: Credits::ZERO,
            expires_at,
            grant,
        };
        self.buckets.push(bucket);
        self.journal.buckets.push(bucket);
        Ok(())
    }

    /// Ends what is left of earlier grants and makes a new one, of nothing where the plan grants nothing. Held credits stay where they are until their hold ends.
    ///
    /// # Errors
    /// As for [`Purse::add`].
    pub fn reset_plan(
        &mut self,
        amount: Credits,
        grant: GrantKey,
        reason: Reason,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        for bucket in &mut self.buckets {
            if bucket.kind == BucketKind::Plan && !bucket.has_expired(at) {
                bucket.expires_at = Some(at);
            }
        }
        self.expire_buckets(at)?;
        if amount == Credits::ZERO {
            return Ok(());
        }
        self.add_bucket(BucketKind::Plan, amount, None, Some(grant), reason)
    }

    /// Sets `amount` (more than 0) aside until `expires_at` and gives back the hold's number. `metadata` is a JSON object.
    ///
    /// # Errors
    /// `insufficient_credits`, `too_many_holds`.
    pub fn hold(
        &mut self,
        amount: Credits,
        expires_at: Timestamp,
        description: String,
        metadata: String,
        now: Timestamp,
    ) -> Result<i64, Refusal> {
        let parts = self.drawn(amount, now)?;
        if self.holds.len() >= MAX_OPEN_HOLDS {
            return Err(Refusal::TooManyHolds);
        }
        self.hold_count += 1;
        let named = |(index, part): &(usize, Credits)| (self.buckets[*index].number, *part);
        let hold = Hold {
            number: self.hold_count,
            expires_at,
            parts: parts.iter().map(named).collect(),
        };
        self.holds.push(hold.clone());
        self.journal.holds.push(NewHold {
            hold,
            description,
            metadata,
        });
        for (index, part) in parts {
            self.buckets[index].held.0 += part.0;
        }
        Ok(self.hold_count)
    }

    /// Draws `amount` (more than 0) of what a hold has set aside and lets go of the rest.
    ///
    /// # Errors
    /// `hold_ended` where it is not open, `insufficient_credits` for more than it has set aside.
    pub fn confirm(&mut self, number: i64, amount: Credits, reason: Reason, now: Timestamp) -> Result<(), Refusal> {
        let hold = self.open_hold(number)?;
        if amount <= Credits::ZERO {
            return Err(Refusal::Internal);
        }
        if amount > hold.amount() {
            return Err(Refusal::InsufficientCredits);
        }
        self.enter(Credits(-amount.0), reason)?;
        self.end_hold(&hold, HoldEnd::Confirmed, amount, now)
    }

    /// Lets go of what a hold has set aside.
    ///
    /// # Errors
    /// `hold_ended` where it is not open.
    pub fn release(&mut self, number: i64, now: Timestamp) -> Result<(), Refusal> {
        let hold = self.open_hold(number)?;
        self.end_hold(&hold, HoldEnd::Released, Credits::ZERO, now)
    }

    fn open_hold(&self, number: i64) -> Result<Hold, Refusal> {
        let found = self.holds.iter().find(|hold| hold.number == number);
        found.cloned().ok_or(Refusal::HoldEnded)
    }

    fn end_hold(&mut self, hold: &Hold, end: HoldEnd, confirmed: Credits, at: Timestamp) -> Result<(), Refusal> {
        self.holds.retain(|open| open.number != hold.number);
        self.journal.ended_holds.push(EndedHold {
            number: hold.number,
            end,
            confirmed,
            at,
        });
        let mut to_draw = confirmed;
        for (number, part) in &hold.parts {
            // A bucket with held credits is never forgotten, so every part still has its own.
            if let Some(bucket) = self.buckets.iter_mut().find(|bucket| bucket.number == *number) {
                let drawn = to_draw.min(*part);
                bucket.held.0 -= part.0;
                bucket.remaining.0 -= drawn.0;
                to_draw.0 -= drawn.0;
            }
        }
        self.expire_buckets(at)
    }

    fn expire_buckets(&mut self, at: Timestamp) -> Result<(), Refusal> {
        for index in 0..self.buckets.len() {
            let bucket = self.buckets[index];
            if !bucket.has_expired(at) || bucket.free() <= Credits::ZERO {
                continue;
            }
            let what = match bucket.kind {
                BucketKind::Plan => "Unused plan credits expired",
                BucketKind::Bonus => "Bonus credits expired",
                BucketKind::Purchased => "Purchased credits expired",
            };
            self.enter(Credits(-bucket.free().0), Reason::plain(TransactionType::Expiry, what))?;
            self.buckets[index].remaining = bucket.held;
        }
        self.forget_empty();
        Ok(())
    }

    fn forget_empty(&mut self) {
        self.buckets.retain(|bucket| bucket.remaining > Credits::ZERO);
    }

    /// Ends the holds and buckets whose time has come by `at`.
    ///
    /// # Errors
    /// None that a well-formed purse can meet.
    pub fn expire(&mut self, at: Timestamp) -> Result<(), Refusal> {
        let over: Vec<Hold> = self
            .holds
            .iter()
            .filter(|hold| hold.expires_at <= at)
            .cloned()
            .collect();
        for hold in over {
            self.end_hold(&hold, HoldEnd::Expired, Credits::ZERO, at)?;
        }
        self.expire_buckets(at)
    }

    /// What is wrong with it, if anything is: the balance is what lies in the buckets, and what is held there is what the
    /// open holds have set aside.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let total: i64 = self.buckets.iter().map(|bucket| bucket.remaining.0).sum();
        if total != self.head.balance.0 {
            return Some(format!(
                "its balance is {} and its buckets hold {total}",
                self.head.balance.0
            ));
        }
        for bucket in &self.buckets {
            let parts = self.holds.iter().flat_map(|hold| &hold.parts);
            let held: i64 = parts.filter(|part| part.0 == bucket.number).map(|part| part.1.0).sum();
            if held != bucket.held.0 || !(0..=bucket.remaining.0).contains(&bucket.held.0) {
                return Some(format!(
                    "bucket {} has {} of {} held and its holds come to {held}",
                    bucket.number, bucket.held.0, bucket.remaining.0
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;

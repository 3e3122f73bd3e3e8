//! Debits: what is drawn from credits and what is set aside of them, many requests in one transaction. Each is decided by
//! itself, in its order, on purses that are loaded once and stored once; a request that is refused touches no other.

use super::StoryError;
use super::change::{Answer, Ask, replay};
use super::line;
use crate::domain::ledger::TransactionType;
use crate::domain::purse::{Purse, Reason};
use crate::domain::standing::account_facts;
use crate::storage::account::{self, Counts, Locked};
use crate::storage::hold::{self, StoredHold};
use crate::storage::idempotency::{self, NewAnswer, RequestKey, Scope, StoredAnswer};
use crate::storage::ledger::Entry;
use crate::storage::purse::{self, Changed, EntryIds};
use crate::storage::{Connection, Store};
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountFacts, AccountStatus, StandingNeed, validate_account_and_plan};
use igny8_contract::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};

/// How an entry is answered: the `data` of the envelope.
pub type ShowEntry = fn(&Entry) -> Result<Value, StoryError>;
/// How a hold is answered: the `data` of the envelope.
pub type ShowHold = fn(&StoredHold) -> Result<Value, StoryError>;

/// How much is used, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// More than 0.
    pub amount: Credits,
    pub description: String,
    /// A JSON object.
    pub metadata: String,
}

/// What is asked of an account's credits.
#[derive(Clone, Debug)]
pub enum Debit {
    Consume {
        spend: Spend,
        show: ShowEntry,
    },
    Hold {
        spend: Spend,
        /// How long it lives.
        seconds: i64,
        show: ShowHold,
    },
    Confirm {
        hold: i64,
        /// All of it where nothing is said.
        amount: Option<Credits>,
        show: ShowEntry,
    },
    Release {
        hold: i64,
        show: ShowHold,
    },
}

/// A debit and who asks for it.
#[derive(Clone, Debug)]
pub struct Command {
    pub ask: Ask,
    pub debit: Debit,
}

impl Command {
    /// The hold that it is about.
    fn hold(&self) -> Option<(AccountId, i64)> {
        match self.debit {
            Debit::Confirm { hold, .. } | Debit::Release { hold, .. } => Some((self.ask.account_id, hold)),
            Debit::Consume { .. } | Debit::Hold { .. } => None,
        }
    }
}

/// What comes of a command. It stands behind its account where time has to change something in that first.
pub type Verdict = line::Verdict<Answer, AccountId>;

/// When commands are carried out.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The service's time.
    pub now: Timestamp,
    /// The machine's, by which answers are kept.
    pub machine_now: Timestamp,
}

struct Batch<'a> {
    commands: &'a [Command],
    moment: Moment,
}

/// Carries out `commands` in one transaction and says for each, in their order, what comes of it.
///
/// # Errors
/// What keeps all of them from being carried out: nothing has changed then.
pub async fn carry_out(store: &Store, commands: &[Command], moment: Moment) -> Result<Vec<Verdict>, StoryError> {
    let batch = Batch { commands, moment };
    store
        .write_quietly(&batch, |connection, batch| Box::pin(commit(connection, batch)))
        .await
}

/// An account whose row is locked.
struct Open {
    locked: Locked,
    /// What its standing turns on.
    facts: Option<AccountFacts>,
    before: Purse,
    after: Purse,
}

/// What the commands of a batch are decided on.
struct Desk {
    now: Timestamp,
    accounts: HashMap<AccountId, Open>,
    /// The holds that commands are about.
    holds: HashMap<(AccountId, i64), StoredHold>,
    /// What was answered before this batch.
    answered: HashMap<Scope, StoredAnswer>,
    /// Which command of this batch was carried out under a key.
    first: HashMap<Scope, (usize, RequestKey)>,
}

/// What is decided on a command, before it is stored.
enum Decision {
    Over(Result<Answer, StoryError>),
    Due,
    /// The same request as the one at this place of the batch.
    Again(usize),
    /// An entry, at this place of its purse's journal.
    Entry(usize, ShowEntry),
    Hold(u16, StoredHold, ShowHold),
}

async fn commit(connection: &mut Connection, batch: &Batch<'_>) -> Result<Vec<Verdict>, StoryError> {
    let mut desk = Desk::load(connection, batch).await?;
    let decisions: Vec<Decision> = (batch.commands.iter().enumerate())
        .map(|(index, command)| desk.decide(index, command))
        .collect();
    let ids = desk.save(connection).await?;
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(decisions.len());
    let mut kept = Vec::new();
    for (command, decision) in batch.commands.iter().zip(decisions) {
        let answer = match decision {
            Decision::Due => {
                verdicts.push(Verdict::Behind(command.ask.account_id));
                continue;
            }
            Decision::Over(answer) => {
                verdicts.push(Verdict::Over(answer));
                continue;
            }
            Decision::Again(first) => {
                let again = match verdicts.get(first) {
                    Some(Verdict::Over(Ok(answer))) => Ok(Answer {
                        replayed: true,
                        ..answer.clone()
                    }),
                    _ => Err(StoryError::Fault(
                        "the first of two equal requests is not answered".into(),
                    )),
                };
                verdicts.push(Verdict::Over(again));
                continue;
            }
            Decision::Entry(index, show) => Answer::new(200, show(&desk.entry(&ids, command.ask.account_id, index)?)?),
            Decision::Hold(status, hold, show) => Answer::new(status, show(&hold)?),
        };
        kept.extend(command.ask.key.map(|key| NewAnswer {
            key,
            account_id: command.ask.account_id,
            status: i64::from(answer.status),
            answer: answer.data.to_string(),
        }));
        verdicts.push(Verdict::Over(Ok(answer)));
    }
    idempotency::keep(connection, &kept, batch.moment.machine_now).await?;
    Ok(verdicts)
}

impl Desk {
    async fn load(connection: &mut Connection, batch: &Batch<'_>) -> Result<Self, StoryError> {
        let commands = batch.commands;
        let ids: BTreeSet<AccountId> = commands.iter().map(|command| command.ask.account_id).collect();
        let locked = account::lock(connection, &ids).await?;
        let with_holds: BTreeSet<AccountId> = commands
            .iter()
            .filter(|command| !matches!(command.debit, Debit::Consume { .. }))
            .map(|command| command.ask.account_id)
            .collect();
        let (holding, plain): (Vec<Locked>, Vec<Locked>) =
            (locked.into_iter()).partition(|locked| with_holds.contains(&locked.account.id));
        let mut purses = purse::load(connection, &holding, true).await?;
        purses.extend(purse::load(connection, &plain, false).await?);
        let mut accounts = HashMap::with_capacity(ids.len());
        for locked in holding.into_iter().chain(plain) {
            let id = locked.account.id;
            let before = purses.remove(&id).unwrap_or_default();
            let open = Open {
                facts: facts(connection, &locked).await?,
                locked,
                after: before.clone(),
                before,
            };
            accounts.insert(id, open);
        }
        let asked: BTreeSet<(AccountId, i64)> = commands.iter().filter_map(Command::hold).collect();
        let asked: Vec<_> = asked.into_iter().collect();
        let scopes: BTreeSet<Scope> = commands
            .iter()
            .filter_map(|command| Some(command.ask.key?.scope))
            .collect();
        let scopes: Vec<_> = scopes.into_iter().collect();
        Ok(Self {
            now: batch.moment.now,
            accounts,
            holds: hold::find(connection, &asked).await?,
            answered: idempotency::find(connection, &scopes).await?,
            first: HashMap::new(),
        })
    }

    fn decide(&mut self, index: usize, command: &Command) -> Decision {
        let key = command.ask.key;
        if let Some(key) = key {
            if let Some(stored) = self.answered.get(&key.scope) {
                return Decision::Over(replay(key, stored));
            }
            match self.first.get(&key.scope) {
                Some((first, same)) if *same == key => return Decision::Again(*first),
                Some(_) => return Decision::Over(Err(Refusal::IdempotencyKeyReused.into())),
                None => {}
            }
        }
        let Some(open) = self.accounts.get_mut(&command.ask.account_id) else {
            return Decision::Over(Err(Refusal::AccountMissing.into()));
        };
        if open.locked.due.is_some_and(|due| due <= self.now) {
            return Decision::Due;
        }
        let held = command.hold().and_then(|hold| self.holds.get(&hold));
        let may = open.may(&command.debit, self.now);
        match may.and_then(|()| open.take(&command.debit, held, self.now)) {
            Ok(decision) => {
                self.first.extend(key.map(|key| (key.scope, (index, key))));
                decision
            }
            Err(refusal) => Decision::Over(Err(refusal.into())),
        }
    }

    /// Stores the purses and gives back the identifiers of their entries.
    async fn save(&self, connection: &mut Connection) -> Result<EntryIds, StoryError> {
        let touched = self.accounts.iter().filter(|(_, open)| open.after != open.before);
        let changed: Vec<Changed<'_>> = touched
            .clone()
            .map(|(id, open)| Changed {
                account_id: *id,
                before: &open.before,
                after: &open.after,
            })
            .collect();
        let ids = purse::save(connection, &changed, self.now).await?;
        let counts: Vec<Counts> = touched.filter_map(|(id, open)| open.counts(*id)).collect();
        account::save_counts(connection, &counts).await?;
        Ok(ids)
    }

    fn entry(&self, ids: &EntryIds, account_id: AccountId, index: usize) -> Result<Entry, StoryError> {
        let journal = self.accounts.get(&account_id).map(|open| &open.after.journal);
        let entry = journal
            .and_then(|journal| journal.entries.get(index))
            .and_then(|(movement, reason)| {
                Some(Entry {
                    id: *ids.get(&(account_id, movement.sequence))?,
                    movement: *movement,
                    reason: reason.clone(),
                    created_at: self.now,
                })
            });
        entry.ok_or_else(|| StoryError::Fault("an entry was not stored".into()))
    }
}

impl Open {
    /// Whether the account's standing bears a debit, decided on its locked row. Letting go of a hold costs nothing: whoever
    /// can still put their account right may.
    fn may(&self, debit: &Debit, now: Timestamp) -> Result<(), Refusal> {
        let need = match debit {
            Debit::Consume { .. } | Debit::Hold { .. } | Debit::Confirm { .. } => StandingNeed::Required,
            Debit::Release { .. } => StandingNeed::Any,
        };
        validate_account_and_plan(self.facts.as_ref(), need, false, now)
    }

    /// Takes one debit.
    fn take(&mut self, debit: &Debit, held: Option<&StoredHold>, now: Timestamp) -> Result<Decision, Refusal> {
        let entry = self.after.journal.entries.len();
        match debit {
            Debit::Consume { spend, show } => {
                let reason = Reason {
                    transaction_type: TransactionType::Consumption,
                    description: spend.description.clone(),
                    metadata: spend.metadata.clone(),
                };
                self.after.consume(spend.amount, reason, now)?;
                Ok(Decision::Entry(entry, *show))
            }
            Debit::Hold { spend, seconds, show } => {
                let (description, metadata) = (spend.description.clone(), spend.metadata.clone());
                let end = now.plus_seconds(*seconds);
                self.after.hold(spend.amount, end, description, metadata, now)?;
                let made = self.after.journal.holds.last().ok_or(Refusal::Internal)?;
                Ok(Decision::Hold(201, StoredHold::new(made, now), *show))
            }
            Debit::Confirm { hold, amount, show } => {
                let held = self.known(*hold, held, now)?;
                let amount = amount.unwrap_or(held.amount);
                self.after.confirm(*hold, amount, confirmed(&held)?, now)?;
                Ok(Decision::Entry(entry, *show))
            }
            Debit::Release { hold, show } => {
                let held = self.known(*hold, held, now)?;
                self.after.release(*hold, now)?;
                let ended = self.after.journal.ended_holds.last().ok_or(Refusal::Internal)?;
                Ok(Decision::Hold(200, held.ended(ended), *show))
            }
        }
    }

    /// A hold as it was stored, or made in this batch.
    fn known(&self, number: i64, stored: Option<&StoredHold>, now: Timestamp) -> Result<StoredHold, Refusal> {
        let made = self.after.journal.holds.iter().find(|new| new.hold.number == number);
        let made = made.map(|new| StoredHold::new(new, now));
        stored.cloned().or(made).ok_or(Refusal::NotFound)
    }

    /// What must be stored in the account's own row, if anything must.
    fn counts(&self, id: AccountId) -> Option<Counts> {
        // Never later than before: what else makes the account due is not known here. A call that comes too early finds
        // nothing to do and sets it right.
        let due = self.locked.due.into_iter().chain(self.after.due()).min();
        let before = Counts::of(id, &self.before, self.locked.due);
        let after = Counts::of(id, &self.after, due);
        (before != after).then_some(after)
    }
}

/// What the standing of a locked account turns on.
async fn facts(connection: &mut Connection, locked: &Locked) -> Result<Option<AccountFacts>, StoryError> {
    let account = &locked.account;
    Ok(match account.status {
        AccountStatus::Trial | AccountStatus::Active | AccountStatus::Cancelled => {
            Some(account_facts(account, None, None, None))
        }
        // These turn on the ends of periods.
        AccountStatus::PastDue | AccountStatus::PendingPayment | AccountStatus::Suspended => {
            account::facts(connection, account.id).await?
        }
    })
}

/// Why a hold's credits are drawn: what it was made for, and which hold it was.
fn confirmed(held: &StoredHold) -> Result<Reason, Refusal> {
    let mut metadata: Map<String, Value> = serde_json::from_str(&held.metadata).map_err(|_| Refusal::Internal)?;
    metadata.insert("hold_id".into(), json!(held.number));
    Ok(Reason {
        transaction_type: TransactionType::Consumption,
        description: held.description.clone(),
        metadata: Value::Object(metadata).to_string(),
    })
}

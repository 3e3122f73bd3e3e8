//! The limits file: what the operator wrote becomes what the throttle uses.
//!
//! `[default]`, `[plan.SLUG]`, `[account.ID]`, `[address]`, `[cold]` and `[scope.NAME]`, each with `rate`, `burst` and an
//! optional `mode`. An account's own table goes before its plan's, its plan's before `[default]`. A file without
//! `[default]`, `[address]` or `[cold]` gets the one that is built in.

use super::buckets::Version;
use super::gcra::Quota;
use super::limit::{Limit, Mode, is_name};
use aws_lc_rs::digest;
use foldhash::fast::RandomState;
use igny8_contract::ids::AccountId;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use toml::Spanned;

/// How many scope names a process can meet in its life, over all versions of its limits file.
pub const SCOPES_MAX: usize = 256;

/// Names that clients already know another limit by.
const RESERVED_NAMES: [&str; 5] = ["default", "plan", "account", "address", "cold"];

/// What holds where the file says nothing: (table, rate, burst).
const BUILT_IN: [(&str, &str, i64); 3] = [
    ("default", "600/m", 100),
    ("address", "300/m", 60),
    ("cold", "60/m", 30),
];

/// A scope's number. It stays the same over reloads, so that a route resolves its scope once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeId(u16);

impl ScopeId {
    pub(super) const fn index(self) -> u16 {
        self.0
    }
}

/// The scope names met so far; a name's place is its id.
#[derive(Debug, Default)]
pub struct ScopeNames(Vec<Box<str>>);

impl ScopeNames {
    /// The id of a name that has been met.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<ScopeId> {
        let place = self.0.iter().position(|known| **known == *name)?;
        u16::try_from(place).ok().map(ScopeId)
    }

    /// The id of a name, a new one if need be; nothing when there are too many.
    pub fn intern(&mut self, name: &str) -> Option<ScopeId> {
        if let Some(known) = self.get(name) {
            return Some(known);
        }
        if self.0.len() >= SCOPES_MAX {
            return None;
        }
        self.0.push(name.into());
        self.get(name)
    }
}

/// What is wrong with a limits file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsError {
    /// The file, as it was named.
    pub file: Box<str>,
    /// The line, from 1; 0 when the fault is of the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 when the fault is of the file as a whole.
    pub column: usize,
    /// The key, such as `plan.scale.rate`, where it is known.
    pub key: Option<Box<str>>,
    pub message: Box<str>,
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for LimitsError {}

/// The limits in force.
#[derive(Debug)]
pub struct Limits {
    version: Version,
    hash: [u8; 32],
    default: Arc<Limit>,
    address: Arc<Limit>,
    cold: Arc<Limit>,
    plans: HashMap<Box<str>, Arc<Limit>, RandomState>,
    accounts: HashMap<i64, Arc<Limit>, RandomState>,
    scopes: Vec<Option<Arc<Limit>>>,
    scope_ids: BTreeMap<Box<str>, ScopeId>,
}

/// A section that admits more than what holds where the file says nothing.
#[derive(Clone, Debug)]
pub struct Larger {
    /// Such as `plan.scale`.
    pub section: String,
    pub quota: Quota,
    pub built_in: Quota,
}

impl Limits {
    /// Reads a limits file. `file` names it in errors; `count` is how many sets of limits came before, plus one.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, column and key.
    pub fn parse(text: &str, file: &str, count: u64, names: &mut ScopeNames) -> Result<Self, LimitsError> {
        let source = Source { text, file };
        if text.trim().is_empty() {
            // An editor that truncates before it writes shows an empty file for a moment; nobody means one.
            return Err(source.error(None, None, "the file is empty"));
        }
        let written: Written = toml::from_str(text)
            .map_err(|error| source.error(error.span().map(|span| span.start), None, error.message()))?;
        Self::check(written, &source, count, names)
    }

    fn check(written: Written, source: &Source<'_>, count: u64, names: &mut ScopeNames) -> Result<Self, LimitsError> {
        let mut plans = HashMap::default();
        for (slug, table) in &written.plan {
            let section = format!("plan.{}", slug.as_ref());
            source.check_name(slug, &section)?;
            plans.insert(
                slug.as_ref().as_str().into(),
                source.limit("plan", &section, &section, table)?,
            );
        }
        let mut accounts = HashMap::default();
        for (id, table) in &written.account {
            let section = format!("account.{}", id.as_ref());
            accounts.insert(
                source.account_id(id, &section)?,
                source.limit("account", &section, "account", table)?,
            );
        }
        let mut scopes = Vec::new();
        let mut scope_ids = BTreeMap::new();
        for (name, table) in &written.scope {
            let section = format!("scope.{}", name.as_ref());
            source.check_name(name, &section)?;
            if RESERVED_NAMES.contains(&name.as_ref().as_str()) {
                return Err(source.error(
                    Some(name.span().start),
                    Some(&section),
                    "this name is taken by a limit of its own",
                ));
            }
            let limit = source.limit(name.as_ref(), &section, &section, table)?;
            let Some(id) = names.intern(name.as_ref()) else {
                let message = "more than 256 scope names since the start; restart to forget the old ones";
                return Err(source.error(Some(name.span().start), Some(&section), message));
            };
            let place = usize::from(id.0);
            if scopes.len() <= place {
                scopes.resize(place + 1, None);
            }
            scopes[place] = Some(limit);
            scope_ids.insert(name.as_ref().as_str().into(), id);
        }
        let [default, address, cold] = [written.default, written.address, written.cold];
        Ok(Self {
            version: Version::of(count),
            hash: content_hash(source.text.as_bytes()),
            default: source.limit_or_built_in(BUILT_IN[0], default.as_ref())?,
            address: source.limit_or_built_in(BUILT_IN[1], address.as_ref())?,
            cold: source.limit_or_built_in(BUILT_IN[2], cold.as_ref())?,
            plans,
            accounts,
            scopes,
            scope_ids,
        })
    }

    /// Those of `scopes` that the file gives no limit to: the account's or the address's own limit holds there alone.
    pub fn without_limit<'s>(&self, scopes: &'s [impl AsRef<str>]) -> impl Iterator<Item = &'s str> {
        scopes
            .iter()
            .map(AsRef::as_ref)
            .filter(|scope| !self.scope_ids.contains_key(*scope))
    }

    /// The sections of the file that refuse nobody.
    #[must_use]
    pub fn shadows(&self) -> Vec<&str> {
        let shared = [&self.default, &self.address, &self.cold];
        let all = shared
            .into_iter()
            .chain(self.plans.values())
            .chain(self.accounts.values())
            .chain(self.scopes.iter().flatten());
        let mut sections: Vec<&str> = all
            .filter(|limit| limit.mode() == Mode::Shadow)
            .map(|limit| limit.section().as_ref())
            .collect();
        sections.sort_unstable();
        sections.dedup();
        sections
    }

    /// The sections that admit more than what holds where the file says nothing. A scope has nothing of the kind: it only
    /// takes away.
    #[must_use]
    pub fn larger(&self) -> Vec<Larger> {
        let built_in = |name: &str| {
            let (_, rate, burst) = BUILT_IN.into_iter().find(|(known, _, _)| *known == name)?;
            Quota::parse(rate, burst).ok()
        };
        let shared = [
            ("default", &self.default),
            ("address", &self.address),
            ("cold", &self.cold),
        ];
        let shared = shared.map(|(name, limit)| (name.to_owned(), name, limit));
        let plans = self
            .plans
            .iter()
            .map(|(slug, limit)| (format!("plan.{slug}"), "default", limit));
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(id, limit)| (format!("account.{id}"), "default", limit));
        let mut larger: Vec<Larger> = shared
            .into_iter()
            .chain(plans)
            .chain(accounts)
            .filter_map(|(section, instead_of, limit)| {
                let (quota, built_in) = (*limit.quota(), built_in(instead_of)?);
                let is_larger =
                    quota.emission_interval_ns() < built_in.emission_interval_ns() || quota.burst() > built_in.burst();
                is_larger.then_some(Larger {
                    section,
                    quota,
                    built_in,
                })
            })
            .collect();
        larger.sort_unstable_by(|one, other| one.section.cmp(&other.section));
        larger
    }

    /// The id of a scope of this file.
    #[must_use]
    pub fn scope_id(&self, name: &str) -> Option<ScopeId> {
        self.scope_ids.get(name).copied()
    }

    /// The limit of a scope; nothing for a scope that this file does not have.
    #[must_use]
    pub fn scope(&self, scope: ScopeId) -> Option<&Arc<Limit>> {
        self.scopes.get(usize::from(scope.0))?.as_ref()
    }

    /// The limit of an account: its own, else its plan's, else the default.
    #[must_use]
    pub fn account(&self, account: AccountId, plan: &str) -> &Arc<Limit> {
        if !self.accounts.is_empty()
            && let Some(limit) = self.accounts.get(&account.0)
        {
            return limit;
        }
        self.plans.get(plan).unwrap_or(&self.default)
    }

    /// The limit of an account that has no other.
    #[must_use]
    pub const fn default_limit(&self) -> &Arc<Limit> {
        &self.default
    }

    /// The limit of a client address.
    #[must_use]
    pub const fn address(&self) -> &Arc<Limit> {
        &self.address
    }

    /// The limit of a client address's cold work.
    #[must_use]
    pub const fn cold(&self) -> &Arc<Limit> {
        &self.cold
    }

    /// SHA-256 of the file's bytes.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }
}

/// SHA-256 of a file's bytes.
pub(super) fn content_hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    default: Option<Table>,
    #[serde(default)]
    plan: BTreeMap<Spanned<String>, Table>,
    #[serde(default)]
    account: BTreeMap<Spanned<String>, Table>,
    address: Option<Table>,
    cold: Option<Table>,
    #[serde(default)]
    scope: BTreeMap<Spanned<String>, Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rate: Spanned<String>,
    burst: Spanned<i64>,
    #[serde(default)]
    mode: Mode,
}

/// The text that errors point into.
struct Source<'a> {
    text: &'a str,
    file: &'a str,
}

impl Source<'_> {
    fn error(&self, offset: Option<usize>, key: Option<&str>, message: &str) -> LimitsError {
        let (line, column) = offset.map_or((0, 0), |offset| {
            let before = self.text.get(..offset).unwrap_or(self.text);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            (
                before.matches('\n').count() + 1,
                before[line_start..].chars().count() + 1,
            )
        });
        LimitsError {
            file: self.file.into(),
            line,
            column,
            key: key.map(Into::into),
            message: message.into(),
        }
    }

    fn check_name(&self, name: &Spanned<String>, section: &str) -> Result<(), LimitsError> {
        if is_name(name.as_ref()) {
            return Ok(());
        }
        let message = "a name is 1 to 64 lower-case letters, digits, hyphens and underscores";
        Err(self.error(Some(name.span().start), Some(section), message))
    }

    fn account_id(&self, id: &Spanned<String>, section: &str) -> Result<i64, LimitsError> {
        let digits = id.as_ref();
        let number: Option<i64> = digits
            .parse()
            .ok()
            .filter(|number: &i64| *number > 0 && number.to_string() == *digits);
        number.ok_or_else(|| {
            self.error(
                Some(id.span().start),
                Some(section),
                "an account is named by its id, a positive number",
            )
        })
    }

    /// A limit: `name` for clients, `section` for errors, `label` for metrics.
    fn limit(&self, name: &str, section: &str, label: &str, table: &Table) -> Result<Arc<Limit>, LimitsError> {
        use super::gcra::QuotaError::{BurstRange, RateForm, RateRange, WindowTooLong};
        let quota = Quota::parse(table.rate.as_ref(), *table.burst.as_ref()).map_err(|error| {
            let (key, offset) = match error {
                RateForm | RateRange => ("rate", table.rate.span().start),
                BurstRange | WindowTooLong => ("burst", table.burst.span().start),
            };
            self.error(Some(offset), Some(&format!("{section}.{key}")), &error.to_string())
        })?;
        let limit = Limit::new(name, label, quota, table.mode);
        limit
            .map(Arc::new)
            .ok_or_else(|| self.error(None, Some(section), "this cannot name a limit"))
    }

    fn limit_or_built_in(&self, built_in: (&str, &str, i64), table: Option<&Table>) -> Result<Arc<Limit>, LimitsError> {
        let (name, rate, burst) = built_in;
        if let Some(table) = table {
            return self.limit(name, name, name, table);
        }
        let rate = Spanned::new(0..0, rate.to_owned());
        self.limit(
            name,
            name,
            name,
            &Table {
                rate,
                burst: Spanned::new(0..0, burst),
                mode: Mode::Enforce,
            },
        )
    }
}

#[cfg(test)]
mod tests;

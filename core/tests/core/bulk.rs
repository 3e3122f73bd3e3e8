//! Statements for many rows: where one does not take all of them, none is lost and none is taken for another.

use super::inside::Inside;
use super::site::on_both;
use igny8_contract::ids::AccountId;
use igny8_contract::standing::AccountStatus;
use igny8_contract::time::Timestamp;
use igny8_core::domain::account::{AccountKind, NewAccount};
use igny8_core::storage::account::{self, Counts};
use igny8_core::storage::{Connection, Error};
use std::collections::BTreeSet;

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

/// Stores accounts and, in a second statement, how many buckets each has had: as many as its place; then reads them back.
async fn stored_and_read(connection: &mut Connection, new: &[NewAccount]) -> Result<Vec<(String, i64)>, Error> {
    let added = account::insert(connection, new, NOW).await?;
    let counts: Vec<Counts> = (added.iter().zip(0..))
        .map(|(account, place)| Counts {
            account_id: account.id,
            bucket_count: place,
            hold_count: 0,
            due: None,
        })
        .collect();
    account::save_counts(connection, &counts).await?;
    let ids: BTreeSet<AccountId> = added.iter().map(|account| account.id).collect();
    let locked = account::lock(connection, &ids).await?;
    assert!(locked.iter().map(|one| one.account.id).eq(ids), "in their order");
    Ok(locked
        .into_iter()
        .map(|one| (one.account.name, one.bucket_count))
        .collect())
}

#[test]
fn more_rows_than_one_statement_takes_are_stored_changed_and_read_all_of_them() {
    on_both(|site| {
        let inside = Inside::of(&site, NOW);
        let plan_id = inside.plan("free").id;
        for many in [0, 1, 64, 141] {
            let new: Vec<NewAccount> = (0..many)
                .map(|place| NewAccount {
                    kind: AccountKind::Customer,
                    name: format!("Office {place:03} of {many}"),
                    status: AccountStatus::Active,
                    plan_id: Some(plan_id),
                    bucket_count: 0,
                    due: None,
                })
                .collect();
            let told = inside.core.store.write(&new, |connection, new| {
                Box::pin(async move { stored_and_read(connection, new).await })
            });
            let mut told = inside.run(told).unwrap();
            told.sort();
            let names = new.into_iter().map(|new| new.name);
            assert_eq!(told, names.zip(0..).collect::<Vec<_>>());
        }
    });
}

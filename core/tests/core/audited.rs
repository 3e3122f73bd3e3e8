//! What every line of the audit tells: whatever an act changes stands in its line as it was before and as it is after.

use super::site::Site;
use serde_json::Value;
use sqlx::Row;
use std::collections::BTreeSet;
use std::path::Path;

/// Every action, and the names of its detail that are always pairs of before and after. An act that makes something has no
/// before, and what is secret is not told; the ones that change nothing of their own each say why.
const ACTIONS: &[(&str, &[&str])] = &[
    // Something is made: the line says what.
    ("account.registered", &[]),
    ("api_key.created", &[]),
    ("member.invited", &[]),
    ("member.joined", &[]),
    ("plan.added", &[]),
    ("staff.created", &[]),
    // Somebody comes or goes; nothing else changes.
    ("panel.signed_in", &[]),
    ("panel.signed_out", &[]),
    ("user.signed_in", &[]),
    ("user.signed_out", &[]),
    // A password: neither the one before nor the one after is told.
    ("user.password_changed", &[]),
    ("user.password_reset", &[]),
    // Noted for staff; nothing has come of it.
    ("payment.failed", &[]),
    ("payment.mismatch", &[]),
    ("payment.unexpected", &[]),
    // What changes depends on where the account stood: who is shut out already, or has the plan already, stays so.
    ("account.suspended", &[]),
    ("credits.granted", &[]),
    ("plan.assigned", &[]),
    ("subscription.grace_ended", &[]),
    ("account.reinstated", &["suspend_reason"]),
    ("account.renamed", &["name"]),
    ("api_key.revoked", &["status"]),
    ("api_key.rotated", &["replaced_expires_at_us"]),
    ("clock.advanced", &["ahead_seconds"]),
    ("credits.adjusted", &["credits"]),
    ("member.invitation_revoked", &["status"]),
    ("member.removed", &["role"]),
    ("member.role_changed", &["role"]),
    ("payment.confirmed", &["payment", "period_end_us"]),
    ("payment.requested", &["payment"]),
    ("payment.withdrawn", &["payment"]),
    ("session.revoked", &["session"]),
    ("sign_in.all_ended", &["sign_ins"]),
    ("sign_in.ended", &["sign_ins"]),
    ("sign_in.others_ended", &["sign_ins"]),
    ("sign_in.reused_token", &["sign_in"]),
    ("staff.disabled", &["is_active"]),
    ("staff.totp_reset", &["second_factor"]),
    ("subscription.activated", &["period_end_us"]),
    ("subscription.cancel_requested", &["cancel_at_period_end"]),
    ("subscription.cancel_undone", &["cancel_at_period_end"]),
    ("subscription.cancelled", &["subscription_status"]),
    ("subscription.past_due", &["subscription_status"]),
    ("subscription.renewed", &["period_end_us"]),
    ("subscription.trial_ended", &["subscription_status"]),
    ("subscription.unlinked", &["stripe_subscription_id"]),
    ("totp.begun", &["second_factor"]),
    ("totp.off", &["second_factor"]),
    ("totp.on", &["second_factor"]),
    ("user.email_verified", &["email_verified"]),
];

/// What of a pair stands in a line.
fn pair<'a>(detail: &'a Value, name: &str) -> Option<(&'a Value, &'a Value)> {
    let pair = detail[name].as_object()?;
    Some((pair.get("before")?, pair.get("after")?))
}

/// Every line that the stories of a test have left on this database tells what it must.
#[track_caller]
pub fn every_line_tells_its_change(site: &Site) {
    let lines = site.rows("SELECT action, detail FROM audit ORDER BY id", |row| {
        (row.get::<String, _>(0), row.get::<String, _>(1))
    });
    for (action, detail) in lines {
        let told: Value = serde_json::from_str(&detail).unwrap();
        let wanted = ACTIONS.iter().find(|(known, _)| *known == action);
        let (_, names) = wanted.unwrap_or_else(|| panic!("{action} is not in the table"));
        for name in *names {
            assert!(
                pair(&told, name).is_some(),
                "{action}: no before and after of {name}: {detail}"
            );
        }
        for (name, value) in told.as_object().unwrap() {
            if value.is_object() && name != "metadata" {
                let (before, after) = pair(&told, name).unwrap_or_else(|| panic!("{action}: {name}: {detail}"));
                // Two sign-ins at once may each count the other; and what has begun may begin anew, with another secret.
                let may_stay = name == "sign_ins" || action == "totp.begun";
                assert!(
                    before != after || may_stay,
                    "{action}: {name} has not changed: {detail}"
                );
            }
        }
    }
}

/// Words of the form `thing.verb` in string literals of these sources, tests left out.
fn actions_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            actions_in(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            found.extend(shipped.split('"').skip(1).step_by(2).filter_map(|word| {
                let (thing, verb) = word.split_once('.')?;
                let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
                (plain(thing) && plain(verb)).then(|| word.to_owned())
            }));
        }
    }
}

#[test]
fn the_table_has_every_action_that_there_is() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for room in ["app", "domain", "storage"] {
        actions_in(&source.join(room), &mut found);
    }
    // What Stripe calls its events, files and fields; none of it is ours.
    found.retain(|word| {
        !["invoice.", "customer.", "checkout.", "charge."]
            .iter()
            .any(|theirs| word.starts_with(theirs))
    });
    let known: BTreeSet<String> = ACTIONS.iter().map(|(action, _)| (*action).to_owned()).collect();
    let unknown: Vec<_> = found.difference(&known).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "tell what they change");
    let gone: Vec<_> = known.difference(&found).collect();
    assert_eq!(gone, Vec::<&String>::new(), "nobody does these");
}

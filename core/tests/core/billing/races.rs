//! The same thing at once, and things that get in each other's way.

use super::*;
use crate::site::on_both;
use std::collections::HashSet;

#[test]
fn fifty_of_one_confirmation_at_once_are_one_effect_and_one_answer() {
    on_both(|site| {
        let server = site.serve();
        let (staff, member) = (staff(&site, &server), server.sign_up());
        let body = transfer(id(&member), "BT-1", "29.99");
        let plain = server.asks(&staff, CONFIRM, &body);
        let keyed = plain.clone().field("Idempotency-Key", "one");
        let requests: Vec<_> = (0..50)
            .map(|at| if at % 2 == 0 { plain.clone() } else { keyed.clone() })
            .collect();
        let answers = at_once(&requests);
        let texts: HashSet<String> = answers.iter().map(Response::text).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        let account = data(&answers[0])["account"].clone();
        assert_eq!(
            (&account["status"], &account["credits"]),
            (&json!("active"), &json!(5_000))
        );
        let first = answers
            .iter()
            .filter(|answer| answer.field("idempotency-replayed").is_none());
        assert_eq!(first.count(), 1);
        assert_eq!(site.number("SELECT COUNT(*) FROM payment"), 1);
        assert_eq!(site.number("SELECT COUNT(*) FROM receipt"), 1);
        assert_eq!(entries(&site, id(&member)).len(), 3);
        site.is_healthy();
    });
}

#[test]
fn one_transfer_is_never_confirmed_for_two_accounts() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        for round in 0..5 {
            let members = [server.sign_up(), server.sign_up(), server.sign_up()];
            let external = format!("BT-{round}");
            let requests: Vec<_> = members
                .iter()
                .map(|member| server.asks(&staff, CONFIRM, &transfer(id(member), &external, "29.99")))
                .collect();
            let answers = at_once(&requests);
            let (taken, conflicts): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
            assert_eq!(
                taken.len(),
                1,
                "{:?}",
                answers.iter().map(Response::text).collect::<Vec<_>>()
            );
            for answer in conflicts {
                refused(answer, 409, "payment_conflict");
            }
        }
        assert_eq!(site.number("SELECT COUNT(*) FROM payment"), 5);
        assert_eq!(site.number("SELECT last_number FROM receipt_counter"), 5);
        site.is_healthy();
    });
}

#[test]
fn one_key_for_two_accounts_at_once_is_used_by_one_of_them() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        for round in 0..5 {
            let members = [server.sign_up(), server.sign_up()];
            let requests: Vec<_> = members
                .iter()
                .map(|member| {
                    let body = transfer(id(member), &format!("BT-{}", id(member)), "29.99");
                    server
                        .asks(&staff, CONFIRM, &body)
                        .field("Idempotency-Key", &format!("key-{round}"))
                })
                .collect();
            let mut statuses: Vec<u16> = at_once(&requests).iter().map(|answer| answer.status).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409]);
        }
        assert_eq!(site.number("SELECT COUNT(*) FROM receipt"), 5);
        site.is_healthy();
    });
}

#[test]
fn an_upgrade_against_a_confirmation_leaves_one_plan_and_at_most_one_payment_that_is_waited_for() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        for round in 0..6 {
            let member = server.sign_up();
            let named = with(
                &transfer(id(&member), &format!("BT-{round}"), "29.99"),
                &json!({"plan_slug": "starter"}),
            );
            let mut requests = vec![server.asks(&staff, CONFIRM, &named)];
            for plan in ["starter", "growth"] {
                let upgrade = json!({"plan_slug": plan, "payment_method": "bank_transfer"});
                requests.push(server.asks(&member.access, UPGRADE, &upgrade));
            }
            let answers = at_once(&requests);
            // Either the transfer came first, or the upgrade to growth did and the amount is not its price.
            match answers[0].status {
                200 => assert_eq!(data(&answers[0])["account"]["plan"]["slug"], "starter"),
                _ => drop(refused(&answers[0], 422, "amount_mismatch")),
            }
            for upgrade in &answers[1..] {
                assert_eq!(data(upgrade)["status"], "pending");
            }
            let waiting = format!(
                "SELECT COUNT(*) FROM payment WHERE status = 'pending' AND account_id = {}",
                id(&member)
            );
            assert!(site.number(&waiting) <= 1);
        }
        site.is_healthy();
    });
}

#[test]
fn a_suspension_against_debits_and_payments_wins_or_comes_after_each() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        let member = server.sign_up();
        let account = id(&member);
        let suspend = format!("/api/v1/staff/accounts/{account}/suspend/");
        let take = json!({"account_id": account, "amount": -10, "reason": "a correction"});
        let mut requests = vec![
            server.asks(&staff, &suspend, &json!({"reason": "staff"})),
            server.asks(&staff, CONFIRM, &transfer(account, "BT-1", "29.99")),
        ];
        requests.extend((0..6).map(|_| server.asks(&staff, "/api/v1/billing/adjust-credits/", &take)));
        for answer in at_once(&requests) {
            data(&answer);
        }
        let standing = server.get("/api/v1/account/").bearer(&member.access).send();
        refused(&standing, 403, "account_suspended");
        let slug = "SELECT COUNT(*) FROM account JOIN plan ON plan.id = account.plan_id WHERE plan.slug = 'starter'";
        assert_eq!(
            site.number(slug),
            1,
            "what was paid is there when the suspension is taken back"
        );
        site.is_healthy();
    });
}

#[test]
fn receipts_are_numbered_without_a_gap_however_many_come_at_once() {
    on_both(|site| {
        let server = site.serve();
        let staff = staff(&site, &server);
        let members: Vec<Member> = (0..12).map(|_| server.sign_up()).collect();
        let mut requests = Vec::new();
        for (at, member) in members.iter().enumerate() {
            requests.push(server.asks(&staff, CONFIRM, &transfer(id(member), &format!("BT-{at}"), "29.99")));
            // Refused only once it is known what the plan costs.
            let mismatch = with(
                &transfer(id(member), &format!("X-{at}"), "1.00"),
                &json!({"plan_slug": "scale"}),
            );
            requests.push(server.asks(&staff, CONFIRM, &mismatch));
        }
        let answers = at_once(&requests);
        let mut numbers: Vec<i64> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .map(|answer| data(answer)["payment"]["receipt_number"].as_i64().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
        site.is_healthy();
    });
}

//! What events lead to, in whatever order they come and however often.

use super::{
    PATH, Payer, SECRET, SECRET_FILE, machine_seconds, send, serve, serve_widely, signature, told, write_secrets,
};
use crate::billing::SELLER;
use crate::site::on_both;
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// What one payment makes of an account.
const PAID_ONCE: &str = "active, starter, 5000, active, stripe, in_a_1, sub_1, cancels 0, subscriptions 1, periods 2, \
                         pending 0, payments 1, receipts 1, grants 2, entries 3, confirmed 1, unexpected 0, waiting 0";

/// And a second one.
const PAID_TWICE: &str = "active, starter, 5000, active, stripe, in_b_1, sub_1, cancels 0, subscriptions 1, periods 3, \
                          pending 0, payments 2, receipts 2, grants 3, entries 5, confirmed 2, unexpected 0, waiting 0";

/// Every order of `0..length`.
fn orders(length: usize) -> Vec<Vec<usize>> {
    let Some(last) = length.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in orders(last) {
        for place in 0..=last {
            let mut longer = order.clone();
            longer.insert(place, last);
            all.push(longer);
        }
    }
    all
}

#[test]
fn a_checkout_and_its_first_invoice_are_one_payment_in_either_order() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&server);
        assert_eq!(told(&server, &payer.checkout()), "applied");
        assert_eq!(payer.state(&site), PAID_ONCE);
        assert_eq!(told(&server, &payer.invoice_paid()), "unchanged");
        assert_eq!(payer.state(&site), PAID_ONCE);
        let seen = server
            .get("/api/v1/account/")
            .bearer(&payer.member.access)
            .send()
            .json();
        assert_eq!(seen["data"]["plan"]["slug"], "starter");

        let payer = Payer::new(&server);
        assert_eq!(told(&server, &payer.invoice_paid()), "waiting");
        assert_eq!(payer.count(&site, "payment WHERE status = 'confirmed'"), 0);
        assert_eq!(told(&server, &payer.checkout()), "applied");
        assert_eq!(payer.state(&site), PAID_ONCE);
        assert_eq!(
            told(&server, &payer.invoice_paid()),
            "unchanged",
            "the one that has waited"
        );
        site.is_healthy();
    });
}

#[test]
fn an_invoice_pays_where_its_checkout_could_not_say_that_the_money_had_come() {
    on_both(|site| {
        let server = serve(&site);
        for invoice_first in [false, true] {
            for (member, value) in [("payment_status", json!("unpaid")), ("invoice", Value::Null)] {
                let payer = Payer::new(&server);
                let mut checkout = payer.checkout();
                checkout["data"]["object"][member] = value;
                let invoice = payer.invoice_paid();
                let (first, second) = if invoice_first {
                    (told(&server, &invoice), told(&server, &checkout))
                } else {
                    (told(&server, &checkout), told(&server, &invoice))
                };
                let expected = if invoice_first {
                    ("waiting", "linked")
                } else {
                    ("linked", "applied")
                };
                assert_eq!((first.as_str(), second.as_str()), expected, "{member}");
                assert_eq!(payer.state(&site), PAID_ONCE, "{member}");
                let mut late = payer.checkout();
                late["id"] = json!(format!("evt_late{}", payer.tag));
                late["type"] = json!("checkout.session.async_payment_succeeded");
                assert_eq!(told(&server, &late), "unchanged");
                assert_eq!(payer.state(&site), PAID_ONCE);
            }
        }
        site.is_healthy();
    });
}

#[test]
fn a_receipt_names_who_issued_it_when_its_event_took_effect() {
    on_both(|site| {
        let file = write_secrets(&site, SECRET);
        let serve = |seller: &str| site.serve_with(&[(SECRET_FILE, &file), (SELLER, seller)]);
        let server = serve("Igny8 Ltd\nVAT GB1");
        let (payer, waiting) = (Payer::new(&server), Payer::new(&server));
        assert_eq!(told(&server, &payer.checkout()), "applied");
        assert_eq!(told(&server, &waiting.invoice_paid()), "waiting");
        drop(server);
        let server = serve("Another\nVAT GB2");
        assert_eq!(told(&server, &payer.invoice_paid()), "unchanged");
        assert_eq!(told(&server, &payer.second_invoice()), "applied");
        assert_eq!(told(&server, &waiting.checkout()), "applied");
        for (payer, issued) in [
            (&payer, vec!["Another\nVAT GB2", "Igny8 Ltd\nVAT GB1"]),
            (&waiting, vec!["Another\nVAT GB2"]),
        ] {
            let list = server.reads(&payer.member.access, "/api/v1/account/receipts/");
            let items = list["items"].as_array().unwrap().iter();
            let sellers: Vec<&str> = items.map(|item| item["seller"].as_str().unwrap()).collect();
            assert_eq!(sellers, issued);
        }
        site.is_healthy();
    });
}

#[test]
fn every_order_of_the_events_ends_in_the_same_state() {
    on_both(|site| {
        let server = serve(&site);
        let expected = PAID_ONCE.replace("cancels 0", "cancels 1");
        for order in orders(4) {
            let payer = Payer::new(&server);
            let events = [
                payer.checkout(),
                payer.invoice_paid(),
                payer.invoice_succeeded(),
                payer.cancels(true, 2),
            ];
            for index in &order {
                send(&server, &events[*index]);
            }
            assert_eq!(payer.state(&site), expected, "{order:?} on {}", site.engine);
        }
        for order in orders(4) {
            let payer = Payer::new(&server);
            let events = [
                payer.checkout(),
                payer.cancels(true, 2),
                payer.cancels(false, 3),
                payer.second_invoice(),
            ];
            for index in &order {
                send(&server, &events[*index]);
            }
            assert_eq!(payer.state(&site), PAID_TWICE, "{order:?} on {}", site.engine);
        }
        let expected = PAID_ONCE
            .replacen("active", "cancelled", 1)
            .replacen(", active", ", cancelled", 1);
        for order in orders(3) {
            let payer = Payer::new(&server);
            let events = [payer.checkout(), payer.invoice_paid(), payer.deleted()];
            for index in &order {
                send(&server, &events[*index]);
            }
            assert_eq!(payer.state(&site), expected, "{order:?} on {}", site.engine);
        }
        site.is_healthy();
    });
}

#[test]
fn an_event_that_is_sent_many_times_at_once_takes_effect_once() {
    on_both(|site| {
        let servers = serve_widely(&site);
        let payer = Payer::new(&servers[0].1);
        let at_once = |event: &Value| {
            std::thread::scope(|scope| {
                let sending: Vec<_> = (0..20)
                    .map(|index| {
                        let server = &servers[index % servers.len()].1;
                        scope.spawn(move || told(server, event))
                    })
                    .collect();
                sending.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
            })
        };
        for event in [payer.checkout(), payer.second_invoice()] {
            let outcomes = at_once(&event);
            assert!(outcomes.iter().all(|outcome| outcome == "applied"), "{outcomes:?}");
        }
        assert_eq!(payer.state(&site), PAID_TWICE);
        assert_eq!(site.number("SELECT COUNT(*) FROM stripe_event"), 2);
        site.is_healthy();
    });
}

#[test]
fn events_that_come_at_once_miss_neither_each_other_nor_their_effect() {
    on_both(|site| {
        let servers = serve_widely(&site);
        let rounds = if std::env::var_os("IGNY8_TEST_LONG").is_some() {
            100
        } else {
            10
        };
        for round in 0..rounds {
            let payer = Payer::new(&servers[0].1);
            let events = [
                payer.checkout(),
                payer.invoice_paid(),
                payer.invoice_succeeded(),
                payer.cancels(true, 2),
                payer.cancels(false, 3),
                payer.second_invoice(),
            ];
            std::thread::scope(|scope| {
                for (index, event) in events.iter().chain(&events).enumerate() {
                    let server = &servers[(index + round) % servers.len()].1;
                    scope.spawn(move || told(server, event));
                }
            });
            assert_eq!(payer.state(&site), PAID_TWICE, "round {round} on {}", site.engine);
        }
        site.is_healthy();
    });
}

#[test]
fn a_later_invoice_renews_from_the_previous_end_with_one_grant() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&server);
        told(&server, &payer.checkout());
        told(&server, &payer.invoice_paid());
        assert_eq!(told(&server, &payer.second_invoice()), "applied");
        let mut succeeded = payer.invoice_event("invoice_payment_succeeded", "in_b", 2_592_000);
        assert_eq!(told(&server, &succeeded), "unchanged");
        assert_eq!(payer.state(&site), PAID_TWICE);
        let gap = "SELECT later.start_us - earlier.end_us FROM subscription_period AS later \
                   JOIN subscription_period AS earlier ON earlier.subscription_id = later.subscription_id \
                   AND earlier.sequence = 2 AND later.sequence = 3";
        assert_eq!(site.number(gap), 0);
        // In the shape of the API before 2025.
        succeeded = payer.event(
            "invoice_paid_2022",
            5_184_000,
            &json!({"id": payer.name("in_c"), "subscription": payer.name("sub")}),
        );
        assert_eq!(told(&server, &succeeded), "applied");
        let grants = "SELECT COUNT(*) FROM credit_bucket WHERE grant_number = 1 AND period_sequence = 4";
        assert_eq!(site.number(grants), 1);
        site.is_healthy();
    });
}

#[test]
fn a_single_payment_confirms_what_it_names() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&server);
        let changes = json!({"client_reference_id": payer.reference, "payment_intent": payer.name("pi")});
        let event = payer.event("checkout_session_completed_single_payment", 0, &changes);
        assert_eq!(told(&server, &event), "applied");
        assert_eq!(
            payer.state(&site),
            PAID_ONCE.replace("in_a_1", "pi_1").replace("sub_1", "-")
        );
        site.is_healthy();
    });
}

#[test]
fn money_that_is_not_what_was_to_come_is_written_down_and_not_applied() {
    on_both(|site| {
        let server = serve(&site);
        for (member, value) in [("amount_total", json!(2998)), ("currency", json!("eur"))] {
            let payer = Payer::new(&server);
            let before = payer.state(&site);
            let mut checkout = payer.checkout();
            checkout["data"]["object"][member] = value;
            assert_eq!(told(&server, &checkout), "amount_mismatch");
            assert_eq!(told(&server, &checkout), "amount_mismatch");
            assert_eq!(payer.state(&site), before);
            assert_eq!(payer.count(&site, "audit WHERE action = 'payment.mismatch'"), 1);
        }
        let payer = Payer::new(&server);
        told(&server, &payer.checkout());
        let mut renewal = payer.second_invoice();
        renewal["data"]["object"]["amount_paid"] = json!(7999);
        assert_eq!(told(&server, &renewal), "amount_mismatch");
        assert_eq!(payer.state(&site), PAID_ONCE);
        site.is_healthy();
    });
}

#[test]
fn a_subscription_that_stripe_has_ended_is_never_brought_back() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&server);
        told(&server, &payer.checkout());
        assert_eq!(told(&server, &payer.deleted()), "applied");
        let ended = payer.state(&site);
        assert!(
            ended.starts_with("cancelled, starter, 5000, cancelled, stripe"),
            "{ended}"
        );
        for (event, expected) in [
            (payer.deleted(), "applied"),
            (payer.checkout(), "applied"),
            (payer.cancels(false, 9_000_000), "unchanged"),
            (payer.invoice_paid(), "unchanged"),
            (payer.invoice_succeeded(), "unchanged"),
        ] {
            assert_eq!(told(&server, &event), expected, "{}", event["type"]);
            assert_eq!(payer.state(&site), ended, "{}", event["type"]);
        }
        assert_eq!(told(&server, &payer.second_invoice()), "unexpected");
        assert_eq!(payer.state(&site), ended.replace("unexpected 0", "unexpected 1"));
        let line =
            "SELECT COUNT(*) FROM audit WHERE action = 'payment.unexpected' AND detail LIKE '%\"amount_minor\":2999%'";
        assert_eq!(site.number(line), 1);
        site.is_healthy();
    });
}

#[test]
fn a_failed_attempt_to_pay_is_in_the_audit() {
    on_both(|site| {
        let server = serve(&site);
        let payer = Payer::new(&server);
        let failed = payer.invoice_event("invoice_payment_failed", "in_b", 2_592_000);
        assert_eq!(told(&server, &failed), "waiting");
        told(&server, &payer.checkout());
        assert_eq!(payer.count(&site, "audit WHERE action = 'payment.failed'"), 1);
        assert_eq!(told(&server, &failed), "noted");
        assert_eq!(payer.state(&site), PAID_ONCE);
    });
}

#[test]
fn an_event_whose_answer_was_lost_by_a_kill_takes_effect_once_when_it_is_sent_again() {
    on_both(|site| {
        for place in ["before_commit:1", "after_commit:1"] {
            let (mut server, file) = (serve(&site), write_secrets(&site, SECRET));
            let payer = Payer::new(&server);
            for event in [
                payer.invoice_paid(),
                payer.checkout(),
                payer.second_invoice(),
                payer.deleted(),
            ] {
                drop(server);
                let taken = || site.number("SELECT COUNT(*) FROM stripe_event");
                let before = (payer.state(&site), taken());
                // The worker must not take the commit that is meant.
                let quiet = ("IGNY8_CORE__WORKER__ENABLED", "false");
                let mut doomed = site.serve_with(&[(SECRET_FILE, &file), ("IGNY8_CORE_FAIL_POINT", place), quiet]);
                let body = event.to_string().into_bytes();
                let field = signature(SECRET, machine_seconds(), &body);
                let request = doomed.post(PATH).field("Stripe-Signature", &field);
                assert!(
                    request.body("application/json", body).try_send().is_err(),
                    "{place}: it was answered"
                );
                let ended = wait_until("the core to be gone", Duration::from_secs(20), || doomed.child.ended());
                assert_eq!(ended.signal(), Some(9), "{ended}");
                let nothing_yet = (payer.state(&site), taken()) == before;
                assert_eq!(nothing_yet, place.starts_with("before"), "{place} {}", event["type"]);

                server = serve(&site);
                let first = told(&server, &event);
                let after = (payer.state(&site), taken());
                assert_eq!(after.1, before.1 + 1);
                assert_eq!(told(&server, &event), first);
                assert_eq!((payer.state(&site), taken()), after);
            }
            let ended = PAID_TWICE
                .replacen("active", "cancelled", 1)
                .replacen(", active", ", cancelled", 1);
            assert_eq!(payer.state(&site), ended, "{place} on {}", site.engine);
        }
        site.is_healthy();
    });
}
